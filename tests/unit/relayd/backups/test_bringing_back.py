import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relayd import keyring, verify
from relayd.backups import bringing_back, recipient, snapshot
from relayd.backups.shelf import DAY_KEYS, Shelf
from relayd.backups.snapshot import Signer
from relayd.exits import CannotGoOn, Exit
from relayd.lifecycle import CannotStart, claim
from relayd.store import daykeys, restored, sound
from support.changed import replace
from support.relay_keys import NOW_MS, made_keys
from support.shelves import Keep
from support.stores import House


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """A store with messages in it, and a backup of it."""
    made = Keep(tmp_path)
    made.send(20)
    made.back_up()
    return made


def rows(state: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(state / "relay.db")) as db:
        return db.execute(statement).fetchall()


def put_keys(keep: Keep, state: Path) -> None:
    for path in (keep.state / "keys").glob("*.key"):
        (state / "keys" / path.name).write_bytes(path.read_bytes())
        (state / "keys" / path.name).chmod(0o600)


def test_what_was_kept_comes_back_with_new_epochs(keep: Keep, tmp_path: Path) -> None:
    done = keep.restore(tmp_path / "new")

    before = rows(keep.state, "SELECT id, epoch, next_normal, messages FROM mailbox ORDER BY id")
    after = rows(tmp_path / "new", "SELECT id, epoch, next_normal, messages FROM mailbox ORDER BY id")
    assert done.devices == len(after) == 2
    assert [row[::3] + row[2:3] for row in before] == [row[::3] + row[2:3] for row in after]
    assert not {row[1] for row in before} & {row[1] for row in after}
    assert not {row[0] for row in rows(keep.state, "SELECT epoch FROM ledger")} & {
        row[0] for row in rows(tmp_path / "new", "SELECT epoch FROM ledger")
    }
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "relay.db", "day-keys", "root.pub", "keys", "relayd.lock",
    }  # fmt: skip


def test_with_its_keys_the_relay_goes_on_and_everything_opens(keep: Keep, tmp_path: Path) -> None:
    keep.restore(tmp_path / "new")
    put_keys(keep, tmp_path / "new")

    async def go_on() -> tuple[int, int]:
        house = await keep.house(tmp_path / "new").open()
        alice, bob = keep.guests["alice"], keep.guests["bob"]
        for someone in (alice, bob):
            await house.login(someone)
        before = await house.page(bob)
        await house.submit(alice, bob, submission=1)
        after = await house.page(bob)
        await house.store.close()
        return len(before.items), max(item.sequence for item in after.items)

    queued, last = asyncio.run(go_on())

    assert (queued, last) == (20, 21)
    keyring.load(tmp_path / "new", keep.clock.now_ms(), {})
    assert verify.verify(tmp_path / "new" / "relay.db").whole


@pytest.mark.parametrize("name", ["relay.db", "relay.db-wal"])
def test_a_database_that_is_there_is_not_overwritten(keep: Keep, tmp_path: Path, name: str) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / name).write_bytes(b"something")

    with pytest.raises(CannotGoOn, match=rf"{name}: there is a database, and a restore overwrites none") as caught:
        keep.restore(tmp_path / "new")

    assert caught.value.status is Exit.CANNOT_CREATE
    assert (tmp_path / "new" / name).read_bytes() == b"something"
    assert {path.name for path in (tmp_path / "new").iterdir()} == {name, "relayd.lock"}


def test_where_a_relay_runs_nothing_is_restored(keep: Keep, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    held = claim(tmp_path / "new")

    with pytest.raises(CannotStart, match="another relayd is running here"):
        keep.restore(tmp_path / "new")

    os.close(held)


def test_beside_keys_that_are_another_relays_nothing_is_restored(keep: Keep, tmp_path: Path) -> None:
    made_keys(tmp_path / "new", seed=2)

    with pytest.raises(CannotGoOn, match="the backup is another relay's, or somebody made it up"):
        keep.restore(tmp_path / "new")

    assert not (tmp_path / "new" / "relay.db").exists()


def test_empty_remnants_of_a_lost_database_are_no_reason_to_stop(keep: Keep) -> None:
    (keep.state / "relay.db").unlink()
    for name in ("relay.db", "relay.db-wal", "relay.db-shm"):
        (keep.state / name).touch()

    keep.restore(keep.state)

    assert rows(keep.state, "SELECT count(*) FROM envelope") == [(20,)]


def lose(keep: Keep) -> None:
    for path in keep.state.glob("relay.db*"):
        path.unlink()


def test_what_has_expired_stays_expired_whatever_the_clock_says(keep: Keep, tmp_path: Path) -> None:
    old = keep.back_up().name
    keep.clock.advance(2 * 86_400)
    keep.send(1)
    keep.back_up()
    keep.clock.advance(-2 * 86_400)

    done = keep.restore(tmp_path / "new", name=old)

    async def what_is_left() -> tuple[int, int]:
        house = await keep.house(tmp_path / "new").open()
        # What the relay itself does before it serves: its clock never gives a time before this one.
        house.clock.advance((house.store.high_water_ms - house.clock.now_ms()) / 1_000)
        while await house.store.sweep():
            pass
        await house.login(keep.guests["bob"])
        page = await house.page(keep.guests["bob"])
        await house.store.close()
        return house.store.high_water_ms, len([item for item in page.items if hasattr(item, "notice")])

    newest_ms = keep.clock.now_ms() + 2 * 86_400_000
    high_water_ms, queued = asyncio.run(what_is_left())
    assert done.high_water_ms == newest_ms == high_water_ms
    assert queued == 0


def test_the_mark_beside_a_lost_database_counts_too(keep: Keep) -> None:
    lose(keep)
    later = keep.clock.now_ms() + 5_000_000
    (keep.state / restored.FILE_NAME).write_text(str(later))

    done = keep.restore(keep.state)

    assert done.high_water_ms == later
    assert rows(keep.state, "SELECT high_water_ms FROM relay_time") == [(later,)]


def test_day_keys_beside_a_lost_database_are_newer_and_go_on(keep: Keep) -> None:
    keep.send(1, ttl_s=5 * 86_400)
    newer = (keep.state / daykeys.FILE_NAME).read_bytes()
    lose(keep)

    keep.restore(keep.state)

    assert (keep.state / daykeys.FILE_NAME).read_bytes() == newer


@pytest.mark.parametrize("local", [b"", b"nonsense"])
def test_day_keys_that_do_not_fit_are_replaced_by_the_backups(keep: Keep, local: bytes) -> None:
    before = (keep.state / daykeys.FILE_NAME).read_bytes()
    lose(keep)
    (keep.state / daykeys.FILE_NAME).write_bytes(local)

    keep.restore(keep.state)

    assert (keep.state / daykeys.FILE_NAME).read_bytes() == before


def test_without_day_keys_that_fit_nothing_is_put_in_place(keep: Keep, tmp_path: Path) -> None:
    with Shelf.to_read(keep.path) as shelf:
        backup = bringing_back.pick(shelf, keep.opener, None)
        poor = bringing_back.Backup(backup.name, backup.snapshot, backup.contents, b"", backup.high_water_ms)
        with pytest.raises(CannotGoOn, match="neither these day keys nor the backup's fit"):
            bringing_back.bring_back(shelf, keep.opener, poor, tmp_path / "new", os.urandom, keep.told)

    assert not (tmp_path / "new" / "relay.db").exists()


def test_a_store_in_which_nothing_was_ever_sealed_comes_back(tmp_path: Path) -> None:
    keep = Keep(tmp_path)
    asyncio.run(opened_and_closed(keep.house()))
    keep.back_up()

    keep.restore(tmp_path / "new")
    asyncio.run(opened_and_closed(keep.house(tmp_path / "new")))


async def opened_and_closed(house: House) -> None:
    await house.open()
    await house.store.close()


def test_a_chosen_backup_comes_back_with_the_newest_day_keys(keep: Keep, tmp_path: Path) -> None:
    old = keep.back_up().name
    keep.send(5)
    keep.clock.advance(60)
    keep.back_up()

    done = keep.restore(tmp_path / "new", name=old)

    assert done.name == old
    assert rows(tmp_path / "new", "SELECT count(*) FROM envelope") == [(20,)]
    assert (tmp_path / "new" / "day-keys").read_bytes() == (keep.state / "day-keys").read_bytes()
    with pytest.raises(CannotGoOn, match=r"there is no backup backup-x; there are backup-\S+, backup-"):
        keep.restore(tmp_path / "other", name="backup-x")


def test_another_key_restores_nothing(keep: Keep, tmp_path: Path) -> None:
    recipient.make(tmp_path / "other", os.urandom)
    other = recipient.read_opener(tmp_path / "other")

    with pytest.raises(CannotGoOn, match="this key does not open it"):
        keep.restore(tmp_path / "new", opener=other)

    assert not (tmp_path / "new").exists()


def change_a_chunk(keep: Keep) -> None:
    path = next((keep.path / "chunks").glob("??/*"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_a_damaged_chunk_is_found_by_both_checks_and_by_a_restore(keep: Keep, tmp_path: Path) -> None:
    assert [one.opened for one in keep.check()] == [True]
    assert [one.opened for one in keep.check(opened=False)] == [False]
    change_a_chunk(keep)

    for look in (keep.check, lambda: keep.check(opened=False), lambda: keep.restore(tmp_path / "new")):
        with pytest.raises(CannotGoOn, match="it is damaged; use another backup") as caught:
            look()
        assert caught.value.status is Exit.NOT_WHOLE
    assert not (tmp_path / "new" / "relay.db").exists()


def test_after_an_end_in_the_middle_the_relay_starts_with_nothing_and_the_restore_begins_anew(
    keep: Keep, tmp_path: Path, monkeypatch
) -> None:
    state = tmp_path / "new"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "relay.db")

    monkeypatch.setattr(bringing_back, "_put", full)
    with pytest.raises(CannotGoOn, match=r"No space left on device; nothing was restored, run it again"):
        keep.restore(state)
    monkeypatch.undo()

    with pytest.raises(sound.Fatal, match="a restore was begun here and did not end; run relayd restore again"):
        sound.expect_file(state / "relay.db")
    keep.restore(state)
    sound.expect_file(state / "relay.db")
    assert rows(state, "SELECT count(*) FROM envelope") == [(20,)]


def test_a_backup_by_a_newer_relay_is_left_for_it(keep: Keep, tmp_path: Path, monkeypatch) -> None:
    known = bringing_back.database.migrations()
    with closing(sqlite3.connect(keep.state / "relay.db")) as db:
        db.execute("PRAGMA user_version = 9")
    monkeypatch.setattr(bringing_back.database, "migrations", lambda: [*known, (9, "")])
    keep.clock.advance(60)
    keep.back_up()
    monkeypatch.undo()

    with pytest.raises(CannotGoOn, match=r"its version is 9, made by a newer relayd.*nothing was restored"):
        keep.restore(tmp_path / "new")

    assert not (tmp_path / "new" / "relay.db").exists()


def test_an_older_backup_is_upgraded_on_its_way(keep: Keep, tmp_path: Path, monkeypatch) -> None:
    known = bringing_back.database.migrations()
    number = known[-1][0] + 1
    script = "ALTER TABLE report ADD COLUMN seen INTEGER;"
    monkeypatch.setattr(bringing_back.database, "migrations", lambda: [*known, (number, script)])

    keep.restore(tmp_path / "new")

    assert rows(tmp_path / "new", "PRAGMA user_version") == [(number,)]
    assert not list((tmp_path / "new").glob("*version-*"))


def test_the_restored_day_keys_bring_back_no_deleted_one(keep: Keep, tmp_path: Path) -> None:
    old = keep.back_up().name
    days = daykeys.days_in((keep.state / daykeys.FILE_NAME).read_bytes())
    keep.clock.advance(20 * 86_400)
    keep.send(1)
    daykeys.DayKeys(keep.state, keep.house().master_key, os.urandom).forget(days)
    keep.back_up()

    done = keep.restore(tmp_path / "new", name=old)

    assert done.name == old
    assert not days & daykeys.days_in((tmp_path / "new" / daykeys.FILE_NAME).read_bytes())


def signer_of(keep: Keep, state: Path | None = None) -> Signer:
    keys = keyring.load(state or keep.state, NOW_MS, {})
    return Signer(keys.stamp_seed, keys.newest, keys.root_fingerprint)


def put(keep: Keep, name: str, contents: snapshot.Contents, chunks=(), signer: Signer | None = None) -> None:
    """Leave a file on the shelf as whoever has the relay's keys could."""
    sealed = snapshot.seal(contents, keep.recipient)
    (keep.path / name).write_bytes(snapshot.encode(NOW_MS, chunks, sealed, signer or signer_of(keep)))


def opened(keep: Keep, name: str) -> tuple[snapshot.Snapshot, snapshot.Contents]:
    with Shelf.to_read(keep.path) as shelf:
        one = shelf.snapshot(name)
        return one, snapshot.open_contents(one, keep.opener, keep.path / name)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": (("../outside", b""),)},
        {"files": (("keys/master.key", bytes(32)),)},
        {"files": (("/etc/outside", b""),)},
        {"database": "../relay.db"},
        {"database": "keys/relay.db"},
        {"database": ".."},
    ],
)
def test_a_backup_puts_nothing_where_no_relay_has_it(keep: Keep, tmp_path: Path, changes: dict[str, object]) -> None:
    name = keep.check()[-1].name
    one, contents = opened(keep, name)
    put(keep, name, replace(contents, **changes), one.chunks)

    with pytest.raises(CannotGoOn, match="it names files that no relay has"):
        keep.restore(tmp_path / "new")

    assert not (tmp_path / "new").exists()


def test_day_keys_of_another_relay_are_refused(keep: Keep, tmp_path: Path) -> None:
    made_keys(tmp_path / "another", seed=2)
    _, contents = opened(keep, DAY_KEYS)
    put(keep, DAY_KEYS, contents, signer=signer_of(keep, tmp_path / "another"))

    with pytest.raises(CannotGoOn, match="these day keys are another relay's"):
        keep.restore(tmp_path / "new")


def test_a_shelf_without_day_keys_or_without_backups_is_told_so(keep: Keep, tmp_path: Path) -> None:
    _, contents = opened(keep, DAY_KEYS)
    put(keep, DAY_KEYS, replace(contents, files=()))
    with pytest.raises(CannotGoOn, match="there are no day keys in it"):
        keep.check()
    for path in keep.path.glob("backup-*"):
        path.unlink()

    for look in (keep.check, lambda: keep.restore(tmp_path / "new")):
        with pytest.raises(CannotGoOn, match="there are no backups here") as caught:
            look()
        assert caught.value.status is Exit.NO_INPUT


def test_a_chunk_that_opens_to_something_else_is_found(keep: Keep, tmp_path: Path) -> None:
    name = keep.check()[-1].name
    one, contents = opened(keep, name)
    put(keep, name, contents, (one.chunks[1], one.chunks[0], *one.chunks[2:]))

    for look in (keep.check, lambda: keep.restore(tmp_path / "new")):
        with pytest.raises(CannotGoOn, match="a chunk does not open") as caught:
            look()
        assert caught.value.status is Exit.NOT_WHOLE
    assert [each.opened for each in keep.check(opened=False)] == [False]


def test_a_database_that_was_kept_damaged_is_not_put_in_place(keep: Keep, tmp_path: Path) -> None:
    name = keep.check()[-1].name
    one, contents = opened(keep, name)
    order = (0, 2, 1, *range(3, len(one.chunks)))
    put(
        keep, name, replace(contents, hashes=tuple(contents.hashes[at] for at in order)),
        tuple(one.chunks[at] for at in order),
    )  # fmt: skip

    with pytest.raises(CannotGoOn, match=r"relay\.db: .*use another backup") as caught:
        keep.restore(tmp_path / "new")

    assert caught.value.status is Exit.NOT_WHOLE
    assert not (tmp_path / "new" / "relay.db").exists()
