"""Make proto/vectors/attestation.json: a warrant, an attestation, proofs and a record, and what each proof comes to.

Run with --write after a change of the protocol; tests/vectors/test_own_attestations.py compares.
"""

import json
import sys
from pathlib import Path
from typing import Any

from relayproto import attestation
from relayproto.attestation import Proof, Unattested
from relayproto.organisation import PublicRecord, RootKey
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.rootkeys import sign_successor
from relayproto.standing import Field
from support.attesting import (
    DAY_MS,
    NOW_MS,
    OFFICER,
    ROOT_SEED,
    STAMP_SEED,
    TEXTS,
    VERIFIER_SEED,
    attested,
    proof,
    record,
    signed,
    warrant,
)
from support.changed import replace
from support.organisations import RELAY

PATH = Path(__file__).parents[2] / "proto" / "vectors" / "attestation.json"
NEW_SEED = b"N" * 32
NEW_KEY = ed25519_public(NEW_SEED)


def rotated(since_ms: int) -> PublicRecord:
    """Return the record once its root key was replaced."""
    by_old, by_new = sign_successor(ROOT_SEED, RELAY, 1, NEW_KEY), sign_successor(NEW_SEED, RELAY, 1, NEW_KEY)
    return record(keys=(*record().keys, RootKey(NEW_KEY, by_old, by_new, since_ms)))


def less(*hidden: Field) -> dict[Field, str]:
    """Return what is stated but for these."""
    return {each: text for each, text in TEXTS.items() if each not in hidden}


WHOLE, OTHER = proof(), proof(attested(serial=b"b" * 16))
CASES: dict[str, tuple[Proof, PublicRecord, int, list[bytes]]] = {
    "all of it": (proof(), record(), NOW_MS, []),
    "the name alone": (proof(texts={Field.NAME: "Bob Roy"}), record(), NOW_MS, []),
    "all but the address": (proof(texts=less(Field.ADDRESS)), record(), NOW_MS, []),
    "no statement": (proof(texts={}), record(), NOW_MS, []),
    "five minutes early": (proof(), record(), NOW_MS - 300_000, []),
    "earlier": (proof(), record(), NOW_MS - 300_001, []),
    "a moment before its end": (proof(), record(), NOW_MS + 90 * DAY_MS - 1, []),
    "at its end": (proof(), record(), NOW_MS + 90 * DAY_MS, []),
    "taken back": (proof(), record(), NOW_MS, [b"a" * 16]),
    "its warrant taken back": (proof(), record(), NOW_MS, [b"w" * 16]),
    "another text": (
        replace(WHOLE, statements=(replace(WHOLE.statements[0], text="Rob Roy"), *WHOLE.statements[1:])), record(),
        NOW_MS, [],
    ),
    "a text as another field": (
        replace(WHOLE, statements=(replace(WHOLE.statements[0], field=Field.TITLE),)), record(), NOW_MS, [],
    ),
    "a statement of another attestation": (replace(WHOLE, statements=OTHER.statements), record(), NOW_MS, []),
    "another signature": (replace(proof(), signature=bytes(64)), record(), NOW_MS, []),
    "another root key": (proof(root_seed=NEW_SEED), record(), NOW_MS, []),
    "another relay": (proof(relay=bytes(32)), record(), NOW_MS, []),
    "another organisation": (proof(), record(unit=7), NOW_MS, []),
    "another domain": (proof(), record(domains=("else.example",)), NOW_MS, []),
    "another domain, and the address is not shown": (
        proof(texts=less(Field.ADDRESS)), record(domains=("else.example",)), NOW_MS, [],
    ),
    "the verifier himself": (proof(under=warrant(account=OFFICER)), record(), NOW_MS, []),
    "longer than its warrant": (proof(under=warrant(expires_ms=NOW_MS + 89 * DAY_MS)), record(), NOW_MS, []),
    "a key replaced yesterday": (proof(), rotated(NOW_MS - DAY_MS), NOW_MS, []),
    "a key replaced 90 days ago": (proof(), rotated(NOW_MS - 90 * DAY_MS), NOW_MS, []),
    "under the next key": (
        proof(attested(root=blake2b_256(NEW_KEY)), root_seed=NEW_SEED), rotated(NOW_MS - 90 * DAY_MS), NOW_MS, [],
    ),
}  # fmt: skip
"""What is shown, the record that is known, when, and which serials were taken back."""


def outcome(shown: Proof, said: PublicRecord, now_ms: int, revoked: list[bytes]) -> dict[str, Any]:
    """Return what a proof comes to, in the words of the vectors."""
    try:
        found = attestation.check(shown, RELAY, said, OFFICER, now_ms, revoked)
    except Unattested as unattested:
        return {"doubt": unattested.doubt.name}
    return {"organisation": found.organisation, "name": found.name, "title": found.title, "unit": found.unit,
            "address": found.address}  # fmt: skip


def generate() -> str:
    """Return the file's text."""
    made = {
        "about": "Spec 85: proofs, as they are checked against a record at a time; account is whom they are shown for.",
        "version": 1,
        "root_seed": ROOT_SEED.hex(), "verifier_seed": VERIFIER_SEED.hex(), "stamp_seed": STAMP_SEED.hex(),
        "relay": RELAY.hex(), "account": OFFICER.hex(),
        "cases": [
            {"what": what, "proof": attestation.encode_proof(shown).hex(), "record": signed(said)[0].hex(),
             "record_signature": signed(said)[1].hex(), "now_ms": now_ms, "revoked": [each.hex() for each in revoked],
             "comes_to": outcome(shown, said, now_ms, revoked)}
            for what, (shown, said, now_ms, revoked) in CASES.items()
        ],
    }  # fmt: skip
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
