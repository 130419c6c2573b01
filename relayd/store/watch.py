"""The store room: its state, looked at every few seconds for the operator's graphs.

A reading connection enters; ages, sizes and counts leave. The rules of this file: counts only, nothing about anybody;
and a look costs a bounded time, however much is queued.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relayd.store.database import log_bytes
from relayd.store.rows import ID_SHIFT
from relayproto.codes import Class

ROWS_EACH_MAX: Final = 5_000
"""Rows that one look passes over for one class: some 10 ms of the reading thread."""
OVERDUE_MAX: Final = 100_000
"""More expired rows than this are not counted one by one: the sweep is hopelessly behind by then."""
_OLDEST: Final = (
    "SELECT min(CASE WHEN class = ?1 THEN id END), max(id), count(*) FROM"
    " (SELECT id, class FROM envelope WHERE id >= ?2 ORDER BY id LIMIT ?3)"
)
_OVERDUE: Final = "SELECT count(*) FROM (SELECT 1 FROM envelope WHERE expires_ms <= ? LIMIT ?)"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found.

    ``oldest_ms`` is the age of the oldest envelope of each class, 0 where there is none. ``free_bytes`` are inside the
    file and used first; ``overdue`` are rows whose time is over and that the sweep has not reached.
    """

    oldest_ms: dict[Class, int]
    overdue: int
    store_bytes: int
    log_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Census:
    """Counts that take a walk through a table each, so they are made seldom."""

    accounts: int
    devices: int
    mailboxes_full: int


@dataclass(slots=True)
class Watch:
    """Looks at the store. Ids only rise, so where a class was not found, no later look has to search again."""

    _from: dict[Class, int] = field(default_factory=lambda: dict.fromkeys(Class, 0))

    def look(self, db: sqlite3.Connection, path: Path, now_ms: int) -> Seen:
        """Return how the store is now; ``path`` is the database's file."""
        (pages,), (page_bytes,), (free,) = (
            db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size", "freelist_count")
        )
        return Seen(
            oldest_ms={class_: self._age(db, class_, now_ms) for class_ in Class},
            overdue=db.execute(_OVERDUE, (now_ms, OVERDUE_MAX)).fetchone()[0],
            store_bytes=pages * page_bytes,
            log_bytes=log_bytes(path),
            free_bytes=free * page_bytes,
        )

    def _age(self, db: sqlite3.Connection, class_: Class, now_ms: int) -> int:
        found, last, count = db.execute(_OLDEST, (class_, self._from[class_], ROWS_EACH_MAX)).fetchone()
        if found is not None:
            self._from[class_] = found
            stored_ms = found >> ID_SHIFT
            # 0: stored by a relay that did not note it, and so by one that was stopped long ago.
            return max(0, now_ms - stored_ms) if stored_ms else 0
        if count:
            self._from[class_] = last + 1
        return 0


def census(db: sqlite3.Connection) -> Census:
    """Count accounts, devices and mailboxes that take nothing more."""
    accounts, devices, full = (
        db.execute(statement).fetchone()[0]
        for statement in (
            "SELECT count(*) FROM account", "SELECT count(*) FROM device", "SELECT coalesce(sum(over), 0) FROM mailbox",
        )
    )  # fmt: skip
    return Census(accounts, devices, full)
