"""The contract: what verifiers change and anybody may ask, and the answers (spec 85).

A change is what an act does, a question is a command (spec 70 §2, §5). Each class's docstring says what it means; who
may do it stands in ``relayproto.rules`` and nowhere else.
"""

from typing import Any, ClassVar, NamedTuple

from relayproto.attestation import Statement, statements
from relayproto.codes import Kind
from relayproto.fields import Reader, flag, octets, octets_up_to, record, sequence, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ORGANISATION_BYTES_MAX,
    PAGE_ROWS_MAX,
    PROOF_BYTES_MAX,
    SERIAL_BYTES,
    TIME_MS_MAX,
)
from relayproto.message import Message

_U32 = (1 << 32) - 1
_below = uint(_U32, 1)
_account: Reader[bytes] = octets(32)
_serial: Reader[bytes] = octets(SERIAL_BYTES)
_u64 = uint()


class Revocation(NamedTuple):
    """A warrant or an attestation that was taken back; ``number`` orders them, ``until_ms`` is its own end."""

    number: int
    serial: bytes
    until_ms: int


_revocation: Reader[Revocation] = record(Revocation, _u64, _serial, uint(TIME_MS_MAX))


class PutWarrant(Message, frozen=True):
    """Let a device's key attest for a unit and below; ``signature`` is the organisation's root key's."""

    KIND: ClassVar[Kind] = Kind.PUT_WARRANT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _account, octets_up_to(PROOF_BYTES_MAX, 1), octets(64))
    unit: UnitId
    account: AccountId
    warrant: bytes
    signature: bytes


class RevokeWarrant(Message, frozen=True):
    """Take a warrant back, with all that was attested under it: for a key that got into wrong hands."""

    KIND: ClassVar[Kind] = Kind.REVOKE_WARRANT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _serial)
    unit: UnitId
    serial: bytes


class Attest(Message, frozen=True):
    """Put an account into a unit with a standing, by an attestation that a warranted key signed.

    ``statements`` say of which unit, with which address and, if it is to be known, by which name and title. A newer
    attestation takes the place of one that is there.
    """

    KIND: ClassVar[Kind] = Kind.ATTEST
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"statements"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _below, _account, octets_up_to(PROOF_BYTES_MAX, 1), octets(64), statements,
    )  # fmt: skip
    unit: UnitId
    account: AccountId
    attestation: bytes
    signature: bytes
    statements: tuple[Statement, ...]


class RevokeAttestation(Message, frozen=True):
    """Take all that is attested of an account back, with its roles and offices; a person is then an invited one."""

    KIND: ClassVar[Kind] = Kind.REVOKE_ATTESTATION
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _account)
    unit: UnitId
    account: AccountId


class GetOrganisation(Message, frozen=True):
    """Ask for an organisation's public record. Answer: ORGANISATION."""

    KIND: ClassVar[Kind] = Kind.GET_ORGANISATION
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below,)
    unit: UnitId


class GetRevocations(Message, frozen=True):
    """Ask what was taken back, after a number. Answer: REVOCATIONS."""

    KIND: ClassVar[Kind] = Kind.GET_REVOCATIONS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_u64, uint(PAGE_ROWS_MAX, 1))
    after: int
    rows: int


class Organisation(Message, frozen=True):
    """An organisation's public record (spec 85 §1), signed by the relay's stamp key."""

    KIND: ClassVar[Kind] = Kind.ORGANISATION
    READERS: ClassVar[tuple[Reader[Any], ...]] = (octets_up_to(ORGANISATION_BYTES_MAX, 1), octets_up_to(64))
    record: bytes
    signature: bytes


class Revocations(Message, frozen=True):
    """What was taken back, by number; ``newest`` is the highest number ever given, ``more`` says that others follow."""

    KIND: ClassVar[Kind] = Kind.REVOCATIONS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_revocation, PAGE_ROWS_MAX), _u64, flag)
    revocations: tuple[Revocation, ...]
    newest: int
    more: bool
