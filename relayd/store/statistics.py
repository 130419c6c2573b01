"""The store room: counters as they are asked for (spec 87 §2).

A question enters; the cells that may be told leave, or Denied. The rules of this file: only days that are over and
written in full; the platform is told totals and nothing of any one organisation.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from relayd.domain import suppression
from relayd.domain.acting import Denied
from relayd.domain.fitting import fitting
from relayd.domain.lifetimes import day
from relayd.store.authority import Sight
from relayd.store.commit import Commit
from relayproto.codes import Class, Code, Fate, Size
from relayproto.ids import UnitId
from relayproto.limits import STATISTICS_CELL_MIN, STATISTICS_DAYS_MAX
from relayproto.standing import PLATFORM
from relayproto.statistics import Cell, Day, GetStatistics, Statistics

TOTALS_DAYS_MAX: Final = 1
"""Days with totals in one answer: 75 ms where 500 organisations have every cell, and other officers wait so long."""
_OWN: Final = (
    "SELECT class, size, fate, count FROM statistic WHERE day = :day AND organisation = :unit"
    " ORDER BY class, size, fate"
)
_TOTALS: Final = """
SELECT class, size, fate, sum(count * told), sum(count * NOT told)
FROM (SELECT *, organisation <> 0 AND count >= :least AS told FROM statistic WHERE day = :day)
GROUP BY class, size, fate ORDER BY class, size, fate
"""


def answer(sight: Sight, question: GetStatistics) -> Statistics:
    """Return the counters of an organisation, or the totals. Raises Denied(CONFLICT) for a unit that is none."""
    db, unit = sight.db, question.unit
    if unit != PLATFORM and db.execute("SELECT 1 FROM organisation WHERE unit = ?", (unit,)).fetchone() is None:
        raise Denied(Code.CONFLICT)
    (committed_ms,) = db.execute("SELECT high_water_ms FROM relay_time").fetchone()
    (oldest,) = db.execute("SELECT min(day) FROM statistic").fetchone()
    # A later day's commit has written all of the days before it (store/counting.py).
    last = min(question.last_day, day(committed_ms) - 1)
    first = last + 1 if oldest is None else max(question.first_day, oldest)
    end = min(last, first + STATISTICS_DAYS_MAX - 1)
    most = TOTALS_DAYS_MAX if unit == PLATFORM else STATISTICS_DAYS_MAX
    days, more = fitting(islice(_days(sight, unit, first, end), most), most)
    next_day = days[-1].day + 1 if more or len(days) == most else end + 1
    return Statistics(days, next_day if next_day <= last else None)


def _days(sight: Sight, unit: UnitId, first: int, last: int) -> Iterator[Day]:
    cells = _totals if unit == PLATFORM else _own
    for each in range(first, last + 1):
        told = tuple(cells(sight, unit, each))
        if told:
            yield Day(each, told)


def _own(sight: Sight, unit: UnitId, day_: int) -> Iterator[Cell]:
    for class_, size, fate, count in sight.db.execute(_OWN, {"unit": unit, "day": day_}):
        told = suppression.own(count)
        if told is not None:
            yield Cell(Class(class_), Size(size), Fate(fate), told)


def _totals(sight: Sight, _: UnitId, day_: int) -> Iterator[Cell]:
    asked = {"day": day_, "least": STATISTICS_CELL_MIN}
    for class_, size, fate, shown, pool in sight.db.execute(_TOTALS, asked):
        told = suppression.total(shown, pool)
        if told is not None:
            yield Cell(Class(class_), Size(size), Fate(fate), told)


def forget(commit: Commit, retention_days: int) -> None:
    """Delete the counters whose retention is over."""
    commit.db.execute("DELETE FROM statistic WHERE day < ?", (day(commit.now_ms) - retention_days,))
