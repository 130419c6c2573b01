"""The contract: rosters and claims - whom an organisation expects, and who says that he is of it (spec 86).

Lines, changes, questions and answers enter and leave as messages. The rule of this file: a roster is named by the hash
over its good lines, so that who lets it come in force, and who approves that, has said which people he means.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final, NamedTuple

from relayproto.codes import Kind
from relayproto.fields import Reader, flag, octets, octets_up_to, one_of, record, sequence, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ADDRESS_CHARS_MAX,
    PAGE_ROWS_MAX,
    ROSTER_LINES_MAX,
    ROSTER_NAME_BYTES,
    ROSTER_PART_LINES_MAX,
    SHOWN_CHARS_MAX,
    TIME_MS_MAX,
)
from relayproto.message import Message
from relayproto.packed import pack
from relayproto.primitives import blake2b_256
from relayproto.standing import ClaimState

_U32: Final = (1 << 32) - 1
_below = uint(_U32, 1)
_account: Reader[bytes] = octets(32)
_name: Reader[bytes] = octets(ROSTER_NAME_BYTES)
_address: Reader[str] = text(ADDRESS_CHARS_MAX)
_said: Reader[str] = text(SHOWN_CHARS_MAX)
_rows = uint(PAGE_ROWS_MAX, 1)
_u64 = uint()
NO_LINES: Final = bytes(32)
"""The digest of a roster without lines."""


class RosterLine(NamedTuple):
    """A line of a roster: somebody who is expected; an empty text is one that is not said."""

    address: str
    name: str
    title: str


class Expected(NamedTuple):
    """A line as it is kept; ``number`` orders them, also across rosters."""

    number: int
    unit: UnitId
    address: str
    name: str
    title: str


class Fault(NamedTuple):
    """A line that was not kept: its place in its part, and the code of what is wrong."""

    place: int
    code: int


class Claimant(NamedTuple):
    """Somebody who claims to be of a unit; ``rostered``: a line says so, with this name and title."""

    number: int
    unit: UnitId
    account: AccountId
    address: str
    name: str
    title: str
    rostered: bool
    at_ms: int


_person: Reader[RosterLine] = record(RosterLine, _address, _said, _said)
_expected: Reader[Expected] = record(Expected, _u64, _below, _address, _said, _said)
_fault: Reader[Fault] = record(Fault, uint(ROSTER_PART_LINES_MAX - 1), uint(999))
_claimant: Reader[Claimant] = record(
    Claimant, _u64, _below, _account, _address, _said, _said, flag, uint(TIME_MS_MAX)
)  # fmt: skip


def digest(lines: Iterable[RosterLine], before: bytes = NO_LINES) -> bytes:
    """Return the running hash over good lines, from the hash of those before."""
    for line in lines:
        before = blake2b_256(before + pack(*line))
    return before


class PutRoster(Message, frozen=True):
    """Stage a part of a roster: its lines from a position on; said again it gets the same answer. Answer: ROSTERED."""

    KIND: ClassVar[Kind] = Kind.PUT_ROSTER
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"lines"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _below, _name, uint(_U32), sequence(_person, ROSTER_PART_LINES_MAX, 1),
    )  # fmt: skip
    unit: UnitId
    roster: bytes
    position: int
    lines: tuple[RosterLine, ...]


class Rostered(Message, frozen=True):
    """How many lines of the roster have been taken so far, and which of this part are not kept."""

    KIND: ClassVar[Kind] = Kind.ROSTERED
    READERS: ClassVar[tuple[Reader[Any], ...]] = (uint(_U32), sequence(_fault, ROSTER_PART_LINES_MAX))
    lines: int
    faults: tuple[Fault, ...]


class ImportRoster(Message, frozen=True):
    """Let a staged roster of so many good lines come in force; ``digest`` is the hash over them."""

    KIND: ClassVar[Kind] = Kind.IMPORT_ROSTER
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _name, uint(ROSTER_LINES_MAX, 1), octets(32))
    unit: UnitId
    roster: bytes
    lines: int
    digest: bytes


class StrikeLine(Message, frozen=True):
    """Take the line of an address, of the unit or below, out of the rosters in force."""

    KIND: ClassVar[Kind] = Kind.STRIKE_LINE
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _address)
    unit: UnitId
    address: str


class RefuseClaim(Message, frozen=True):
    """Refuse somebody's claim to be of the unit or below."""

    KIND: ClassVar[Kind] = Kind.REFUSE_CLAIM
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _account)
    unit: UnitId
    account: AccountId


class Claim(Message, frozen=True):
    """Say that one is an officer of the organisation of one's address; both texts empty: no longer. Answer: CLAIMED."""

    KIND: ClassVar[Kind] = Kind.CLAIM
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"name", "title"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_said, _said)
    name: str
    title: str


class Claimed(Message, frozen=True):
    """How far one's own claim has come, and until when it stands; empty and 0 where there is none."""

    KIND: ClassVar[Kind] = Kind.CLAIMED
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"name", "title"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (one_of(ClaimState), _said, _said, uint(TIME_MS_MAX))
    state: ClaimState
    name: str
    title: str
    until_ms: int


class GetRoster(Message, frozen=True):
    """Ask for the lines in force of a unit and below, or for those of the unit's roster of a name. Answer: ROSTER."""

    KIND: ClassVar[Kind] = Kind.GET_ROSTER
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, octets_up_to(ROSTER_NAME_BYTES), _u64, _rows)
    unit: UnitId
    roster: bytes
    after: int
    rows: int


class GetClaims(Message, frozen=True):
    """Ask who claims to be of a unit or below it, and waits. Answer: CLAIMS."""

    KIND: ClassVar[Kind] = Kind.GET_CLAIMS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_below, _u64, _rows)
    unit: UnitId
    after: int
    rows: int


class GetClaim(Message, frozen=True):
    """Ask how far one's own claim has come. Answer: CLAIMED."""

    KIND: ClassVar[Kind] = Kind.GET_CLAIM


class Roster(Message, frozen=True):
    """Lines by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.ROSTER
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"lines"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_expected, PAGE_ROWS_MAX), flag)
    lines: tuple[Expected, ...]
    more: bool


class Claims(Message, frozen=True):
    """Claims that wait, by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.CLAIMS
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"claims"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_claimant, PAGE_ROWS_MAX), flag)
    claims: tuple[Claimant, ...]
    more: bool
