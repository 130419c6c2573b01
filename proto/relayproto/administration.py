"""The contract: what officers of an organisation change and ask (spec 70 §2, §5).

A change is never a frame of its own: it is what an act does (``relayproto.acts``). A question is a command like any
other. Each class's docstring says what it means; who may do it stands in ``relayproto.rules`` and nowhere else.
"""

from typing import Annotated, ClassVar

from relayproto.codes import Kind
from relayproto.fields import U64, octets, octets_up_to, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ADDRESS_CHARS_MAX,
    BREAK_GLASS_S_MAX,
    DOCUMENT_BYTES_MAX,
    DOMAIN_CHARS_MAX,
    LOCAL_REASON_CHARS_MAX,
    PAGE_ROWS_MAX,
    TIME_MS_MAX,
    UNIT_NAME_CHARS_MAX,
)
from relayproto.message import Message, table
from relayproto.people import GetPeople
from relayproto.rosters import GetClaim, GetClaims, GetRoster, ImportRoster, RefuseClaim, StrikeLine
from relayproto.standing import Role, Standing
from relayproto.statistics import GetRetention, GetStatistics
from relayproto.verification import (
    Attest,
    GetOrganisation,
    GetRevocations,
    PutWarrant,
    RevokeAttestation,
    RevokeWarrant,
)

_U32 = (1 << 32) - 1
_Account = Annotated[AccountId, octets(32)]
_Unit = Annotated[UnitId, uint(_U32)]
_Below = Annotated[UnitId, uint(_U32, 1)]
_Name = Annotated[str, text(UNIT_NAME_CHARS_MAX)]
_Time = Annotated[int, uint(TIME_MS_MAX)]
_Rows = Annotated[int, uint(PAGE_ROWS_MAX, 1)]
TICKET_LIFETIME_S_MAX = 90 * 86_400


class CreateOrganisation(Message, frozen=True):
    """Let an organisation in: its mail domain, its root key and the hash of the form that it signed on paper.

    ``domain`` has to be proven before the second person's approval does anything (spec 70 §7). ``owned`` is the root
    key's own signature over the domain. ``admin`` becomes its first organisation admin, until ``until_ms``.
    """

    KIND: ClassVar[Kind] = Kind.CREATE_ORGANISATION
    name: _Name
    domain: Annotated[str, text(DOMAIN_CHARS_MAX)]
    root_key: Annotated[bytes, octets(32)]
    owned: Annotated[bytes, octets(64)]
    form_hash: Annotated[bytes, octets(32)]
    admin: _Account
    until_ms: _Time


class SuspendOrganisation(Message, frozen=True):
    """Suspend an organisation, or let it work again: its people and offices then refuse like unknown ones."""

    KIND: ClassVar[Kind] = Kind.SUSPEND_ORGANISATION
    unit: _Below
    suspended: bool


class MergeOrganisation(Message, frozen=True):
    """Make an organisation a unit of another: its domain, units, people and grants go along."""

    KIND: ClassVar[Kind] = Kind.MERGE_ORGANISATION
    unit: _Below
    into: _Below


class HandOver(Message, frozen=True):
    """Give all that one account holds over a unit and below to another, who answers for it from now on."""

    KIND: ClassVar[Kind] = Kind.HAND_OVER
    unit: _Below
    account: _Account
    to: _Account


class RotateKey(Message, frozen=True):
    """Replace an organisation's root key; ``by_old`` is the old one's signature over the new, ``by_new`` its own."""

    KIND: ClassVar[Kind] = Kind.ROTATE_KEY
    unit: _Below
    root_key: Annotated[bytes, octets(32)]
    by_old: Annotated[bytes, octets(64)]
    by_new: Annotated[bytes, octets(64)]


class CreateUnit(Message, frozen=True):
    """Make a unit below another. ACTED's ``value`` is its number."""

    KIND: ClassVar[Kind] = Kind.CREATE_UNIT
    unit: _Below
    name: _Name


class RenameUnit(Message, frozen=True):
    """Give a unit another name."""

    KIND: ClassVar[Kind] = Kind.RENAME_UNIT
    unit: _Below
    name: _Name


class MoveUnit(Message, frozen=True):
    """Put a unit, with everything below it, under another of the same organisation."""

    KIND: ClassVar[Kind] = Kind.MOVE_UNIT
    unit: _Below
    under: _Below


class CloseUnit(Message, frozen=True):
    """Close an empty unit for good: nobody belongs to it and nothing is below it."""

    KIND: ClassVar[Kind] = Kind.CLOSE_UNIT
    unit: _Below


class GrantRole(Message, frozen=True):
    """Let an account act in a role over a unit, until ``until_ms``; nobody grants to himself (spec 70 §4)."""

    KIND: ClassVar[Kind] = Kind.GRANT_ROLE
    unit: _Unit
    account: _Account
    role: Role
    until_ms: _Time


class RevokeRole(Message, frozen=True):
    """Take a role over a unit back, at once and in every session. One's own may be laid down as well."""

    KIND: ClassVar[Kind] = Kind.REVOKE_ROLE
    unit: _Unit
    account: _Account
    role: Role


class InviteMember(Message, frozen=True):
    """Make a ticket for an address of the organisation's domain. ACTED's ``octets`` are the ticket.

    ``standing`` is what the account will be: INVITED, APPLICATION or OFFICE.
    """

    KIND: ClassVar[Kind] = Kind.INVITE_MEMBER
    unit: _Below
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    standing: Standing
    ttl_s: Annotated[int, uint(TICKET_LIFETIME_S_MAX, 60)]


class PlaceMember(Message, frozen=True):
    """Put an account into a unit with a standing; PUBLIC takes it out of the organisation, with all its roles.

    The account stays what it is: only whom it belongs to changes.
    """

    KIND: ClassVar[Kind] = Kind.PLACE_MEMBER
    unit: _Below
    account: _Account
    standing: Standing


class AssignOffice(Message, frozen=True):
    """Let an account answer for an office, or no longer."""

    KIND: ClassVar[Kind] = Kind.ASSIGN_OFFICE
    unit: _Below
    office: _Account
    account: _Account
    answers: bool


class PutDocument(Message, frozen=True):
    """Put the next version of a unit's document in force; ``signature`` is the organisation's root key's (spec 75)."""

    KIND: ClassVar[Kind] = Kind.PUT_DOCUMENT
    unit: _Unit
    document: Annotated[bytes, octets_up_to(DOCUMENT_BYTES_MAX, 1)]
    signature: Annotated[bytes, octets(64)]


class Approve(Message, frozen=True):
    """Be the second person for a proposal; ``digest`` says which one was read, so that none is slipped underneath."""

    KIND: ClassVar[Kind] = Kind.APPROVE
    proposal: Annotated[int, uint(minimum=1)]
    digest: Annotated[bytes, octets(32)]


class Withdraw(Message, frozen=True):
    """Take a proposal back: its author, or whoever could approve it."""

    KIND: ClassVar[Kind] = Kind.WITHDRAW
    proposal: Annotated[int, uint(minimum=1)]


class GetUnits(Message, frozen=True):
    """Ask for the units below one, after a number; below the platform: the organisations. Answer: UNITS."""

    KIND: ClassVar[Kind] = Kind.GET_UNITS
    unit: _Unit
    after: _Unit
    rows: _Rows


class GetRoles(Message, frozen=True):
    """Ask who holds what over a unit and below it. Answer: ROLES."""

    KIND: ClassVar[Kind] = Kind.GET_ROLES
    unit: _Unit
    after: U64
    rows: _Rows


class GetDocument(Message, frozen=True):
    """Ask for a unit's document, nil for the version in force. Answer: DOCUMENT."""

    KIND: ClassVar[Kind] = Kind.GET_DOCUMENT
    unit: _Unit
    version: Annotated[int, uint(_U32, 1)] | None


class GetProposals(Message, frozen=True):
    """Ask what waits for a second person over a unit and below it. Answer: PROPOSALS."""

    KIND: ClassVar[Kind] = Kind.GET_PROPOSALS
    unit: _Unit
    after: U64
    rows: _Rows


class GetAudit(Message, frozen=True):
    """Ask for the audit records of a unit and below it, after a number. Answer: AUDIT."""

    KIND: ClassVar[Kind] = Kind.GET_AUDIT
    unit: _Unit
    after: U64
    rows: _Rows


class GetCheckpoints(Message, frozen=True):
    """Ask for the signed checkpoints of the audit log, after a number of records. Answer: CHECKPOINTS."""

    KIND: ClassVar[Kind] = Kind.GET_CHECKPOINTS
    after: U64
    rows: _Rows


class BreakGlass(Message, frozen=True):
    """The local operator's: make an account a platform operator for a while, loudly (spec 70 §8). Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.BREAK_GLASS
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    ttl_s: Annotated[int, uint(BREAK_GLASS_S_MAX, 60)]
    reason: Annotated[str, text(LOCAL_REASON_CHARS_MAX)]


Change = (
    CreateOrganisation | SuspendOrganisation | MergeOrganisation | HandOver | RotateKey | CreateUnit | RenameUnit
    | MoveUnit | CloseUnit | GrantRole | RevokeRole | InviteMember | PlaceMember | AssignOffice | PutDocument
    | PutWarrant | RevokeWarrant | ImportRoster | StrikeLine | Attest | RevokeAttestation | RefuseClaim | Approve
    | Withdraw
)  # fmt: skip
"""What an act may do."""

Question = (
    GetUnits | GetRoles | GetDocument | GetProposals | GetAudit | GetCheckpoints | GetOrganisation | GetRevocations
    | GetStatistics | GetRetention | GetPeople | GetRoster | GetClaims | GetClaim
)  # fmt: skip
"""What officers ask; nothing changes by it."""

CHANGES = table(
    CreateOrganisation, SuspendOrganisation, MergeOrganisation, HandOver, RotateKey, CreateUnit, RenameUnit, MoveUnit,
    CloseUnit, GrantRole, RevokeRole, InviteMember, PlaceMember, AssignOffice, PutDocument, PutWarrant, RevokeWarrant,
    ImportRoster, StrikeLine, Attest, RevokeAttestation, RefuseClaim, Approve, Withdraw,
)  # fmt: skip
QUESTIONS = table(
    GetUnits, GetRoles, GetDocument, GetProposals, GetAudit, GetCheckpoints, GetOrganisation, GetRevocations,
    GetStatistics, GetRetention, GetPeople, GetRoster, GetClaims, GetClaim,
)  # fmt: skip
