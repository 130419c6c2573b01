import contextlib
import sqlite3
from pathlib import Path

import pytest

from relayd.store import copies
from relayd.store.database import connect


@pytest.fixture
def filled(tmp_path: Path):
    """A store's connection, with some MiB in it."""
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1_000)) as db:
        db.executemany("INSERT INTO report (day, sealed) VALUES (?, randomblob(4000))", [(1,)] * 2_000)
        yield db


def reports(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT count(*) FROM report").fetchone()[0]


def test_a_copy_is_of_one_moment_though_others_commit_meanwhile_and_none_waits(tmp_path: Path, filled) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db", timeout=0, isolation_level=None)) as reader:
        steps = []

        def commit_more(done: int, total: int) -> None:
            steps.append((done, total))
            filled.execute("INSERT INTO report (day, sealed) VALUES (2, randomblob(4000))")

        copies.copy_pages(reader, tmp_path / "copy", commit_more)

        assert not reader.in_transaction
    assert len(steps) > 3
    assert steps[-1][0] == steps[-1][1]
    assert reports(tmp_path / "copy") == 2_000
    assert filled.execute("SELECT count(*) FROM report").fetchone() == (2_000 + len(steps),)


def test_the_moment_can_be_one_that_the_caller_has_looked_at_already(tmp_path: Path, filled) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM report").fetchone()
        filled.execute("DELETE FROM report")

        copies.copy_pages(reader, tmp_path / "copy")

        assert reader.in_transaction
    assert reports(tmp_path / "copy") == 2_000


def test_a_copy_is_for_nobody_else_and_replaces_what_was_left_behind(tmp_path: Path, filled) -> None:
    (tmp_path / "copy").write_bytes(b"half a copy")

    copies.copy_pages(filled, tmp_path / "copy")

    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert reports(tmp_path / "copy") == 2_000
    assert not list(tmp_path.glob("copy-*"))


def test_a_copy_of_before_an_upgrade_is_replaced_only_by_a_whole_one(tmp_path: Path, filled, monkeypatch) -> None:
    kept = copies.keep_before_upgrade(filled, tmp_path / "relay.db", 1)
    filled.execute("DELETE FROM report WHERE id = 1")
    with monkeypatch.context() as broken:
        broken.setattr(copies, "sync", fail)
        with pytest.raises(OSError, match="failed"):
            copies.keep_before_upgrade(filled, tmp_path / "relay.db", 1)
    after_failure = reports(kept)

    again = copies.keep_before_upgrade(filled, tmp_path / "relay.db", 1)

    assert again == kept == tmp_path / "relay.db.version-1"
    assert (after_failure, reports(kept)) == (2_000, 1_999)


def fail(_path: Path) -> None:
    raise OSError(5, "failed")
