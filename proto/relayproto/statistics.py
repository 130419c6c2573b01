"""The contract: what is counted and what is kept, and how both are asked for (spec 87).

Days, units and rows enter; counts and the data map leave. The rule of this file: a day is the finest there is, and
nothing in here names an account.
"""

from typing import Any, ClassVar, NamedTuple

from relayproto.codes import Class, Fate, Kind, Size
from relayproto.fields import Reader, flag, one_of, optional, record, sequence, text, uint
from relayproto.ids import UnitId
from relayproto.limits import KEPT_TEXT_CHARS_MAX, PAGE_ROWS_MAX, STATISTICS_CELL_MIN, STATISTICS_DAYS_MAX
from relayproto.message import Message

_U32 = (1 << 32) - 1
_unit = uint(_U32)
_day = uint(_U32)
_said: Reader[str] = text(KEPT_TEXT_CHARS_MAX)
CELLS_MAX = len(Class) * len(Size) * len(Fate)
"""Cells of one day: each class, size and fate once."""


class Cell(NamedTuple):
    """How many targets of a class and size met a fate on a day; never fewer than ten (spec 87 §3)."""

    class_: Class
    size: Size
    fate: Fate
    targets: int


class Day(NamedTuple):
    """The cells of one day, since 1970 in UTC, that may be told; what is not among them was fewer than ten."""

    day: int
    cells: tuple[Cell, ...]


class Kept(NamedTuple):
    """One thing that the relay keeps: a column of a table, a file, or what a file holds.

    ``kept_s`` is the longest time that it may stay by the settings in force, nil where no clock ends it; ``ends`` says
    what does.
    """

    place: str
    column: str
    concerns: str
    purpose: str
    ends: str
    kept_s: int | None


_cell: Reader[Cell] = record(
    Cell, one_of(Class), one_of(Size), one_of(Fate), uint(minimum=STATISTICS_CELL_MIN)
)  # fmt: skip
_a_day: Reader[Day] = record(Day, _day, sequence(_cell, CELLS_MAX))
_kept: Reader[Kept] = record(Kept, _said, _said, _said, _said, _said, optional(uint()))


class GetStatistics(Message, frozen=True):
    """Ask for the counters of an organisation, or for the totals over all (unit 0), of days that are over.

    Answer: STATISTICS.
    """

    KIND: ClassVar[Kind] = Kind.GET_STATISTICS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_unit, _day, _day)
    unit: UnitId
    first_day: int
    last_day: int


class GetRetention(Message, frozen=True):
    """Ask what the relay keeps of whom, why and how long, after so many rows. Anybody may. Answer: RETENTION."""

    KIND: ClassVar[Kind] = Kind.GET_RETENTION
    READERS: ClassVar[tuple[Reader[Any], ...]] = (uint(_U32), uint(PAGE_ROWS_MAX, 1))
    after: int
    rows: int


class Statistics(Message, frozen=True):
    """Days with cells, ascending; ``next_day`` is where to ask on, nil where nothing of what was asked is left.

    A day that is not among them and lies before ``next_day`` has no cell that may be told.
    """

    KIND: ClassVar[Kind] = Kind.STATISTICS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_a_day, STATISTICS_DAYS_MAX), optional(_day))
    days: tuple[Day, ...]
    next_day: int | None


class Retention(Message, frozen=True):
    """The data map with the retention in force, in the order of the published page; ``more``: others follow."""

    KIND: ClassVar[Kind] = Kind.RETENTION
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_kept, PAGE_ROWS_MAX), flag)
    rows: tuple[Kept, ...]
    more: bool
