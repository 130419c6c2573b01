"""The store room: whether what lies in the state directory is a store that can be gone on with.

A path and a connection enter; nothing leaves, or Fatal with what to do. The rules of this file: a relay that has kept
something never starts with nothing; a file that is damaged or made by a newer relay is left as it is.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from relayd.domain.refusals import Fatal
from relayd.logs import get_logger
from relayd.store import daykeys, failures, restored

_STEPS: Final = 20_000
"""Of SQLite's machine between two looks at the time: some ms."""

_log = get_logger("store")


def expect_file(path: Path) -> None:
    """Return if the database is there, or never was; Fatal where only what belongs to one is left."""
    if path.exists() and path.stat().st_size:
        return
    if path.with_name(restored.UNFINISHED).exists():
        raise Fatal(f"{path}: a restore was begun here and did not end; run relayd restore again, it begins anew")
    for name in (restored.FILE_NAME, daykeys.FILE_NAME, path.name + "-wal"):
        remnant = path.with_name(name)
        if remnant.exists() and remnant.stat().st_size:
            raise Fatal(
                f"{path}: it is missing or empty, but {remnant.name} beside it shows that there was one; "
                "put the last copy in its place, or move everything but the keys away to begin with nothing"
            )


def check(db: sqlite3.Connection, path: Path, timeout_s: float, monotonic: Callable[[], float]) -> None:
    """Look for damage, for ``timeout_s`` at most; Fatal where there is some, with SQLite's own words."""
    deadline = monotonic() + timeout_s
    db.set_progress_handler(lambda: monotonic() >= deadline, _STEPS)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        _log.info("the file is too large to be checked as a whole at a start", timeout_s=timeout_s)
        return
    finally:
        db.set_progress_handler(None, 0)
    if found != [("ok",)]:
        raise failures.damaged(path, " ".join(str(found[0][0]).split()))
