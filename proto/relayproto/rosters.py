"""The contract: rosters and claims - whom an organisation expects, and who says that he is of it (spec 86).

Lines, changes, questions and answers enter and leave as messages. The rule of this file: a roster is named by the hash
over its good lines, so that who lets it come in force, and who approves that, has said which people he means.
"""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final

from relayproto.codes import Kind
from relayproto.fields import U32, U64, octets, octets_up_to, sequence, text, uint
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
from relayproto.value import Packable

_U32: Final = (1 << 32) - 1
_Below = Annotated[UnitId, uint(_U32, 1)]
_Account = Annotated[AccountId, octets(32)]
_Name = Annotated[bytes, octets(ROSTER_NAME_BYTES)]
_Address = Annotated[str, text(ADDRESS_CHARS_MAX)]
_Said = Annotated[str, text(SHOWN_CHARS_MAX)]
_Rows = Annotated[int, uint(PAGE_ROWS_MAX, 1)]
NO_LINES: Final = bytes(32)
"""The digest of a roster without lines."""


class RosterLine(Packable, frozen=True):
    """A line of a roster: somebody who is expected; an empty text is one that is not said."""

    address: _Address
    name: _Said
    title: _Said


class Expected(Packable, frozen=True):
    """A line as it is kept; ``number`` orders them, also across rosters."""

    number: U64
    unit: _Below
    address: _Address
    name: _Said
    title: _Said


class Fault(Packable, frozen=True):
    """A line that was not kept: its place in its part, and the code of what is wrong."""

    place: Annotated[int, uint(ROSTER_PART_LINES_MAX - 1)]
    code: Annotated[int, uint(999)]


class Claimant(Packable, frozen=True):
    """Somebody who claims to be of a unit; ``rostered``: a line says so, with this name and title."""

    number: U64
    unit: _Below
    account: _Account
    address: _Address
    name: _Said
    title: _Said
    rostered: bool
    at_ms: Annotated[int, uint(TIME_MS_MAX)]


def digest(lines: Iterable[RosterLine], before: bytes = NO_LINES) -> bytes:
    """Return the running hash over good lines, from the hash of those before."""
    for line in lines:
        before = blake2b_256(before + pack(*line.fields()))
    return before


class PutRoster(Message, frozen=True):
    """Stage a part of a roster: its lines from a position on; said again it gets the same answer. Answer: ROSTERED."""

    KIND: ClassVar[Kind] = Kind.PUT_ROSTER
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"lines"})
    unit: _Below
    roster: _Name
    position: U32
    lines: Annotated[tuple[RosterLine, ...], sequence(ROSTER_PART_LINES_MAX, 1)]


class Rostered(Message, frozen=True):
    """How many lines of the roster have been taken so far, and which of this part are not kept."""

    KIND: ClassVar[Kind] = Kind.ROSTERED
    lines: U32
    faults: Annotated[tuple[Fault, ...], sequence(ROSTER_PART_LINES_MAX)]


class ImportRoster(Message, frozen=True):
    """Let a staged roster of so many good lines come in force; ``digest`` is the hash over them."""

    KIND: ClassVar[Kind] = Kind.IMPORT_ROSTER
    unit: _Below
    roster: _Name
    lines: Annotated[int, uint(ROSTER_LINES_MAX, 1)]
    digest: Annotated[bytes, octets(32)]


class StrikeLine(Message, frozen=True):
    """Take the line of an address, of the unit or below, out of the rosters in force."""

    KIND: ClassVar[Kind] = Kind.STRIKE_LINE
    unit: _Below
    address: _Address


class RefuseClaim(Message, frozen=True):
    """Refuse somebody's claim to be of the unit or below."""

    KIND: ClassVar[Kind] = Kind.REFUSE_CLAIM
    unit: _Below
    account: _Account


class Claim(Message, frozen=True):
    """Say that one is an officer of the organisation of one's address; both texts empty: no longer. Answer: CLAIMED."""

    KIND: ClassVar[Kind] = Kind.CLAIM
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"name", "title"})
    name: _Said
    title: _Said


class Claimed(Message, frozen=True):
    """How far one's own claim has come, and until when it stands; empty and 0 where there is none."""

    KIND: ClassVar[Kind] = Kind.CLAIMED
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"name", "title"})
    state: ClaimState
    name: _Said
    title: _Said
    until_ms: Annotated[int, uint(TIME_MS_MAX)]


class GetRoster(Message, frozen=True):
    """Ask for the lines in force of a unit and below, or for those of the unit's roster of a name. Answer: ROSTER."""

    KIND: ClassVar[Kind] = Kind.GET_ROSTER
    unit: _Below
    roster: Annotated[bytes, octets_up_to(ROSTER_NAME_BYTES)]
    after: U64
    rows: _Rows


class GetClaims(Message, frozen=True):
    """Ask who claims to be of a unit or below it, and waits. Answer: CLAIMS."""

    KIND: ClassVar[Kind] = Kind.GET_CLAIMS
    unit: _Below
    after: U64
    rows: _Rows


class GetClaim(Message, frozen=True):
    """Ask how far one's own claim has come. Answer: CLAIMED."""

    KIND: ClassVar[Kind] = Kind.GET_CLAIM


class Roster(Message, frozen=True):
    """Lines by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.ROSTER
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"lines"})
    lines: Annotated[tuple[Expected, ...], sequence(PAGE_ROWS_MAX)]
    more: bool


class Claims(Message, frozen=True):
    """Claims that wait, by number; ``more`` says that there are others after the last."""

    KIND: ClassVar[Kind] = Kind.CLAIMS
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"claims"})
    claims: Annotated[tuple[Claimant, ...], sequence(PAGE_ROWS_MAX)]
    more: bool
