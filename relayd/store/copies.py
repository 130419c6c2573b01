"""The store room: a database copied whole, page by page, while others go on writing to it.

A connection and a path enter; a file that is one moment of the database leaves. The rules of this file: the copy is
of one moment, however long it takes, and no writer waits for it; a copy that is there under its name is complete and
synced.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

STEP_PAGES: Final = 256
"""2 MiB between two words about how far it is; a writer waits for none of it."""

Progress = Callable[[int, int], None]
"""Is told how many pages are done, and of how many."""


def nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


def copy_pages(db: sqlite3.Connection, place: Path, progress: Progress = nobody) -> None:
    """Copy the database of ``db`` as it is now into a new file; sqlite3.Error and OSError come through.

    The open read keeps the moment: SQLite's backup would begin again whenever somebody commits. Meanwhile the
    write-ahead log grows by what is committed, and is cut down afterwards.
    """
    place.unlink(missing_ok=True)
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    ours = not db.in_transaction
    if ours:
        db.execute("BEGIN")
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        made = sqlite3.connect(place, isolation_level=None)
        try:
            # Nobody reads it before it is whole, so it needs no journal; it is synced once, below.
            made.execute("PRAGMA journal_mode = OFF").fetchall()
            made.execute("PRAGMA synchronous = OFF")
            db.backup(made, pages=STEP_PAGES, progress=lambda _, left, total: progress(total - left, total), sleep=0)
        finally:
            made.close()
    finally:
        if ours:
            db.execute("ROLLBACK")
    sync(place)


def sync(path: Path) -> None:
    """Sync a file, or the names in a directory, to disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def before_upgrade(path: Path, version: int) -> Path:
    """Return where the copy of a database goes that a migration from ``version`` is about to change."""
    return path.with_name(f"{path.name}.version-{version}")


def keep_before_upgrade(db: sqlite3.Connection, path: Path, version: int) -> Path:
    """Copy the database beside itself before it is changed and return where.

    A copy of an earlier upgrade from the same version is replaced, once the new one is whole: the database is newer.
    """
    kept = before_upgrade(path, version)
    unfinished = kept.with_name(kept.name + ".unfinished")
    copy_pages(db, unfinished)
    unfinished.rename(kept)
    sync(kept.parent)
    return kept
