"""The contract: attestations - an organisation's word on who an account is (spec 85).

What an organisation says enters and signed bytes leave; a proof enters and what it attests leaves, or Unattested. The
rules of this file: a proof is checked by whoever is shown it, offline, against the organisation's public record and the
time; what it says of the person are statements signed apart, so that one that is left out leaves no trace; nothing here
asks a relay.
"""

from collections.abc import Container, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Final, TypeVar, assert_never

from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import octets, octets_up_to, sequence, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ADDRESS_CHARS_MAX,
    ATTESTATION_LIFETIME_MS_MAX,
    ATTESTATION_SKEW_MS,
    PROOF_BYTES_MAX,
    SERIAL_BYTES,
    SHOWN_CHARS_MAX,
    SUCCESSION_OVERLAP_MS,
    TIME_MS_MAX,
    WARRANT_LIFETIME_MS_MAX,
)
from relayproto.organisation import PublicRecord
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256, equal, sign, verify
from relayproto.standing import Field, Standing
from relayproto.value import Packable, Value

T = TypeVar("T", "Warrant", "Attestation", "Proof")
_VERSION: Final = b"\x01"
_WARRANT: Final = b"relayd/warrant/1"
_ATTESTATION: Final = b"relayd/attestation/1"
_FIELD: Final = b"relayd/attested-field/1"
_U32: Final = (1 << 32) - 1
ATTESTABLE: Final = frozenset({Standing.VERIFIED, Standing.APPLICATION, Standing.OFFICE})
"""What an organisation vouches for."""
STATED: Final = frozenset({Field.NAME, Field.TITLE, Field.UNIT, Field.ADDRESS})
"""The fields that an organisation vouches for."""
REQUIRED: Final = frozenset({Field.UNIT, Field.ADDRESS})
"""Those of them without which the relay takes no attestation."""


_Time = Annotated[int, uint(TIME_MS_MAX)]
_Serial = Annotated[bytes, octets(SERIAL_BYTES)]


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


class Warrant(Packable, frozen=True):
    """A root key's word that a device's key may attest for a unit and all below it; times are unix ms."""

    serial: _Serial
    organisation: Annotated[UnitId, uint(_U32, 1)]
    unit: Annotated[UnitId, uint(_U32, 1)]
    account: Annotated[AccountId, octets(32)]
    key: Annotated[bytes, octets(32)]
    not_before_ms: _Time
    expires_ms: _Time


class Attestation(Packable, frozen=True):
    """What an organisation says of an account; times are unix ms.

    ``warrant`` is the serial of the warrant of the key that signed; ``root`` is the hash of the organisation's root
    key. Who that is, it does not say: statements do, each with the serial.
    """

    serial: _Serial
    warrant: _Serial
    root: Annotated[bytes, octets(32)]
    organisation: Annotated[UnitId, uint(_U32, 1)]
    account: Annotated[AccountId, octets(32)]
    standing: Standing
    not_before_ms: _Time
    expires_ms: _Time


class Statement(Packable, frozen=True):
    """What an attestation's key says of one field, by a signature of its own over the attestation's serial."""

    field: Field
    text: Annotated[str, text(ADDRESS_CHARS_MAX)]
    signature: Annotated[bytes, octets(64)]


Statements = Annotated[tuple[Statement, ...], sequence(len(STATED))]


class Proof(Packable, frozen=True):
    """All that a client needs beside the organisation's public record, with the statements that are shown."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"statements"})
    attestation: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]
    warrant: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX)]
    warrant_signature: Annotated[bytes, octets(64)]
    statements: Statements = ()


class Attested(Value, frozen=True):
    """What a good proof comes to; what is not shown is None."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"name", "title", "unit", "address"})
    said: Attestation
    organisation: str
    name: str | None = None
    title: str | None = None
    unit: UnitId | None = None
    address: str | None = None


def check_stated(stated: tuple[Statement, ...]) -> None:
    """Raise Malformed unless each field is there once, ascending, and with a text that it can have."""
    fields = [each.field for each in stated]
    if fields != sorted(set(fields)) or not all(map(_possible, stated)):
        raise Malformed("not statements")


def _possible(stated: Statement) -> bool:
    match stated.field:
        case Field.NAME | Field.TITLE:
            return len(stated.text) <= SHOWN_CHARS_MAX
        case Field.UNIT:
            unit = stated.text
            return unit.isascii() and unit.isdecimal() and unit == str(int(unit[:10])) and 0 < int(unit) <= _U32
        case Field.ADDRESS:
            return True
        case Field.ABOUT:
            return False
        case _ as never:
            assert_never(never)


def _packed(thing: Warrant | Attestation | Proof) -> bytes:
    return _VERSION + pack(*thing.fields())


def _canonical(kind: type[T], signed: bytes) -> T:
    """Return what canonical bytes say, or raise Malformed."""
    if len(signed) > PROOF_BYTES_MAX or signed[:1] != _VERSION:
        raise Malformed("not of a known version")
    said = unpack(signed[1:], kind)
    if _packed(said) != signed:
        raise Malformed("in a form that is not canonical")
    return said


def encode_warrant(warrant: Warrant) -> bytes:
    """Return the canonical bytes of a warrant."""
    return _packed(warrant)


def decode_warrant(signed: bytes) -> Warrant:
    """Return the warrant that the bytes say; Malformed for what is none and for one of no or too long a life."""
    warrant = _canonical(Warrant, signed)
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
    said = _canonical(Attestation, signed)
    if not 0 < said.expires_ms - said.not_before_ms <= ATTESTATION_LIFETIME_MS_MAX:
        raise Malformed("an attestation that ends before it begins, or much later")
    if said.standing not in ATTESTABLE:
        raise Malformed("an attestation of nothing")
    return said


def sign_attestation(sign_seed: bytes, relay: bytes, attestation: bytes) -> bytes:
    """Return a warranted device key's signature over an attestation."""
    return sign(sign_seed, _ATTESTATION + relay + attestation)


def check_attestation(key: bytes, relay: bytes, attestation: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where the key has not signed this attestation."""
    verify(key, _ATTESTATION + relay + attestation, signature)


def state(sign_seed: bytes, relay: bytes, serial: bytes, said: Mapping[Field, str]) -> tuple[Statement, ...]:
    """Return the statements of an attestation, signed by the key that signs it."""
    return tuple(
        Statement(each, said[each], sign(sign_seed, _FIELD + relay + serial + pack(each, said[each])))
        for each in sorted(said)
    )


def check_statements(key: bytes, relay: bytes, serial: bytes, stated: tuple[Statement, ...]) -> None:
    """Raise CryptoFailure where the key has not signed each of these with this attestation's serial."""
    for each in stated:
        verify(key, _FIELD + relay + serial + pack(each.field, each.text), each.signature)


def texts(stated: tuple[Statement, ...]) -> dict[Field, str]:
    """Return what statements say."""
    return {each.field: each.text for each in stated}


def encode_proof(proof: Proof) -> bytes:
    """Return the bytes of a proof."""
    return _packed(proof)


def decode_proof(packed: bytes) -> Proof:
    """Return the proof that the bytes are, or raise Malformed."""
    proof = _canonical(Proof, packed)
    check_stated(proof.statements)
    return proof


def texts_of(packed: bytes) -> dict[int, str]:
    """Return, by field, what the statements of a proof say that this program has packed; no signature is checked."""
    return {each.field: each.text for each in unpack(packed[1:], Proof).statements}


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
        check_statements(warrant.key, relay, said.serial, proof.statements)
    except CryptoFailure:
        raise Unattested(Doubt.FORGED) from None
    shown = texts(proof.statements)
    if not fits(said, warrant) or not _of_a_domain(shown.get(Field.ADDRESS), organisation):
        raise Unattested(Doubt.FORGED)
    if said.not_before_ms > now_ms + ATTESTATION_SKEW_MS:
        raise Unattested(Doubt.EARLY)
    if said.expires_ms <= now_ms:
        raise Unattested(Doubt.EXPIRED)
    if said.serial in revoked or warrant.serial in revoked:
        raise Unattested(Doubt.REVOKED)
    unit = UnitId(int(shown[Field.UNIT])) if Field.UNIT in shown else None
    return Attested(
        said, organisation.name, shown.get(Field.NAME), shown.get(Field.TITLE), unit, shown.get(Field.ADDRESS)
    )


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


def _of_a_domain(address: str | None, organisation: PublicRecord) -> bool:
    """Say whether an address, where it is shown, is of one of the organisation's domains."""
    return address is None or address.rpartition("@")[2] in organisation.domains
