"""The device's file: private, one transaction a step, of a known version."""

import contextlib
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from relayclient.errors import (
    HomeNotPrivate,
    HomeUnusable,
    NotJoined,
    PassphraseNeeded,
    StoreDamaged,
    StoreNewer,
    WrongPassphrase,
)
from relayclient.store import database
from relayclient.store.database import FILE_NAME, SCHEMA_VERSION, Store
from support.kem import stream


def created(home, passphrase=None):
    return Store.create(home, passphrase=passphrase, entropy=stream("store"))


def reopened(home, passphrase=None):
    return Store.open(home, passphrase=passphrase, entropy=stream("again"))


def test_home_and_file_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        store = created(tmp_path / "deep" / "home")
        with store.step() as step:
            step.put("name", "value")
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep" / "home").iterdir()}
    assert stat.S_IMODE((tmp_path / "deep" / "home").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    store.close()


@pytest.mark.parametrize("place", ["", FILE_NAME])
def test_what_others_may_read_is_not_opened(tmp_path, place):
    created(tmp_path / "home").close()
    (tmp_path / "home" / place).chmod(0o750)

    with pytest.raises(HomeNotPrivate):
        reopened(tmp_path / "home")


def test_a_home_that_others_may_read_gets_no_store(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home").chmod(0o755)

    with pytest.raises(HomeNotPrivate):
        created(tmp_path / "home")


def test_a_home_that_cannot_be_made_is_unusable(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(HomeUnusable):
        created(tmp_path / "file" / "home")


def test_a_second_store_is_not_made_over_the_first(tmp_path):
    created(tmp_path / "home").close()

    with pytest.raises(HomeUnusable):
        created(tmp_path / "home")


def test_a_store_that_cannot_be_begun_is_closed(tmp_path, monkeypatch):
    connections = []
    connect = database._connect
    monkeypatch.setattr(database, "_connect", lambda file: connections.append(connect(file)) or connections[0])
    monkeypatch.setattr(database, "_statements", lambda number: ["this is no SQL"])

    with pytest.raises(sqlite3.OperationalError):
        created(tmp_path / "home")

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connections[0].execute("SELECT 1")


def test_an_empty_home_has_not_joined(tmp_path):
    with pytest.raises(NotJoined):
        reopened(tmp_path / "home")


def test_a_step_that_raises_leaves_nothing(tmp_path):
    store = created(tmp_path / "home")

    def fail():
        with store.step() as step:
            step.put("name", "value")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with store.step() as step:
        assert step.setting("name") is None
    store.close()


def test_what_was_committed_is_there_after_opening_again(tmp_path):
    store = created(tmp_path / "home")
    with store.step() as step:
        step.put("name", 7)
        step.put_secret("key", b"secret")
    store.close()

    with contextlib.closing(reopened(tmp_path / "home")) as store, store.step() as step:
        assert step.setting("name") == 7
        assert step.secret("key") == b"secret"
        assert b"secret" not in step.setting("key")
        assert step.number("SELECT value FROM setting WHERE name = 'nothing'") == 0


def test_a_secret_does_not_open_under_another_name(tmp_path):
    store = created(tmp_path / "home")
    with store.step() as step:
        step.put_secret("key", b"secret")
        step.put("other", step.setting("key"))

        with pytest.raises(StoreDamaged):
            step.secret("other")
        with pytest.raises(StoreDamaged):
            step.secret("missing")
    store.close()


def test_a_store_with_a_passphrase_needs_it(tmp_path):
    created(tmp_path / "home", "correct horse").close()

    reopened(tmp_path / "home", "correct horse").close()
    with pytest.raises(PassphraseNeeded):
        reopened(tmp_path / "home")
    with pytest.raises(WrongPassphrase):
        reopened(tmp_path / "home", "wrong")


def test_the_file_survives_a_power_cut_by_its_settings(tmp_path):
    store = created(tmp_path / "home")

    pragmas = {name: store._sql.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}

    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    store.close()


def test_a_step_that_need_not_last_costs_no_sync_and_the_next_one_does(tmp_path):
    with contextlib.closing(created(tmp_path / "home")) as store:
        with store.step(lasting=False) as step:
            step.put("note", 1)
            loose = step.number("PRAGMA synchronous")
        with store.step() as step:
            kept = step.setting("note"), step.number("PRAGMA synchronous")

    assert (loose, kept) == (1, (1, 2))


def test_what_need_not_last_is_synced_on_demand_whoever_committed_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(database.os, "fdatasync", lambda log: synced.append(Path(f"/proc/self/fd/{log}").readlink()))
    with contextlib.closing(created(tmp_path / "home")) as store:
        with store.step(lasting=False) as step:
            step.setting("name")
        read_only = store.unsynced
        with store.step(lasting=False) as step:
            step.put("name", 1)
        written = store.unsynced

        store.sync()

        assert (read_only, written, store.unsynced) == (False, True, False)
        assert synced == [tmp_path / "home" / database.LOG_NAME]


def test_a_log_that_was_once_not_synced_is_not_called_synced_any_more(tmp_path, monkeypatch):
    def fail(log):
        raise OSError(5, "Input/output error")

    with contextlib.closing(created(tmp_path / "home")) as store:
        with store.step(lasting=False) as step:
            step.put("name", 1)
        with monkeypatch.context() as broken:
            broken.setattr(database.os, "fdatasync", fail)
            with pytest.raises(HomeUnusable):
                store.sync()

        with pytest.raises(HomeUnusable):
            store.sync()

        assert store.unsynced


def test_a_store_whose_log_cannot_be_opened_is_closed(tmp_path, monkeypatch):
    created(tmp_path / "home").close()
    monkeypatch.setattr(database, "LOG_NAME", "nothing")

    with pytest.raises(HomeUnusable):
        reopened(tmp_path / "home")


def test_a_newer_store_is_left_alone(tmp_path):
    created(tmp_path / "home").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / FILE_NAME)) as sql, sql:
        sql.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    sql.close()

    with pytest.raises(StoreNewer):
        reopened(tmp_path / "home")


def test_a_file_that_is_no_database_is_damaged(tmp_path):
    created(tmp_path / "home").close()
    (tmp_path / "home" / FILE_NAME).write_bytes(b"nonsense" * 1000)

    with pytest.raises(StoreDamaged):
        reopened(tmp_path / "home")


def test_a_store_without_its_lock_is_damaged(tmp_path):
    store = created(tmp_path / "home")
    with store.step() as step:
        step.run("DELETE FROM setting WHERE name = 'lock_key'")
    store.close()

    with pytest.raises(StoreDamaged):
        reopened(tmp_path / "home")


def test_sql_that_fails_is_a_damaged_store_and_undone(tmp_path):
    store = created(tmp_path / "home")

    def fail():
        with store.step() as step:
            step.put("name", "value")
            step.run("INSERT INTO lane (lane, floor) VALUES (0, 0)")

    with pytest.raises(StoreDamaged):
        fail()

    with store.step() as step:
        assert step.setting("name") is None
    store.close()


def test_steps_that_need_not_last_yet_are_parts_of_the_one_around_them(tmp_path):
    store = created(tmp_path / "home")

    def fail():
        with store.step(lasting=False):
            with store.step(lasting=False) as part:
                part.put("name", "value")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.step() as step:
        undone = step.setting("name")
    with store.step(lasting=False), store.step(lasting=False) as part:
        part.put("name", "value")

    assert undone is None
    assert store.unsynced
    store.close()
    with contextlib.closing(reopened(tmp_path / "home")) as again, again.step() as step:
        assert step.setting("name") == "value"


def test_what_must_last_is_no_part_of_what_need_not_yet(tmp_path):
    store = created(tmp_path / "home")

    with pytest.raises(RuntimeError), store.step(lasting=False), store.step():
        pass

    with store.step() as step:
        assert step.setting("name") is None
    store.close()


def test_a_step_waits_for_the_step_of_another_process(tmp_path):
    one, other = created(tmp_path / "home"), []
    begun = threading.Event()

    def second():
        store = reopened(tmp_path / "home")
        begun.set()
        with store.step() as step:
            other.append(step.setting("name"))
        store.close()

    thread = threading.Thread(target=second)
    with one.step() as step:
        thread.start()
        step.put("name", "value")
    thread.join(timeout=20)

    assert begun.is_set()
    assert other == ["value"]
    one.close()


def test_a_step_that_waits_too_long_says_so(tmp_path, monkeypatch):
    one = created(tmp_path / "home")
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    two = reopened(tmp_path / "home")

    with one.step(), pytest.raises(HomeUnusable), two.step():
        pass

    one.close()
    two.close()


MARK = b"a key that was used"


def marked(store, home, times):
    """Keep and delete a marked secret so often; return how often its mark is in the log."""
    for number in range(times):
        with store.step() as step:
            step.put("secret", MARK + bytes(number % 7))
        with store.step() as step:
            step.run("DELETE FROM setting WHERE name = 'secret'")
    return (home / database.LOG_NAME).read_bytes().count(MARK)


@pytest.mark.parametrize("times", [1, 40, 400])
def test_the_log_is_overwritten_before_it_is_cut_to_nothing(tmp_path, monkeypatch, times):
    home = tmp_path / "home"
    left = []
    sync = os.fdatasync
    with contextlib.closing(created(home)) as store:
        before = marked(store, home, times)
        octets = (home / database.LOG_NAME).stat().st_size

        def looked_at(log):
            left.append((home / database.LOG_NAME).read_bytes()[:octets].count(MARK))
            sync(log)

        monkeypatch.setattr(database.os, "fdatasync", looked_at)
        done = store.empty_log()

        assert (before >= times, done, left) == (True, True, [0])
        assert (home / database.LOG_NAME).stat().st_size == 0
        assert MARK not in (home / FILE_NAME).read_bytes()
        with store.step() as step:
            step.put("note", 1)
    with contextlib.closing(reopened(home)) as again, again.step() as step:
        assert step.setting("note") == 1
        assert step.setting("zeros") is None


def test_the_log_is_overwritten_at_the_end_also_where_another_process_has_the_file_open(tmp_path):
    home = tmp_path / "home"
    with contextlib.closing(created(home)) as other:
        store = reopened(home)
        marked(store, home, 3)

        store.close()

        assert (home / database.LOG_NAME).stat().st_size == 0
        with other.step() as step:
            step.put("note", 1)


def test_a_log_that_somebody_reads_is_left_for_later(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setattr(database, "_BUSY_S", 0.1)
    with contextlib.closing(created(home)) as store:
        with contextlib.closing(sqlite3.connect(home / FILE_NAME, isolation_level=None)) as reader:
            marked(store, home, 1)
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM setting").fetchall()
            marked(store, home, 1)

            assert not store.empty_log()

            reader.execute("ROLLBACK")
        with store.step() as step:
            step.put("note", 1)
        assert store.empty_log()
        with store.step() as step:
            assert step.setting("note") == 1


def test_a_full_disk_leaves_the_log_as_it_is(tmp_path):
    home = tmp_path / "home"
    with contextlib.closing(created(home)) as store:
        marked(store, home, 1)
        store._sql.execute(f"PRAGMA max_page_count = {(home / FILE_NAME).stat().st_size // 4096 + 2}")

        assert not store.empty_log()

        store._sql.execute("PRAGMA max_page_count = 1000000")
        assert store.empty_log()
