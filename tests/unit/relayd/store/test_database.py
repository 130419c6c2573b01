import contextlib
import sqlite3

import pytest

from relayd.domain.refusals import Fatal
from relayd.store import database
from relayd.store.database import Thread, checkpoint, connect, connect_reader, migrate, migrations, version_of
from support.descriptors import no_descriptor_left


def test_the_file_is_opened_so_that_nothing_is_lost(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=123)) as db:
        settings = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "auto_vacuum",
                "wal_autocheckpoint",
                "journal_size_limit",
                "page_size",
            )
        }

    full, incremental = 2, 2
    assert settings == {
        "journal_mode": "wal", "synchronous": full, "auto_vacuum": incremental, "wal_autocheckpoint": 0,
        "journal_size_limit": 122 * 8192, "page_size": 8192,
    }  # fmt: skip


def test_migrations_are_numbered_without_a_hole_and_run_once(tmp_path) -> None:
    numbers = [number for number, _ in migrations()]

    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        migrate(db, tmp_path / "relay.db")

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


def test_a_log_that_was_moved_is_written_over_and_is_not_long_until_it_is_full_again(tmp_path) -> None:
    path, pages = tmp_path / "relay.db", 50
    with contextlib.closing(connect(path, autocheckpoint_pages=pages)) as db:
        db.execute("CREATE TABLE filling (octets BLOB)")
        checkpoint(db)
        commits = []
        for _ in range(3):
            written = 0
            while not database.log_is_long(path, pages):
                db.execute("INSERT INTO filling VALUES (zeroblob(8000))")
                written += 1
            commits.append(written)
            database.move_log(db)
            db.execute("INSERT INTO filling VALUES (zeroblob(10))")
            kept = database.log_bytes(path)
            assert (pages - 1) * database.PAGE_BYTES <= kept < pages * database.PAGE_BYTES

    assert min(commits) >= pages // 4


def test_a_reader_cannot_write(tmp_path) -> None:
    connect(tmp_path / "relay.db", autocheckpoint_pages=1000).close()

    with contextlib.closing(connect_reader(tmp_path / "relay.db")) as db, pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM envelope")


def test_what_is_open_needs_no_further_descriptor(tmp_path) -> None:
    path = tmp_path / "relay.db"
    with (
        contextlib.closing(connect(path, autocheckpoint_pages=1000)) as writer,
        contextlib.closing(connect_reader(path)) as reader,
        no_descriptor_left(),
    ):
        writer.execute("UPDATE relay_time SET high_water_ms = 42")
        checkpoint(writer)

        assert reader.execute("SELECT high_water_ms FROM relay_time").fetchone() == (42,)


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


def test_a_store_that_is_new_is_not_copied(tmp_path) -> None:
    connect(tmp_path / "relay.db", autocheckpoint_pages=1000).close()

    assert [path.name for path in tmp_path.glob("relay.db*")] == ["relay.db"]


def with_another_migration(monkeypatch, script: str) -> int:
    """Let the program know one migration more; return its number."""
    known = migrations()
    number = known[-1][0] + 1
    monkeypatch.setattr(database, "migrations", lambda: [*known, (number, script)])
    return number


def test_a_store_that_was_in_use_is_copied_before_it_is_upgraded(tmp_path, monkeypatch) -> None:
    path = tmp_path / "relay.db"
    with contextlib.closing(connect(path, autocheckpoint_pages=1000)) as db:
        db.execute("INSERT INTO report (day, sealed) VALUES (1, x'00')")
    number = with_another_migration(monkeypatch, "ALTER TABLE report ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;")

    with contextlib.closing(connect(path, autocheckpoint_pages=1000)) as db:
        after = db.execute("SELECT day, seen FROM report").fetchall()
        version = version_of(db)
    connect(path, autocheckpoint_pages=1000).close()

    kept = tmp_path / f"relay.db.version-{number - 1}"
    assert (after, version) == ([(1, 0)], number)
    assert sorted(each.name for each in tmp_path.glob("relay.db*")) == ["relay.db", kept.name]
    monkeypatch.undo()
    with contextlib.closing(connect(kept, autocheckpoint_pages=1000)) as db:
        assert db.execute("SELECT * FROM report").fetchall() == [(1, 1, b"\0")]
    with pytest.raises(Fatal, match="made by a newer relayd"):
        connect(path, autocheckpoint_pages=1000)


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path, monkeypatch) -> None:
    path = tmp_path / "relay.db"
    connect(path, autocheckpoint_pages=1000).close()
    number = with_another_migration(monkeypatch, "CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1);")

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        connect(path, autocheckpoint_pages=1000)

    monkeypatch.undo()
    with contextlib.closing(connect(path, autocheckpoint_pages=1000)) as db:
        assert version_of(db) == number - 1
        assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
