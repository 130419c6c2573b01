"""The contract: what the relay answers to an act and to the questions of officers (spec 70 §3, §5)."""

from typing import Annotated, ClassVar

from relayproto.codes import Kind
from relayproto.fields import U32, U64, octets, octets_up_to, sequence, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ACT_BYTES_MAX,
    ADDRESS_CHARS_MAX,
    AUDIT_RECORD_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    DOMAIN_CHARS_MAX,
    PAGE_ROWS_MAX,
    TICKET_BYTES,
    TIME_MS_MAX,
    UNIT_NAME_CHARS_MAX,
)
from relayproto.message import Message, table
from relayproto.people import People
from relayproto.rosters import Claimed, Claims, Roster, Rostered
from relayproto.standing import ActState, ProposalState, Role, UnitState
from relayproto.statistics import Retention, Statistics
from relayproto.value import Packable
from relayproto.verification import Organisation, Revocations

_U32 = (1 << 32) - 1
_Unit = Annotated[UnitId, uint(_U32)]
_Account = Annotated[AccountId, octets(32)]
_Address = Annotated[str, text(ADDRESS_CHARS_MAX)]
_Time = Annotated[int, uint(TIME_MS_MAX)]


class Unit(Packable, frozen=True):
    """A unit as it stands; ``domain`` and ``root_key`` are an organisation's first one and its key, else empty."""

    unit: _Unit
    under: _Unit
    name: Annotated[str, text(UNIT_NAME_CHARS_MAX)]
    state: UnitState
    domain: Annotated[str, text(DOMAIN_CHARS_MAX)]
    root_key: Annotated[bytes, octets_up_to(32)]


class Grant(Packable, frozen=True):
    """A role that an account holds over a unit; ``number`` orders them."""

    number: U64
    unit: _Unit
    account: _Account
    address: _Address
    role: Role
    until_ms: _Time


class Proposal(Packable, frozen=True):
    """What waits for a second person; ``act`` is what the first one signed, with everything that it will do."""

    number: U64
    state: ProposalState
    unit: _Unit
    address: _Address
    expires_ms: _Time
    act: Annotated[bytes, octets_up_to(ACT_BYTES_MAX)]


class Checkpoint(Packable, frozen=True):
    """The relay's signed word on its audit log: so many records, the last one's hash, at that time (spec 80 §3)."""

    records: U64
    head: Annotated[bytes, octets(32)]
    at_ms: _Time
    key_id: U32
    signature: Annotated[bytes, octets(64)]


class Acted(Message, frozen=True):
    """What became of an act, said once it is on disk with its audit record.

    ``record`` is the audit record's number; ``value`` is what was made: a unit, or the proposal that now waits, else 0;
    ``ticket`` is empty but for an invitation.
    """

    KIND: ClassVar[Kind] = Kind.ACTED
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    state: ActState
    record: U64
    value: U64
    ticket: Annotated[bytes, octets_up_to(TICKET_BYTES)]


class Units(Message, frozen=True):
    """Units by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.UNITS
    units: Annotated[tuple[Unit, ...], sequence(PAGE_ROWS_MAX)]
    more: bool


class Roles(Message, frozen=True):
    """Grants by number, also those of units below; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.ROLES
    grants: Annotated[tuple[Grant, ...], sequence(PAGE_ROWS_MAX)]
    more: bool


class Document(Message, frozen=True):
    """A version of a unit's document, as it was signed; version 0 and no octets where it has none."""

    KIND: ClassVar[Kind] = Kind.DOCUMENT
    unit: _Unit
    version: U32
    document: Annotated[bytes, octets_up_to(DOCUMENT_BYTES_MAX)]
    signature: Annotated[bytes, octets_up_to(64)]


class Proposals(Message, frozen=True):
    """Proposals by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.PROPOSALS
    proposals: Annotated[tuple[Proposal, ...], sequence(PAGE_ROWS_MAX)]
    more: bool


class Audit(Message, frozen=True):
    """Audit records of one unit and below, as they lie in the log (spec 80 §1); ``more``: others follow the last."""

    KIND: ClassVar[Kind] = Kind.AUDIT
    records: Annotated[
        tuple[tuple[U64, Annotated[bytes, octets_up_to(AUDIT_RECORD_BYTES_MAX)]], ...], sequence(PAGE_ROWS_MAX)
    ]
    more: bool


class Checkpoints(Message, frozen=True):
    """Signed checkpoints of the audit log, ascending; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.CHECKPOINTS
    checkpoints: Annotated[tuple[Checkpoint, ...], sequence(PAGE_ROWS_MAX)]
    more: bool


AdministrationReply = (
    Acted | Units | Roles | Document | Proposals | Audit | Checkpoints | Organisation | Revocations | Statistics
    | Retention | People | Roster | Rostered | Claims | Claimed
)  # fmt: skip
ADMINISTRATION_REPLIES = table(
    Acted, Units, Roles, Document, Proposals, Audit, Checkpoints, Organisation, Revocations, Statistics, Retention,
    People, Roster, Rostered, Claims, Claimed,
)  # fmt: skip
