"""The store room: what is over goes (protocol.md §4, §6).

One bounded pass enters a commit; deleted rows, holes and outcomes leave. The rules of this file: commit order decides
between acknowledged and expired; every number that expired lies in a hole until its device's floor has passed it; a
day's key goes when its day is over and its rows are gone.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from relayd.domain.lifetimes import day
from relayd.store import accounts, acts, audit, registrations, removals, reports, statistics
from relayd.store.commit import Commit
from relayd.store.daykeys import DayKeys
from relayd.store.restored import Mark
from relayproto.codes import Lane, Result

ROWS_MAX: Final = 500
"""Rows of one pass: about 5 ms, which is what anything that arrives meanwhile waits."""
_FREE_PAGES: Final = 1024
"""Pages left free inside the file for what comes next; more are given back to the disk."""
_VACUUM_PAGES: Final = 256
_OVER: Final = (
    "DELETE FROM envelope WHERE id IN (SELECT id FROM envelope WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)"  # noqa: S608 - constants
    + removals.RETURNING
    + ", lane"
)


def sweep(commit: Commit, keys: DayKeys, mark: Mark) -> int:
    """Expire at most ROWS_MAX rows and return how many, lines of rosters among them.

    Tickets, codes, reports and keys that are over go as well.
    """
    mark.follow(commit.db)
    _forget_days(commit, keys)
    reports.forget(commit)
    commit.tools.waiting.forget(commit.now_ms)
    commit.tools.stamper.end_hour(commit.now_ms)
    accounts.expired_tickets(commit)
    registrations.forget(commit)
    lines = acts.sweep(commit)
    audit.forget(commit, commit.tools.audit_days)
    statistics.forget(commit, commit.tools.statistics_days)
    commit.db.execute("DELETE FROM hour_key WHERE expires_ms <= ?", (commit.now_ms,))
    # Whether shares are known differs by mailbox, so every blob is fetched.
    gone = commit.db.execute(_OVER, (commit.now_ms, ROWS_MAX, True)).fetchall()
    gone.sort(key=lambda row: (row[-1], row[0]))
    for lane, rows in groupby(gone, key=lambda row: row[-1]):
        _expire(commit, lane, [row[:-1] for row in rows])
    if not gone:
        _give_back(commit)
    return len(gone) + lines


def _forget_days(commit: Commit, keys: DayKeys) -> None:
    """Delete the keys of days that are over and have no rows left, as the last commit left it."""
    (oldest,) = commit.db.execute("SELECT min(expires_ms) FROM envelope").fetchone()
    today = day(commit.now_ms)
    first = today if oldest is None else min(today, day(oldest))
    keys.forget([kept for kept in keys.days if kept < first])


def _expire(commit: Commit, name: int, rows: list[removals.Row]) -> None:
    """Count the expired rows of one lane out and record their holes; ``name`` is mailbox * 4 + lane."""
    mailbox = commit.mailbox(name >> 2)
    assert mailbox is not None  # noqa: S101 - a removed device's rows went with it
    lane = Lane(name & 3)
    if lane is not Lane.OUTCOME:
        commit.done.tally.expired += len(rows)
    removals.leave(commit, name, mailbox, rows, _expired)
    for first, last in runs(row[0] for row in rows):
        commit.explain(name >> 2, lane, first, last)
        if last > mailbox.floors[lane]:
            mailbox.holed = True
            _record(commit, name, first, last)


def _expired(sequence: int) -> Result:  # noqa: ARG001 - the same for every sequence
    return Result.EXPIRED


def runs(ascending: Iterable[int]) -> list[tuple[int, int]]:
    """Return (first, last) of each stretch of numbers that follow one another."""
    found: list[tuple[int, int]] = []
    for number in ascending:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _record(commit: Commit, name: int, first: int, last: int) -> None:
    """Record a hole, joined with its neighbours where nothing between them is still queued.

    So a lane has never more holes than queued rows and one, however long its device stays away: what lies between
    two of them was acknowledged.
    """
    db = commit.db
    before = db.execute(
        "SELECT first, last FROM hole WHERE lane = ? AND first < ? ORDER BY first DESC LIMIT 1", (name, first)
    ).fetchone()
    if before is not None and not _queued(commit, name, before[1], first):
        first, last = before[0], max(before[1], last)
    after = db.execute(
        "SELECT first, last FROM hole WHERE lane = ? AND first > ? ORDER BY first LIMIT 1", (name, last)
    ).fetchone()
    if after is not None and not _queued(commit, name, last, after[0]):
        db.execute("DELETE FROM hole WHERE lane = ? AND first = ?", (name, after[0]))
        last = after[1]
    db.execute("INSERT OR REPLACE INTO hole (lane, first, last) VALUES (?, ?, ?)", (name, first, last))


def _queued(commit: Commit, name: int, above: int, below: int) -> bool:
    found = commit.db.execute(
        "SELECT 1 FROM envelope WHERE lane = ? AND sequence > ? AND sequence < ? LIMIT 1", (name, above, below)
    ).fetchone()
    return found is not None


def _give_back(commit: Commit) -> None:
    """Give some of the file's free pages back to the disk, if there are many."""
    (free,) = commit.db.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free - _FREE_PAGES, _VACUUM_PAGES)):
        # One page a time: sqlite3 stops after the first step of a statement without result columns.
        commit.db.execute("PRAGMA incremental_vacuum(1)")
