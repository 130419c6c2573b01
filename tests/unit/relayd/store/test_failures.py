import errno
import sqlite3

import pytest

from relayd.domain.refusals import Fatal
from relayd.store.failures import Failure, classify


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("on purpose")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), Failure.DISK_FULL),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), Failure.PASSING),
        (sqlite_error(sqlite3.SQLITE_LOCKED), Failure.PASSING),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_UNIQUE), Failure.BUG),
        (sqlite_error(sqlite3.SQLITE_ERROR), Failure.BUG),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), Failure.FATAL),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), Failure.FATAL),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), Failure.FATAL),
        (sqlite_error(sqlite3.SQLITE_NOTADB), Failure.FATAL),
        (sqlite_error(sqlite3.SQLITE_READONLY), Failure.FATAL),
        (sqlite3.ProgrammingError("a wrong number of bindings"), Failure.BUG),
        (OSError(errno.ENOSPC, "full"), Failure.DISK_FULL),
        (OSError(errno.EDQUOT, "full"), Failure.DISK_FULL),
        (OSError(errno.EIO, "disk"), Failure.FATAL),
        (Fatal("damage"), Failure.FATAL),
        (KeyError(1), Failure.BUG),
    ],
)
def test_a_failure_is_what_it_asks_for(error, failure) -> None:
    assert classify(error) is failure


def test_a_full_disk_is_recognised_as_sqlite_reports_it(tmp_path) -> None:
    db = sqlite3.connect(tmp_path / "small.db")
    db.execute("PRAGMA max_page_count = 2")

    with pytest.raises(sqlite3.OperationalError) as full:
        db.executescript("CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)")

    assert classify(full.value) is Failure.DISK_FULL
    db.close()
