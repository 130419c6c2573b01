"""The contract: what the relay answers to an act and to the questions of officers (spec 70 §3, §5)."""

from typing import Any, ClassVar, NamedTuple

from relayproto.codes import Kind
from relayproto.fields import Reader, flag, octets, octets_up_to, one_of, record, sequence, text, uint
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
from relayproto.verification import Organisation, Revocations

_U32 = (1 << 32) - 1
_unit = uint(_U32)
_account: Reader[bytes] = octets(32)
_address: Reader[str] = text(ADDRESS_CHARS_MAX)
_time = uint(TIME_MS_MAX)
_u64 = uint()


class Unit(NamedTuple):
    """A unit as it stands; ``domain`` and ``root_key`` are an organisation's first one and its key, else empty."""

    unit: UnitId
    under: UnitId
    name: str
    state: UnitState
    domain: str
    root_key: bytes


class Grant(NamedTuple):
    """A role that an account holds over a unit; ``number`` orders them."""

    number: int
    unit: UnitId
    account: AccountId
    address: str
    role: Role
    until_ms: int


class Proposal(NamedTuple):
    """What waits for a second person; ``act`` is what the first one signed, with everything that it will do."""

    number: int
    state: ProposalState
    unit: UnitId
    address: str
    expires_ms: int
    act: bytes


class Checkpoint(NamedTuple):
    """The relay's signed word on its audit log: so many records, the last one's hash, at that time (spec 80 §3)."""

    records: int
    head: bytes
    at_ms: int
    key_id: int
    signature: bytes


_a_unit: Reader[Unit] = record(
    Unit, _unit, _unit, text(UNIT_NAME_CHARS_MAX), one_of(UnitState), text(DOMAIN_CHARS_MAX), octets_up_to(32)
)
_grant: Reader[Grant] = record(Grant, _u64, _unit, _account, _address, one_of(Role), _time)
_proposal: Reader[Proposal] = record(
    Proposal, _u64, one_of(ProposalState), _unit, _address, _time, octets_up_to(ACT_BYTES_MAX)
)
_entry: Reader[tuple[int, bytes]] = record(
    lambda number, said: (number, said), _u64, octets_up_to(AUDIT_RECORD_BYTES_MAX)
)
checkpoint: Reader[Checkpoint] = record(Checkpoint, _u64, octets(32), _time, uint(_U32), octets(64))


class Acted(Message, frozen=True):
    """What became of an act, said once it is on disk with its audit record.

    ``record`` is the audit record's number; ``value`` is what was made: a unit, or the proposal that now waits, else 0;
    ``ticket`` is empty but for an invitation.
    """

    KIND: ClassVar[Kind] = Kind.ACTED
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (one_of(ActState), _u64, _u64, octets_up_to(TICKET_BYTES))
    state: ActState
    record: int
    value: int
    ticket: bytes


class Units(Message, frozen=True):
    """Units by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.UNITS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_a_unit, PAGE_ROWS_MAX), flag)
    units: tuple[Unit, ...]
    more: bool


class Roles(Message, frozen=True):
    """Grants by number, also those of units below; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.ROLES
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_grant, PAGE_ROWS_MAX), flag)
    grants: tuple[Grant, ...]
    more: bool


class Document(Message, frozen=True):
    """A version of a unit's document, as it was signed; version 0 and no octets where it has none."""

    KIND: ClassVar[Kind] = Kind.DOCUMENT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_unit, uint(_U32), octets_up_to(DOCUMENT_BYTES_MAX), octets_up_to(64))
    unit: UnitId
    version: int
    document: bytes
    signature: bytes


class Proposals(Message, frozen=True):
    """Proposals by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.PROPOSALS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_proposal, PAGE_ROWS_MAX), flag)
    proposals: tuple[Proposal, ...]
    more: bool


class Audit(Message, frozen=True):
    """Audit records of one unit and below, as they lie in the log (spec 80 §1); ``more``: others follow the last."""

    KIND: ClassVar[Kind] = Kind.AUDIT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        sequence(_entry, PAGE_ROWS_MAX), flag,
    )  # fmt: skip
    records: tuple[tuple[int, bytes], ...]
    more: bool


class Checkpoints(Message, frozen=True):
    """Signed checkpoints of the audit log, ascending; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.CHECKPOINTS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(checkpoint, PAGE_ROWS_MAX), flag)
    checkpoints: tuple[Checkpoint, ...]
    more: bool


AdministrationReply = (
    Acted | Units | Roles | Document | Proposals | Audit | Checkpoints | Organisation | Revocations | Statistics
    | Retention | People | Roster | Rostered | Claims | Claimed
)  # fmt: skip
ADMINISTRATION_REPLIES = table(
    Acted, Units, Roles, Document, Proposals, Audit, Checkpoints, Organisation, Revocations, Statistics, Retention,
    People, Roster, Rostered, Claims, Claimed,
)  # fmt: skip
