"""The store room: what a failure of SQLite or of the disk means.

An exception enters; what to do about it leaves. The rule of this file: what could have lost or damaged something
written is never tried again (architecture.md, "Errors").
"""

import errno
import sqlite3
from enum import Enum, auto
from typing import Final

from relayd.domain.refusals import Fatal

_PRIMARY: Final = 0xFF
"""The lower byte of an extended result code (sqlite.org/rescode.html)."""


class Failure(Enum):
    """What a failed transaction asks for."""

    DISK_FULL = auto()
    PASSING = auto()
    FATAL = auto()
    BUG = auto()


_BY_CODE: Final = {
    sqlite3.SQLITE_FULL: Failure.DISK_FULL,
    sqlite3.SQLITE_BUSY: Failure.PASSING,
    sqlite3.SQLITE_LOCKED: Failure.PASSING,
    sqlite3.SQLITE_INTERRUPT: Failure.PASSING,
    sqlite3.SQLITE_NOMEM: Failure.PASSING,
    sqlite3.SQLITE_ERROR: Failure.BUG,
    sqlite3.SQLITE_CONSTRAINT: Failure.BUG,
    sqlite3.SQLITE_MISUSE: Failure.BUG,
    sqlite3.SQLITE_RANGE: Failure.BUG,
    sqlite3.SQLITE_TOOBIG: Failure.BUG,
    sqlite3.SQLITE_MISMATCH: Failure.BUG,
}
"""Every other code - I/O, corruption, not a database, read-only - means that the file can't be trusted."""


def classify(error: BaseException) -> Failure:
    """Say what kind of failure an exception of a transaction is."""
    if isinstance(error, OSError):
        return Failure.DISK_FULL if error.errno in {errno.ENOSPC, errno.EDQUOT} else Failure.FATAL
    if isinstance(error, sqlite3.Error) and hasattr(error, "sqlite_errorcode"):
        return _BY_CODE.get(error.sqlite_errorcode & _PRIMARY, Failure.FATAL)
    return Failure.FATAL if isinstance(error, Fatal) else Failure.BUG
