"""The store room: the invariants, checked while the relay runs (spec 50 §8).

A path and a time enter; findings leave, and the rules for which there was no time. The rules of this file: it reads
through a connection of its own, so that nobody's messages wait for it; what was not looked at is never called whole.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from relayd.store import whole
from relayd.store.whole import Finding

TIMEOUT_S: Final = 15.0
"""While it reads the write-ahead log can't be begun again; at the most commits a second it grows by some 100 MB."""
_STEPS: Final = 20_000
"""Of SQLite's machine between two looks at the time: some ms."""


def check(
    path: Path,
    days: Callable[[], frozenset[int]],
    now_ms: int,
    monotonic: Callable[[], float],
    timeout_s: float = TIMEOUT_S,
) -> tuple[list[Finding], list[str]]:
    """Return what came of each rule, and the names of those that were not finished.

    ``days`` tells which have a key; it is asked once the reader has its moment, so that none is missing which came
    later. Raises sqlite3.Error where the file can't be read at all.
    """
    deadline = monotonic() + timeout_s
    found: list[Finding] = []
    with whole.one_moment(path, alone=False) as db:
        db.set_progress_handler(lambda: monotonic() >= deadline, _STEPS)
        try:
            for finding in _findings(db, days, now_ms):
                found.append(finding)  # noqa: PERF402 - what was found before the time was over counts
        except sqlite3.OperationalError as error:
            if not whole.interrupted(error):
                raise
    done = {finding.rule for finding in found}
    return found, [name for name in whole.NAMES if name not in done]


def _findings(db: sqlite3.Connection, days: Callable[[], frozenset[int]], now_ms: int) -> Iterator[Finding]:
    # The audit log comes last: it is the longest, and what breaks its chain is no harm to messages.
    yield from whole.rules(db)
    yield whole.documented(db)
    yield whole.keys(db, days(), now_ms)
    yield whole.audited(db)
