"""Warrants, attestations, proofs and records of organisations, rightly signed unless a test changes something."""

from typing import Any

from relayproto import attestation, organisation
from relayproto.attestation import Attestation, Proof, Shown, Warrant
from relayproto.organisation import PublicRecord, RootKey
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.standing import Standing
from relayproto.verification import Attest, PutWarrant
from support.organisations import RELAY

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
ROOT_SEED, VERIFIER_SEED, STAMP_SEED = b"r" * 32, b"v" * 32, b"s" * 32
VERIFIER, OFFICER = b"V" * 32, b"O" * 32
NAME, TITLE = Shown(b"n" * 16, "Bob Roy"), Shown(b"t" * 16, "Registrar")


def warrant(**changes: Any) -> Warrant:
    """Return a warrant over unit 2 of organisation 1, for a year."""
    fields: dict[str, Any] = {
        "serial": b"w" * 16, "organisation": 1, "unit": 2, "account": VERIFIER, "key": ed25519_public(VERIFIER_SEED),
        "not_before_ms": NOW_MS - DAY_MS, "expires_ms": NOW_MS + 300 * DAY_MS,
    }  # fmt: skip
    return Warrant(**fields | changes)


def attested(**changes: Any) -> Attestation:
    """Return an attestation of an officer of unit 2, good for 90 days."""
    fields: dict[str, Any] = {
        "serial": b"a" * 16, "warrant": b"w" * 16, "root": blake2b_256(ed25519_public(ROOT_SEED)), "organisation": 1,
        "unit": 2, "account": OFFICER, "address": "bob@gad.example", "standing": Standing.VERIFIED,
        "name": attestation.hash_of("name", NAME), "title": attestation.hash_of("title", TITLE),
        "not_before_ms": NOW_MS, "expires_ms": NOW_MS + 90 * DAY_MS,
    }  # fmt: skip
    return Attestation(**fields | changes)


def proof(
    said: Attestation | None = None,
    under: Warrant | None = None,
    *,
    name: Shown | None = NAME,
    title: Shown | None = TITLE,
    root_seed: bytes = ROOT_SEED,
    sign_seed: bytes = VERIFIER_SEED,
    relay: bytes = RELAY,
) -> Proof:
    """Return a proof, signed by these keys."""
    octets, warranted = attestation.encode(said or attested()), attestation.encode_warrant(under or warrant())
    return Proof(
        octets, attestation.sign_attestation(sign_seed, relay, octets), warranted,
        attestation.sign_warrant(root_seed, relay, warranted), name, title,
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


def attest(said: Attestation, sign_seed: bytes = VERIFIER_SEED, relay: bytes = RELAY, **changes: Any) -> Attest:
    """Return the change that attests."""
    octets = attestation.encode(said)
    signature = attestation.sign_attestation(sign_seed, relay, octets)
    fields = {"unit": said.unit, "account": said.account, "attestation": octets, "signature": signature,
              "name": NAME, "title": TITLE}  # fmt: skip
    return Attest(**fields | changes)
