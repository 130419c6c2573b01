"""Warrants, attestations, proofs and records of organisations, rightly signed unless a test changes something."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from relayproto import attestation, organisation
from relayproto.attestation import Attestation, Proof, Warrant
from relayproto.organisation import PublicRecord, RootKey
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.standing import Field, Standing
from relayproto.verification import Attest, PutWarrant
from support.organisations import RELAY

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
ROOT_SEED, VERIFIER_SEED, STAMP_SEED = b"r" * 32, b"v" * 32, b"s" * 32
VERIFIER, OFFICER = b"V" * 32, b"O" * 32
TEXTS = {Field.NAME: "Bob Roy", Field.TITLE: "Registrar", Field.UNIT: "2", Field.ADDRESS: "bob@gad.example"}
"""What is stated of the officer of unit 2."""


def warrant(**changes: Any) -> Warrant:
    """Return a warrant over unit 2 of organisation 1, for a year."""
    fields: dict[str, Any] = {
        "serial": b"w" * 16, "organisation": 1, "unit": 2, "account": VERIFIER, "key": ed25519_public(VERIFIER_SEED),
        "not_before_ms": NOW_MS - DAY_MS, "expires_ms": NOW_MS + 300 * DAY_MS,
    }  # fmt: skip
    return Warrant(**fields | changes)


def attested(**changes: Any) -> Attestation:
    """Return an attestation of an officer, good for 90 days."""
    fields: dict[str, Any] = {
        "serial": b"a" * 16, "warrant": b"w" * 16, "root": blake2b_256(ed25519_public(ROOT_SEED)), "organisation": 1,
        "account": OFFICER, "standing": Standing.VERIFIED, "not_before_ms": NOW_MS, "expires_ms": NOW_MS + 90 * DAY_MS,
    }  # fmt: skip
    return Attestation(**fields | changes)


def proof(
    said: Attestation | None = None,
    under: Warrant | None = None,
    *,
    texts: Mapping[Field, str] = MappingProxyType(TEXTS),
    root_seed: bytes = ROOT_SEED,
    sign_seed: bytes = VERIFIER_SEED,
    relay: bytes = RELAY,
) -> Proof:
    """Return a proof, signed by these keys."""
    said = said or attested()
    octets, warranted = attestation.encode(said), attestation.encode_warrant(under or warrant())
    return Proof(
        octets, attestation.sign_attestation(sign_seed, relay, octets), warranted,
        attestation.sign_warrant(root_seed, relay, warranted),
        attestation.state(sign_seed, relay, said.serial, texts),
    )  # fmt: skip


def record(**changes: Any) -> PublicRecord:
    """Return the public record of organisation 1."""
    fields: dict[str, Any] = {
        "unit": 1, "name": "General Administration", "domains": ("gad.example",),
        "keys": (RootKey(ed25519_public(ROOT_SEED), b"", b"", NOW_MS - 400 * DAY_MS),), "issued_ms": NOW_MS,
    }  # fmt: skip
    return PublicRecord(**fields | changes)


def signed(said: PublicRecord, stamp_seed: bytes = STAMP_SEED) -> tuple[bytes, bytes]:
    """Return a record's bytes and the relay's signature."""
    octets = organisation.encode(said)
    return octets, organisation.sign_record(stamp_seed, octets)


def put_warrant(under: Warrant, root_seed: bytes = ROOT_SEED, relay: bytes = RELAY, **changes: Any) -> PutWarrant:
    """Return the change that puts a warrant into force."""
    octets = attestation.encode_warrant(under)
    fields = {"unit": under.unit, "account": under.account, "warrant": octets,
              "signature": attestation.sign_warrant(root_seed, relay, octets)}  # fmt: skip
    return PutWarrant(**fields | changes)


def attest(
    said: Attestation,
    sign_seed: bytes = VERIFIER_SEED,
    relay: bytes = RELAY,
    texts: Mapping[Field, str] = MappingProxyType(TEXTS),
    **changes: Any,
) -> Attest:
    """Return the change that attests."""
    octets = attestation.encode(said)
    signature = attestation.sign_attestation(sign_seed, relay, octets)
    fields = {"unit": int(texts[Field.UNIT]), "account": said.account, "attestation": octets, "signature": signature,
              "statements": attestation.state(sign_seed, relay, said.serial, texts)}  # fmt: skip
    return Attest(**fields | changes)
