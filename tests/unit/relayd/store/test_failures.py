import errno
import sqlite3
from pathlib import Path

import pytest

from relayd.domain.refusals import Fatal
from relayd.store.daykeys import KeyGone
from relayd.store.failures import Failure, classify, damaged, fatal
from relayproto.errors import CryptoFailure


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
        (OSError(errno.EMFILE, "no descriptors"), Failure.PASSING),
        (sqlite_error(sqlite3.SQLITE_IOERR_SHMSIZE), Failure.DISK_FULL),
        (sqlite_error(sqlite3.SQLITE_IOERR_NOMEM), Failure.PASSING),
        (Fatal("damage"), Failure.FATAL),
        (CryptoFailure(), Failure.FATAL),
        (KeyGone(), Failure.FATAL),
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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CryptoFailure(), "/x/relay.db: a sealed row does not open: the file was changed, or day-keys is another"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX), "/x/relay.db: on purpose; copy the whole state directory away"),
        (sqlite_error(sqlite3.SQLITE_READONLY), "/x/relay.db: on purpose; relayd must be able to write the file"),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), "/x/relay.db: on purpose; reading or writing failed below us"),
        (OSError(errno.EIO, "disk"), "/x/relay.db: [Errno 5] disk; reading or writing failed below us"),
        (PermissionError(errno.EACCES, "no"), "/x/relay.db: [Errno 13] no; relayd must be able to write the file"),
        (sqlite_error(sqlite3.SQLITE_PROTOCOL), "/x/relay.db: on purpose"),
        (KeyError(1), "/x/relay.db: KeyError(1)"),
        (Fatal("as it was"), "as it was"),
    ],
)
def test_the_end_names_the_file_and_the_next_step(error, said) -> None:
    assert str(fatal(error, Path("/x/relay.db"))).startswith(said)


def test_damage_is_told_in_sqlites_words() -> None:
    assert str(damaged(Path("/x/relay.db"), "Page 7: never used")).startswith("/x/relay.db: Page 7: never used; copy")
