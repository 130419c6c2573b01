"""The contract: what is counted and what is kept, and how both are asked for (spec 87).

Days, units and rows enter; counts and the data map leave. The rule of this file: a day is the finest there is, and
nothing in here names an account.
"""

from typing import Annotated, ClassVar

from relayproto.codes import Class, Fate, Kind, Size
from relayproto.fields import U32, U64, sequence, text, uint
from relayproto.ids import UnitId
from relayproto.limits import KEPT_TEXT_CHARS_MAX, PAGE_ROWS_MAX, STATISTICS_CELL_MIN, STATISTICS_DAYS_MAX
from relayproto.message import Message
from relayproto.value import Packable

_U32 = (1 << 32) - 1
_Unit = Annotated[UnitId, uint(_U32)]
_Day = Annotated[int, uint(_U32)]
_Said = Annotated[str, text(KEPT_TEXT_CHARS_MAX)]
CELLS_MAX = len(Class) * len(Size) * len(Fate)
"""Cells of one day: each class, size and fate once."""


class Cell(Packable, frozen=True):
    """How many targets of a class and size met a fate on a day; never fewer than ten (spec 87 §3)."""

    class_: Class
    size: Size
    fate: Fate
    targets: Annotated[int, uint(minimum=STATISTICS_CELL_MIN)]


class Day(Packable, frozen=True):
    """The cells of one day, since 1970 in UTC, that may be told; what is not among them was fewer than ten."""

    day: _Day
    cells: Annotated[tuple[Cell, ...], sequence(CELLS_MAX)]


class Kept(Packable, frozen=True):
    """One thing that the relay keeps: a column of a table, a file, or what a file holds.

    ``kept_s`` is the longest time that it may stay by the settings in force, nil where no clock ends it; ``ends`` says
    what does.
    """

    place: _Said
    column: _Said
    concerns: _Said
    purpose: _Said
    ends: _Said
    kept_s: U64 | None


class GetStatistics(Message, frozen=True):
    """Ask for the counters of an organisation, or for the totals over all (unit 0), of days that are over.

    Answer: STATISTICS.
    """

    KIND: ClassVar[Kind] = Kind.GET_STATISTICS
    unit: _Unit
    first_day: _Day
    last_day: _Day


class GetRetention(Message, frozen=True):
    """Ask what the relay keeps of whom, why and how long, after so many rows. Anybody may. Answer: RETENTION."""

    KIND: ClassVar[Kind] = Kind.GET_RETENTION
    after: U32
    rows: Annotated[int, uint(PAGE_ROWS_MAX, 1)]


class Statistics(Message, frozen=True):
    """Days with cells, ascending; ``next_day`` is where to ask on, nil where nothing of what was asked is left.

    A day that is not among them and lies before ``next_day`` has no cell that may be told.
    """

    KIND: ClassVar[Kind] = Kind.STATISTICS
    days: Annotated[tuple[Day, ...], sequence(STATISTICS_DAYS_MAX)]
    next_day: _Day | None


class Retention(Message, frozen=True):
    """The data map with the retention in force, in the order of the published page; ``more``: others follow."""

    KIND: ClassVar[Kind] = Kind.RETENTION
    rows: Annotated[tuple[Kept, ...], sequence(PAGE_ROWS_MAX)]
    more: bool
