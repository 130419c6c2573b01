"""The contract: attestations - an organisation's word on who an account is (spec 85).

What an organisation says enters and signed bytes leave; a proof enters and what it attests leaves, or Unattested. The
rules of this file: a proof is checked by whoever is shown it, offline, against the organisation's public record and the
time; the name and the title are hashed apart, so that each can be shown without the other; nothing here asks a relay.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import Reader, octets, octets_up_to, one_of, optional, record, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ADDRESS_CHARS_MAX,
    ATTESTATION_LIFETIME_MS_MAX,
    ATTESTATION_SKEW_MS,
    PROOF_BYTES_MAX,
    SALT_BYTES,
    SERIAL_BYTES,
    SHOWN_CHARS_MAX,
    SUCCESSION_OVERLAP_MS,
    TIME_MS_MAX,
    WARRANT_LIFETIME_MS_MAX,
)
from relayproto.organisation import PublicRecord
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256, equal, sign, verify
from relayproto.standing import Standing

_VERSION: Final = b"\x01"
_WARRANT: Final = b"relayd/warrant/1"
_ATTESTATION: Final = b"relayd/attestation/1"
_FIELD: Final = b"relayd/field/1"
_U32: Final = (1 << 32) - 1
ATTESTABLE: Final = frozenset({Standing.VERIFIED, Standing.APPLICATION, Standing.OFFICE})
"""What an organisation vouches for."""


class Doubt(StrEnum):
    """Why a proof attests nothing."""

    FORGED = "forged"
    ANOTHER = "another account's"
    UNKNOWN = "of an organisation or a key that is not known"
    EARLY = "not in force yet"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Unattested(Exception):  # noqa: N818 - says what the account is
    """A proof that attests nothing, and why."""

    def __init__(self, doubt: Doubt) -> None:
        """Keep the reason."""
        super().__init__(doubt.value)
        self.doubt = doubt


@dataclass(frozen=True, slots=True)
class Warrant:
    """A root key's word that a device's key may attest for a unit and all below it; times are unix ms."""

    serial: bytes
    organisation: UnitId
    unit: UnitId
    account: AccountId
    key: bytes
    not_before_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Attestation:
    """What an organisation says of an account; times are unix ms.

    ``warrant`` is the serial of the warrant of the key that signed; ``root`` is the hash of the organisation's root
    key; ``name`` and ``title`` are hashes (``hash_of``), empty where there is none.
    """

    serial: bytes
    warrant: bytes
    root: bytes
    organisation: UnitId
    unit: UnitId
    account: AccountId
    address: str
    standing: Standing
    name: bytes
    title: bytes
    not_before_ms: int
    expires_ms: int


class Shown(NamedTuple):
    """A field that is shown, and the salt without which nobody could try names out on its hash."""

    salt: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Proof:
    """All that a client needs beside the organisation's public record; a field that is not shown is None."""

    attestation: bytes
    signature: bytes
    warrant: bytes
    warrant_signature: bytes
    name: Shown | None = field(default=None, repr=False)
    title: Shown | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attested:
    """What a good proof comes to; a text that is not shown is None."""

    said: Attestation
    organisation: str
    name: str | None = field(repr=False)
    title: str | None = field(repr=False)


_time = uint(TIME_MS_MAX)
_serial = octets(SERIAL_BYTES)
_hash = octets_up_to(32)
_warrant: Reader[Warrant] = record(
    Warrant, _serial, uint(_U32, 1), uint(_U32, 1), octets(32), octets(32), _time, _time
)  # fmt: skip
_attestation: Reader[Attestation] = record(
    Attestation, _serial, _serial, octets(32), uint(_U32, 1), uint(_U32, 1), octets(32), text(ADDRESS_CHARS_MAX),
    one_of(Standing), _hash, _hash, _time, _time,
)  # fmt: skip
shown: Reader[Shown] = record(Shown, octets(SALT_BYTES), text(SHOWN_CHARS_MAX))
_proof: Reader[Proof] = record(
    Proof, octets_up_to(PROOF_BYTES_MAX), octets(64), octets_up_to(PROOF_BYTES_MAX), octets(64), optional(shown),
    optional(shown),
)  # fmt: skip


def _packed(thing: Warrant | Attestation | Proof) -> bytes:
    return _VERSION + pack(*(getattr(thing, name) for name in thing.__match_args__))


def _canonical(reader: Reader[Any], signed: bytes) -> Any:
    """Return what canonical bytes say, or raise Malformed."""
    if len(signed) > PROOF_BYTES_MAX or signed[:1] != _VERSION:
        raise Malformed("not of a known version")
    said = reader(unpack(signed[1:]))
    if _packed(said) != signed:
        raise Malformed("in a form that is not canonical")
    return said


def encode_warrant(warrant: Warrant) -> bytes:
    """Return the canonical bytes of a warrant."""
    return _packed(warrant)


def decode_warrant(signed: bytes) -> Warrant:
    """Return the warrant that the bytes say; Malformed for what is none and for one of no or too long a life."""
    warrant: Warrant = _canonical(_warrant, signed)
    if not 0 < warrant.expires_ms - warrant.not_before_ms <= WARRANT_LIFETIME_MS_MAX:
        raise Malformed("a warrant that ends before it begins, or much later")
    return warrant


def sign_warrant(root_seed: bytes, relay: bytes, warrant: bytes) -> bytes:
    """Return the organisation's root key's signature over a warrant."""
    return sign(root_seed, _WARRANT + relay + warrant)


def check_warrant(root_key: bytes, relay: bytes, warrant: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where the root key has not signed this warrant."""
    verify(root_key, _WARRANT + relay + warrant, signature)


def encode(attestation: Attestation) -> bytes:
    """Return the canonical bytes of an attestation."""
    return _packed(attestation)


def decode(signed: bytes) -> Attestation:
    """Return the attestation that the bytes say; Malformed for what is none, and for one of no or too long a life."""
    said: Attestation = _canonical(_attestation, signed)
    if not 0 < said.expires_ms - said.not_before_ms <= ATTESTATION_LIFETIME_MS_MAX:
        raise Malformed("an attestation that ends before it begins, or much later")
    if said.standing not in ATTESTABLE or not {len(said.name), len(said.title)} <= {0, 32}:
        raise Malformed("an attestation of nothing")
    return said


def sign_attestation(sign_seed: bytes, relay: bytes, attestation: bytes) -> bytes:
    """Return a warranted device key's signature over an attestation."""
    return sign(sign_seed, _ATTESTATION + relay + attestation)


def check_attestation(key: bytes, relay: bytes, attestation: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where the key has not signed this attestation."""
    verify(key, _ATTESTATION + relay + attestation, signature)


def hash_of(name: str, value: Shown | None) -> bytes:
    """Return what stands in an attestation for a field, ``name`` or ``title``; empty for none."""
    if value is None:
        return b""
    return blake2b_256(_FIELD + pack(name, value.text), key=value.salt)


def encode_proof(proof: Proof) -> bytes:
    """Return the bytes of a proof."""
    return _packed(proof)


def decode_proof(packed: bytes) -> Proof:
    """Return the proof that the bytes are, or raise Malformed."""
    proof: Proof = _canonical(_proof, packed)
    return proof


def check(
    proof: Proof,
    relay: bytes,
    organisation: PublicRecord | None,
    account: AccountId,
    now_ms: int,
    revoked: Container[bytes] = (),
) -> Attested:
    """Return what a proof attests of an account at a time; raises Unattested.

    ``relay`` is the fingerprint of the relay's root: nothing counts at another, where units have the same numbers.
    ``organisation`` is the record that is known of the organisation that the proof names, its chain of keys checked,
    or None; ``revoked`` are the serials of warrants and attestations that were taken back.
    """
    try:
        said, warrant = decode(proof.attestation), decode_warrant(proof.warrant)
    except Malformed:
        raise Unattested(Doubt.FORGED) from None
    if said.account != account:
        raise Unattested(Doubt.ANOTHER)
    root_key = None if organisation is None else _root_key(organisation, said, now_ms)
    if organisation is None or root_key is None:
        raise Unattested(Doubt.UNKNOWN)
    try:
        check_warrant(root_key, relay, proof.warrant, proof.warrant_signature)
        check_attestation(warrant.key, relay, proof.attestation, proof.signature)
    except CryptoFailure:
        raise Unattested(Doubt.FORGED) from None
    if not fits(said, warrant) or not _opens(said, proof) or not _of_a_domain(said.address, organisation):
        raise Unattested(Doubt.FORGED)
    if said.not_before_ms > now_ms + ATTESTATION_SKEW_MS:
        raise Unattested(Doubt.EARLY)
    if said.expires_ms <= now_ms:
        raise Unattested(Doubt.EXPIRED)
    if said.serial in revoked or warrant.serial in revoked:
        raise Unattested(Doubt.REVOKED)
    return Attested(said, organisation.name, proof.name and proof.name.text, proof.title and proof.title.text)


def fits(said: Attestation, warrant: Warrant) -> bool:
    """Say whether a warrant covers an attestation; nobody attests himself.

    Whether the unit is below the warrant's is the relay's to check: a public record has no tree.
    """
    return (
        equal(said.warrant, warrant.serial)
        and said.organisation == warrant.organisation
        and said.account != warrant.account
        and warrant.not_before_ms - ATTESTATION_SKEW_MS <= said.not_before_ms
        and said.expires_ms <= warrant.expires_ms
    )


def _root_key(organisation: PublicRecord, said: Attestation, now_ms: int) -> bytes | None:
    """Return the root key that an attestation names, if it counts: the present one, or one replaced not long ago."""
    if said.organisation != organisation.unit:
        return None
    until_ms = TIME_MS_MAX
    for key in reversed(organisation.keys):
        if equal(blake2b_256(key.root_key), said.root):
            return key.root_key if now_ms < until_ms else None
        until_ms = min(until_ms, key.since_ms + SUCCESSION_OVERLAP_MS)
    return None


def _opens(said: Attestation, proof: Proof) -> bool:
    """Say whether the fields that are shown are those of the attestation."""
    return all(
        value is None or equal(hash_of(name, value), hidden)
        for name, value, hidden in (("name", proof.name, said.name), ("title", proof.title, said.title))
    )


def _of_a_domain(address: str, organisation: PublicRecord) -> bool:
    return address.rpartition("@")[2] in organisation.domains
