"""The store room: counters on their way to their table (spec 87 §1), on the writer's thread.

What commits counted enters; rows leave, some in each commit once it is time. The rules of this file: what a commit
that failed has counted never enters; a day's counts are all in the table before any commit of a later day is, so that
a day that may be told changes no more; a crash loses what was not written, which is at most EVERY_MS and a sweep.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from relayd.domain.fates import apart
from relayd.domain.lifetimes import day

EVERY_MS: Final = 10_000
"""Writing each time would add a page to every commit; statistics are no evidence, and may lose some seconds."""
ROWS_MAX: Final = 500
"""Counters of one commit, about 2 ms; at a day's end it is all of them, at once."""
_ADD: Final = (
    "INSERT INTO statistic (day, organisation, class, size, fate, count) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET count = count + excluded.count"
)


class Counting:
    """Counts that are not in the table yet, all of one day."""

    __slots__ = ("_counts", "_day", "_since_ms", "_written")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._day = 0
        self._since_ms = 0
        self._written: list[int] = []

    def write(self, db: sqlite3.Connection, now_ms: int) -> None:
        """Write what is due, in a transaction; call ``committed`` or ``failed`` afterwards."""
        if not self._counts:
            return
        if day(now_ms) != self._day:
            self._write(db, len(self._counts))
        elif now_ms - self._since_ms >= EVERY_MS:
            self._write(db, ROWS_MAX)

    def _write(self, db: sqlite3.Connection, rows: int) -> None:
        taken = list(islice(self._counts.items(), rows))
        for key, count in taken:
            db.execute(_ADD, (self._day, *apart(key), count))
        self._written = [key for key, _ in taken]

    def committed(self, counted: Sequence[int], now_ms: int) -> None:
        """Take over the keys that a commit counted, each as often as it did, and forget what it has written."""
        if self._written:
            for key in self._written:
                del self._counts[key]
            self._written = []
        if counted:
            if not self._counts:
                self._since_ms = now_ms
                self._day = day(now_ms)
            self._counts.update(counted)

    def failed(self) -> None:
        """Keep what was written after all: the transaction was rolled back."""
        self._written = []

    def finish(self, db: sqlite3.Connection) -> None:
        """Write all, in a transaction of its own, because the store is closed."""
        if self._counts:
            db.execute("BEGIN IMMEDIATE")
            self._write(db, len(self._counts))
            db.execute("COMMIT")
            self.committed((), 0)
