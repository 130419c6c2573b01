"""The store room: what a failure of SQLite or of the disk means.

An exception enters; what to do about it leaves. The rule of this file: what could have lost or damaged something
written is never tried again (architecture.md, "Errors").
"""

import errno
import sqlite3
from enum import Enum, auto
from pathlib import Path
from typing import Final

from relayd.domain.refusals import Fatal
from relayd.store.daykeys import KeyGone
from relayproto.errors import CryptoFailure

_PRIMARY: Final = 0xFF
"""The lower byte of an extended result code (sqlite.org/rescode.html)."""


class Failure(Enum):
    """What a failed transaction asks for."""

    DISK_FULL = auto()
    PASSING = auto()
    FATAL = auto()
    BUG = auto()


_NOT_ALLOWED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FOR_NOW: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
_BY_EXTENDED_CODE: Final = {
    # The index of the write-ahead log could not grow: it is in no file that anything is read from after a crash.
    sqlite3.SQLITE_IOERR_SHMSIZE: Failure.DISK_FULL,
    sqlite3.SQLITE_IOERR_NOMEM: Failure.PASSING,
}
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
        if error.errno in _NO_ROOM:
            return Failure.DISK_FULL
        return Failure.PASSING if error.errno in _FOR_NOW else Failure.FATAL
    if isinstance(error, sqlite3.Error) and hasattr(error, "sqlite_errorcode"):
        code = error.sqlite_errorcode
        return _BY_EXTENDED_CODE.get(code) or _BY_CODE.get(code & _PRIMARY, Failure.FATAL)
    return Failure.FATAL if isinstance(error, Fatal | CryptoFailure | KeyGone) else Failure.BUG


_DAMAGED: Final = (
    "copy the whole state directory away as it is, then go on from the last copy, or from what sqlite3's .recover saves"
)
_NEXT_STEP: Final = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_READONLY: "relayd must be able to write the file and its directory; see their owner and the mount",
    sqlite3.SQLITE_CANTOPEN: "relayd must be able to write the file and its directory; see their owner and the mount",
    sqlite3.SQLITE_IOERR: "reading or writing failed below us; look at the kernel's log and the disk before a restart",
}


def damaged(path: Path, found: str) -> Fatal:
    """Return what to raise where the database is damaged; ``found`` is SQLite's own finding."""
    return Fatal(f"{path}: {found}; {_DAMAGED}")


def fatal(error: BaseException, path: Path) -> Fatal:
    """Return the end of the store that an exception of the database ``path`` means, with the next step in words."""
    if isinstance(error, Fatal):
        return error
    if isinstance(error, CryptoFailure | KeyGone):
        return damaged(path, "a sealed row does not open: the file was changed, or day-keys is another database's")
    code = getattr(error, "sqlite_errorcode", 0)
    if isinstance(error, OSError):
        code = sqlite3.SQLITE_READONLY if error.errno in _NOT_ALLOWED else sqlite3.SQLITE_IOERR
    step = _NEXT_STEP.get(code & _PRIMARY)
    said = f"{path}: {error}" if isinstance(error, sqlite3.Error | OSError) else f"{path}: {error!r}"
    return Fatal(f"{said}; {step}" if step else said)
