import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relayd.domain.refusals import Fatal
from relayd.store import restored, sound
from relayd.store.daykeys import FILE_NAME


def still() -> float:
    return 0.0


@contextlib.contextmanager
def filled(path: Path, rows: int = 2_000) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [(bytes([row % 256]) * 500,) for row in range(rows)])
        db.commit()
        yield db


def test_a_place_where_nothing_ever_was_may_begin(tmp_path: Path) -> None:
    sound.expect_file(tmp_path / "relay.db")
    (tmp_path / "relay.db").touch()
    (tmp_path / FILE_NAME).touch()

    sound.expect_file(tmp_path / "relay.db")


@pytest.mark.parametrize("remnant", [FILE_NAME, "relay.db-wal", restored.FILE_NAME])
@pytest.mark.parametrize("kept", [None, b""])
def test_a_store_whose_database_is_gone_does_not_begin_with_nothing(tmp_path: Path, remnant: str, kept) -> None:
    (tmp_path / remnant).write_bytes(b"something")
    if kept is not None:
        (tmp_path / "relay.db").write_bytes(kept)

    with pytest.raises(Fatal, match=rf"relay\.db: it is missing or empty, but {remnant} .* put the last copy"):
        sound.expect_file(tmp_path / "relay.db")


def test_where_a_restore_did_not_end_nothing_begins(tmp_path: Path) -> None:
    (tmp_path / restored.UNFINISHED).mkdir()

    with pytest.raises(Fatal, match=r"relay\.db: a restore was begun here and did not end; run relayd restore again"):
        sound.expect_file(tmp_path / "relay.db")
    (tmp_path / "relay.db").write_bytes(b"something")
    sound.expect_file(tmp_path / "relay.db")


def test_a_sound_file_passes(tmp_path: Path) -> None:
    with filled(tmp_path / "relay.db") as db:
        sound.check(db, tmp_path / "relay.db", 1.0, still)


def test_damage_is_named_with_the_file_and_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    with filled(path):
        pass
    octets = bytearray(path.read_bytes())
    octets[40 * 4096 : 40 * 4096 + 64] = bytes(64)
    path.write_bytes(octets)

    with contextlib.closing(sqlite3.connect(path)) as db, pytest.raises(Fatal) as damaged:
        sound.check(db, path, 1.0, still)

    assert str(damaged.value).startswith(f"{path}: ")
    assert "copy the whole state directory away" in str(damaged.value)
    assert "\n" not in str(damaged.value)


def test_a_file_that_is_no_database_is_left_to_whoever_opens_it(tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"no database" * 1_000)

    with (
        contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as db,
        pytest.raises(sqlite3.DatabaseError, match="not a database"),
    ):
        sound.check(db, tmp_path / "relay.db", 1.0, still)


def test_a_check_that_takes_too_long_ends_and_says_so(tmp_path: Path) -> None:
    moments = iter([0.0, *[2.0] * 1_000])

    with filled(tmp_path / "relay.db", 20_000) as db, capture_logs() as logged:
        sound.check(db, tmp_path / "relay.db", 1.0, lambda: next(moments))

        assert db.execute("SELECT count(*) FROM t").fetchone() == (20_000,)
    assert [event["timeout_s"] for event in logged] == [1.0]
