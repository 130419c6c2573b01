"""The contract: what verifiers change and anybody may ask, and the answers (spec 85).

A change is what an act does, a question is a command (spec 70 §2, §5). Each class's docstring says what it means; who
may do it stands in ``relayproto.rules`` and nowhere else.
"""

from typing import Annotated, ClassVar

from relayproto.attestation import Statements
from relayproto.codes import Kind
from relayproto.fields import U64, octets, octets_up_to, sequence, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ORGANISATION_BYTES_MAX,
    PAGE_ROWS_MAX,
    PROOF_BYTES_MAX,
    SERIAL_BYTES,
    TIME_MS_MAX,
)
from relayproto.message import Message
from relayproto.value import Packable

_U32 = (1 << 32) - 1
_Below = Annotated[UnitId, uint(_U32, 1)]
_Account = Annotated[AccountId, octets(32)]
_Serial = Annotated[bytes, octets(SERIAL_BYTES)]


class Revocation(Packable, frozen=True):
    """A warrant or an attestation that was taken back; ``number`` orders them, ``until_ms`` is its own end."""

    number: U64
    serial: _Serial
    until_ms: Annotated[int, uint(TIME_MS_MAX)]


class PutWarrant(Message, frozen=True):
    """Let a device's key attest for a unit and below; ``signature`` is the organisation's root key's."""

    KIND: ClassVar[Kind] = Kind.PUT_WARRANT
    unit: _Below
    account: _Account
    warrant: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX, 1)]
    signature: Annotated[bytes, octets(64)]


class RevokeWarrant(Message, frozen=True):
    """Take a warrant back, with all that was attested under it: for a key that got into wrong hands."""

    KIND: ClassVar[Kind] = Kind.REVOKE_WARRANT
    unit: _Below
    serial: _Serial


class Attest(Message, frozen=True):
    """Put an account into a unit with a standing, by an attestation that a warranted key signed.

    ``statements`` say of which unit, with which address and, if it is to be known, by which name and title. A newer
    attestation takes the place of one that is there.
    """

    KIND: ClassVar[Kind] = Kind.ATTEST
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"statements"})
    unit: _Below
    account: _Account
    attestation: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX, 1)]
    signature: Annotated[bytes, octets(64)]
    statements: Statements


class RevokeAttestation(Message, frozen=True):
    """Take all that is attested of an account back, with its roles and offices; a person is then an invited one."""

    KIND: ClassVar[Kind] = Kind.REVOKE_ATTESTATION
    unit: _Below
    account: _Account


class GetOrganisation(Message, frozen=True):
    """Ask for an organisation's public record. Answer: ORGANISATION."""

    KIND: ClassVar[Kind] = Kind.GET_ORGANISATION
    unit: _Below


class GetRevocations(Message, frozen=True):
    """Ask what was taken back, after a number. Answer: REVOCATIONS."""

    KIND: ClassVar[Kind] = Kind.GET_REVOCATIONS
    after: U64
    rows: Annotated[int, uint(PAGE_ROWS_MAX, 1)]


class Organisation(Message, frozen=True):
    """An organisation's public record (spec 85 §1), signed by the relay's stamp key."""

    KIND: ClassVar[Kind] = Kind.ORGANISATION
    record: Annotated[bytes, octets_up_to(ORGANISATION_BYTES_MAX, 1)]
    signature: Annotated[bytes, octets_up_to(64)]


class Revocations(Message, frozen=True):
    """What was taken back, by number; ``newest`` is the highest number ever given, ``more`` says that others follow."""

    KIND: ClassVar[Kind] = Kind.REVOCATIONS
    revocations: Annotated[tuple[Revocation, ...], sequence(PAGE_ROWS_MAX)]
    newest: U64
    more: bool
