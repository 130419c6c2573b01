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
_PASSING: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM}


class Failure(Enum):
    """What a failed transaction asks for."""

    DISK_FULL = auto()
    PASSING = auto()
    FATAL = auto()
    BUG = auto()


def classify(error: BaseException) -> Failure:
    """Say what kind of failure an exception of a transaction is."""
    if isinstance(error, Fatal):
        return Failure.FATAL
    if isinstance(error, OSError):
        return Failure.DISK_FULL if error.errno in {errno.ENOSPC, errno.EDQUOT} else Failure.FATAL
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return Failure.BUG
        primary = code & _PRIMARY
        if primary == sqlite3.SQLITE_FULL:
            return Failure.DISK_FULL
        if primary in _PASSING:
            return Failure.PASSING
        if primary in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}:
            return Failure.BUG
        return Failure.FATAL
    return Failure.BUG
