"""The command line: what a root key has signed, as files that go from the organisation's machine to an officer's.

A statement enters and lines of JSON leave, or the other way round. The rule of this file: a statement is checked with
its own key before anything is made of it, so that a file that was mixed up fails here, in words.
"""

import json
from pathlib import Path
from typing import Final, NamedTuple

from relayclient.cli import terminal
from relayclient.errors import StatementBad
from relayproto import rootkeys
from relayproto.errors import CryptoFailure
from relayproto.ids import UnitId
from relayproto.primitives import ed25519_public, equal

_OCTETS_MAX: Final = 4096
_KEY_BYTES: Final = 32
_HASH_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


class Owned(NamedTuple):
    """A root key speaks for a mail domain, at the relay with this root."""

    relay: bytes
    domain: str
    root_key: bytes
    owned: bytes


class Succeeded(NamedTuple):
    """A root key is followed by another, as an organisation's of the relay with this root."""

    relay: bytes
    unit: UnitId
    root_key: bytes
    by_old: bytes
    by_new: bytes


def own(seed: bytes, relay: bytes, domain: str) -> dict[str, object]:
    """Return the statement that a root key speaks for a domain."""
    return {"statement": "domain", "relay": relay.hex(), "domain": domain, "root_key": ed25519_public(seed).hex(),
            "owned": rootkeys.sign_domain(seed, relay, domain).hex()}  # fmt: skip


def succeed(old_seed: bytes, relay: bytes, new_seed: bytes, unit: UnitId) -> dict[str, object]:
    """Return the statement that another root key is an organisation's from now on, by both."""
    key = ed25519_public(new_seed)
    return {"statement": "successor", "relay": relay.hex(), "unit": unit, "root_key": key.hex(),
            "old_key": ed25519_public(old_seed).hex(),
            "by_old": rootkeys.sign_successor(old_seed, relay, unit, key).hex(),
            "by_new": rootkeys.sign_successor(new_seed, relay, unit, key).hex()}  # fmt: skip


def document(seed: bytes, relay: bytes, octets: bytes) -> dict[str, object]:
    """Return the statement that a root key stands for the bytes of a document."""
    return {"statement": "document", "relay": relay.hex(), "root_key": ed25519_public(seed).hex(),
            "signature": rootkeys.sign_document(seed, relay, octets).hex()}  # fmt: skip


def read_owned(path: Path) -> Owned:
    """Return the statement about a domain. Raises StatementBad, FileUnusable."""
    fields = _read(path, "domain")
    made = Owned(
        _octets(fields, "relay", _HASH_BYTES, path),
        _text(fields, "domain", path),
        _octets(fields, "root_key", _KEY_BYTES, path),
        _octets(fields, "owned", _SIGNATURE_BYTES, path),
    )
    try:
        rootkeys.check_domain(made.root_key, made.relay, made.domain, made.owned)
    except CryptoFailure:
        raise StatementBad(f"{path}: its signature is not that key's") from None
    return made


def read_succeeded(path: Path) -> Succeeded:
    """Return the statement about a successor. Raises StatementBad, FileUnusable."""
    fields = _read(path, "successor")
    unit = fields.get("unit")
    if type(unit) is not int or not 0 < unit < 1 << 32:
        raise StatementBad(f"{path}: unit")
    made = Succeeded(
        _octets(fields, "relay", _HASH_BYTES, path),
        UnitId(unit),
        _octets(fields, "root_key", _KEY_BYTES, path),
        _octets(fields, "by_old", _SIGNATURE_BYTES, path),
        _octets(fields, "by_new", _SIGNATURE_BYTES, path),
    )
    try:
        old_key = _octets(fields, "old_key", _KEY_BYTES, path)
        rootkeys.check_successor(old_key, made.relay, made.unit, made.root_key, made.by_old)
        rootkeys.check_successor(made.root_key, made.relay, made.unit, made.root_key, made.by_new)
    except CryptoFailure:
        raise StatementBad(f"{path}: a signature in it is wrong") from None
    return made


def require(said: bytes, relay: bytes) -> None:
    """Raise StatementBad where what was signed for a relay is not for this one."""
    if not equal(said, relay):
        raise StatementBad(f"it is signed for the relay with the root {said.hex()}, and this one's is {relay.hex()}")


def read_document_signature(path: Path, relay: bytes, octets: bytes) -> bytes:
    """Return the signature over the bytes of a document for a relay. Raises StatementBad, FileUnusable."""
    fields = _read(path, "document")
    require(_octets(fields, "relay", _HASH_BYTES, path), relay)
    signature = _octets(fields, "signature", _SIGNATURE_BYTES, path)
    try:
        rootkeys.check_document(_octets(fields, "root_key", _KEY_BYTES, path), relay, octets, signature)
    except CryptoFailure:
        raise StatementBad(f"{path}: it is for other bytes; sign the very file that is put") from None
    return signature


def _read(path: Path, about: str) -> dict[str, object]:
    octets = terminal.read_file(path)
    try:
        fields = json.loads(octets[:_OCTETS_MAX])
    except (ValueError, RecursionError):
        raise StatementBad(str(path)) from None
    if not isinstance(fields, dict) or fields.get("statement") != about:
        raise StatementBad(f"{path}: not about a {about}")
    return fields


def _text(fields: dict[str, object], name: str, path: Path) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise StatementBad(f"{path}: {name}")
    return value


def _octets(fields: dict[str, object], name: str, length: int, path: Path) -> bytes:
    try:
        octets = bytes.fromhex(_text(fields, name, path))
    except ValueError:
        raise StatementBad(f"{path}: {name}") from None
    if len(octets) != length:
        raise StatementBad(f"{path}: {name}")
    return octets
