import contextlib
import sqlite3

import pytest

from relayd.domain.refusals import Fatal
from relayd.store.database import Thread, checkpoint, connect, connect_reader, migrate, migrations


def test_the_file_is_opened_so_that_nothing_is_lost(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=123)) as db:
        settings = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "auto_vacuum", "wal_autocheckpoint", "page_size")
        }

    full, incremental = 2, 2
    assert settings == {
        "journal_mode": "wal", "synchronous": full, "auto_vacuum": incremental, "wal_autocheckpoint": 123,
        "page_size": 8192,
    }  # fmt: skip


def test_migrations_are_numbered_without_a_hole_and_run_once(tmp_path) -> None:
    numbers = [number for number, _ in migrations()]

    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        migrate(db)

        assert numbers == list(range(1, len(numbers) + 1))
        assert db.execute("PRAGMA user_version").fetchone() == (numbers[-1],)


def test_a_store_of_a_newer_relay_is_not_touched(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        db.execute("PRAGMA user_version = 9999")

    before = (tmp_path / "relay.db").read_bytes()

    with pytest.raises(Fatal, match=r"its version is 9999, made by a newer relayd; this one knows \d+: nothing was"):
        connect(tmp_path / "relay.db", autocheckpoint_pages=1000)

    assert (tmp_path / "relay.db").read_bytes() == before


def test_what_is_damaged_is_not_migrated(tmp_path) -> None:
    def check(_: sqlite3.Connection) -> None:
        raise Fatal("damaged")

    with pytest.raises(Fatal, match="damaged"):
        connect(tmp_path / "relay.db", autocheckpoint_pages=1000, check=check)

    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_checkpoint_leaves_an_empty_log(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        before = (tmp_path / "relay.db-wal").stat().st_size

        checkpoint(db)

        assert before > (tmp_path / "relay.db-wal").stat().st_size == 0


def test_a_reader_cannot_write(tmp_path) -> None:
    connect(tmp_path / "relay.db", autocheckpoint_pages=1000).close()

    with contextlib.closing(connect_reader(tmp_path / "relay.db")) as db, pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM envelope")


async def test_what_a_function_on_the_thread_returns_or_raises_comes_back(tmp_path) -> None:
    thread = await Thread.start(lambda: connect(tmp_path / "relay.db", autocheckpoint_pages=1000))

    answer = await thread.run(lambda db: db.execute("SELECT 42").fetchone())
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda _: 1 // 0)

    assert answer == (42,)
    await thread.close()


async def test_what_opening_raises_comes_back(tmp_path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await Thread.start(lambda: connect(tmp_path / "missing" / "relay.db", autocheckpoint_pages=1000))
