"""Documents as organisations make and sign them."""

from typing import Any

import msgspec

from relayproto import document, rootkeys
from relayproto.administration import PutDocument
from relayproto.document import FIRST_PREVIOUS
from relayproto.schema import Document
from support.organisations import RELAY


def draft(unit: int, version: int = 1, previous: bytes | None = None, **fields: Any) -> bytes:
    """Return the canonical bytes of a document with these fields; ``previous`` is the version before."""
    before = FIRST_PREVIOUS if previous is None else document.digest(previous)
    head = {"schema": 1, "unit": unit, "version": version, "previous": before, "issued_ms": 1_790_000_000_000}
    return document.write(msgspec.convert(head | fields, Document))


def signed(unit: int, octets: bytes, root_seed: bytes, relay: bytes = RELAY) -> PutDocument:
    """Return the change that puts a document in force."""
    return PutDocument(unit, octets, rootkeys.sign_document(root_seed, relay, octets))


def denied(sender: str, target: str, action: str, word: str = "deny") -> dict[str, Any]:
    """Return the field of a policy that says one word."""
    return {"policy": {sender: {target: {action: word}}}}
