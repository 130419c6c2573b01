import contextlib
import errno
import json
import os
import sqlite3
from pathlib import Path

import pytest

from relayd.backups import making, recipient, snapshot
from relayd.backups.shelf import DAY_KEYS, Shelf
from relayd.backups.snapshot import CHUNK_BYTES
from relayd.exits import CannotGoOn, Exit
from relayd.store import database, daykeys, whole
from support.shelves import Keep


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """A store with a few hundred messages in it."""
    made = Keep(tmp_path)
    made.send(300, body=bytes(1_000))
    return made


def files(path: Path) -> dict[str, bytes]:
    return {
        each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()
    }  # fmt: skip


def contents(keep: Keep, name: str) -> snapshot.Contents:
    with Shelf.to_read(keep.path) as shelf:
        return snapshot.open_contents(shelf.snapshot(name), keep.opener, Path(name))


def test_a_backup_has_all_of_the_database_and_what_is_no_secret(keep: Keep) -> None:
    made = keep.back_up()

    kept = contents(keep, made.name)
    assert made.octets == (keep.state / "relay.db").stat().st_size
    assert made.chunks == made.new_chunks == len(kept.hashes) == -(-made.octets // CHUNK_BYTES)
    assert {name for name, _ in kept.files} == {"root.pub", "keys/descriptor-1"}
    assert dict(kept.figures)["envelopes"] == 300
    assert not (keep.state / making.SCRATCH).exists()


def test_nothing_on_the_shelf_tells_what_is_in_it_and_no_key_of_the_relay_is_there(keep: Keep) -> None:
    keep.back_up()

    on_shelf = b"".join(files(keep.path).values())
    for path in ("master.key", "stamp.key", "relay-1.key"):
        assert (keep.state / "keys" / path).read_bytes() not in on_shelf
    assert b"alice@" not in on_shelf
    assert (keep.state / daykeys.FILE_NAME).read_bytes() not in on_shelf
    opened = b"".join(octets for _, octets in contents(keep, DAY_KEYS).files)
    assert opened == (keep.state / daykeys.FILE_NAME).read_bytes()


def test_a_second_backup_writes_what_has_changed(keep: Keep) -> None:
    keep.send(1_000, body=bytes(2_000))
    first = keep.back_up()
    keep.clock.advance(60)
    same = keep.back_up()
    keep.clock.advance(60)
    keep.send(1)
    after_one = keep.back_up()

    assert same.new_chunks <= 1
    assert after_one.new_octets < first.new_octets / 3
    assert after_one.kept == 3


def test_another_recipient_gets_all_of_it_sealed_again(keep: Keep, tmp_path: Path) -> None:
    first = keep.back_up()
    recipient.make(tmp_path / "other", os.urandom)
    keep.recipient = recipient.read_recipient(tmp_path / "other.pub")
    keep.clock.advance(1)

    second = keep.back_up()

    assert second.new_chunks == first.new_chunks


def test_the_oldest_go_and_with_them_what_only_they_had(keep: Keep) -> None:
    names = []
    for _ in range(4):
        names.append(keep.back_up(keep=2).name)
        keep.clock.advance(60)
        keep.send(50, body=os.urandom(1_000))

    with Shelf.to_read(keep.path) as shelf:
        assert shelf.names() == names[-2:]
        named = {chunk.name.hex() for name in names[-2:] for chunk in shelf.snapshot(name).chunks}
    assert {path.name for path in (keep.path / "chunks").glob("??/*")} == named


def test_names_go_on_where_the_clock_went_back(keep: Keep) -> None:
    first = keep.back_up().name
    keep.clock.advance(-3_600)

    second = keep.back_up().name

    assert second > first


def test_day_keys_that_were_deleted_are_in_no_backup_any_more(keep: Keep) -> None:
    keep.back_up()
    before = daykeys.days_in(dict(contents(keep, DAY_KEYS).files)[daykeys.FILE_NAME])
    keep.clock.advance(10 * 86_400)
    keep.send(1)
    keys = keep.house().master_key
    path = keep.state
    held = daykeys.DayKeys(path, keys, os.urandom)
    held.forget(before)

    keep.back_up()

    after = daykeys.days_in(dict(contents(keep, DAY_KEYS).files)[daykeys.FILE_NAME])
    assert before
    assert not before & after
    assert len(list(keep.path.glob(f"{DAY_KEYS}*"))) == 1


def test_it_says_in_the_state_directory_when_it_was_finished(keep: Keep) -> None:
    made = keep.back_up()

    said = json.loads((keep.state / "backup.json").read_text())

    assert said == {"finished_ms": made.finished_ms} == {"finished_ms": keep.clock.now_ms()}


def broken_page(keep: Keep) -> None:
    with (keep.state / "relay.db").open("r+b") as file:
        file.seek(database.PAGE_BYTES * 5)
        file.write(b"\xff" * 100)


def wrong_counter(keep: Keep) -> None:
    with contextlib.closing(sqlite3.connect(keep.state / "relay.db")) as db, db:
        db.execute("UPDATE mailbox SET messages = messages + 1")


def no_day_keys(keep: Keep) -> None:
    (keep.state / daykeys.FILE_NAME).unlink()


def damaged_day_keys(keep: Keep) -> None:
    (keep.state / daykeys.FILE_NAME).write_bytes(b"damaged")


def no_database(keep: Keep) -> None:
    (keep.state / "relay.db").write_bytes(b"nonsense" * 5_000)


@pytest.mark.parametrize("harm", [broken_page, wrong_counter, no_day_keys, damaged_day_keys, no_database])
def test_what_is_not_whole_becomes_no_backup_and_the_earlier_ones_stay(keep: Keep, harm) -> None:
    keep.back_up()
    before = files(keep.path)
    harm(keep)
    keep.clock.advance(60)

    with pytest.raises(CannotGoOn, match=r"nothing was kept, the earlier backups are as they were") as caught:
        keep.back_up()

    assert caught.value.status is Exit.NOT_WHOLE
    assert files(keep.path) == before
    assert not (keep.state / making.SCRATCH).exists()
    keep.check()


def test_a_key_that_went_while_the_copy_was_made_is_not_missed(keep: Keep, monkeypatch) -> None:
    copies: list[Path] = []
    copy = making.copies.copy_pages

    def ends_a_day(db: sqlite3.Connection, place: Path, progress) -> None:
        copies.append(place)
        copy(db, place, progress)
        if len(copies) == 1:
            kept = (keep.state / daykeys.FILE_NAME).rename(keep.place / "aside")
            monkeypatch.setattr(making, "_day_keys", lambda _: b"")
            assert kept.exists()
        else:
            monkeypatch.undo()
            (keep.place / "aside").rename(keep.state / daykeys.FILE_NAME)

    monkeypatch.setattr(making.copies, "copy_pages", ends_a_day)

    keep.back_up()

    assert len(copies) == 2


def test_a_disk_that_fills_leaves_the_earlier_ones_and_takes_nothing(keep: Keep, monkeypatch) -> None:
    keep.back_up()
    keep.send(300, body=os.urandom(1_000))
    before = files(keep.path)
    put = Shelf.put

    def full(shelf: Shelf, name: str, octets: bytes) -> None:
        if name.startswith("backup-"):
            raise OSError(errno.ENOSPC, "No space left on device", name)
        put(shelf, name, octets)

    monkeypatch.setattr(Shelf, "put", full)
    keep.clock.advance(60)

    with pytest.raises(CannotGoOn, match="No space left on device; nothing was kept") as caught:
        keep.back_up()

    after = files(keep.path)
    assert caught.value.status is Exit.CANNOT_CREATE
    assert {name for name in after if name != DAY_KEYS} == {name for name in before if name != DAY_KEYS}
    monkeypatch.undo()
    assert keep.back_up().kept == 2


def test_it_takes_no_room_that_the_relay_needs(keep: Keep) -> None:
    with pytest.raises(
        CannotGoOn, match=r"the relay would refuse submissions \(store.disk_refuse_percent\); make room"
    ):
        making.make(keep.job(disk_refuse_percent=1, disk_warn_percent=1), keep.path)

    assert not keep.path.exists()


@pytest.mark.parametrize("inside", [".", "backups"])
def test_it_is_not_kept_where_it_would_be_lost_with_the_state(keep: Keep, inside: str) -> None:
    with pytest.raises(CannotGoOn, match="it would be lost with it"):
        making.make(keep.job(), keep.state / inside)

    assert not (keep.state / "chunks").exists()


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="there is no database yet") as caught:
        Keep(tmp_path).back_up()

    assert caught.value.status is Exit.NO_INPUT


def test_a_damaged_backup_stops_no_new_one_and_is_named(keep: Keep) -> None:
    old = keep.back_up().name
    (keep.path / old).write_bytes(b"damaged")
    keep.clock.advance(60)

    with pytest.raises(CannotGoOn, match=rf"was made and is good, but .*{old}.*Move that file away") as caught:
        keep.back_up()

    assert caught.value.status is Exit.NOT_WHOLE
    (keep.path / old).unlink()
    assert len(keep.check()) == 1


def test_a_chunk_that_was_lost_is_written_again(keep: Keep) -> None:
    keep.back_up()
    lost = next((keep.path / "chunks").glob("??/*"))
    lost.unlink()
    keep.clock.advance(60)

    made = keep.back_up()

    assert made.new_chunks >= 1
    assert lost.exists()


def test_half_written_chunks_of_one_that_was_killed_are_not_taken_for_whole_ones(keep: Keep) -> None:
    keep.back_up()
    with Shelf.to_write(keep.path) as shelf:
        shelf.drop(shelf.names())
    for path in (keep.path / "chunks").glob("??/*"):
        path.write_bytes(path.read_bytes()[:100])
    keep.clock.advance(60)

    made = keep.back_up()

    assert made.new_chunks == made.chunks
    keep.check()


def test_how_far_it_is_is_told(keep: Keep) -> None:
    told: list[tuple[str, int, int]] = []
    keep.told = lambda *said: told.append(said)

    made = keep.back_up()

    assert {what for what, _, _ in told} == {"copying", "checking", "sealing"}
    assert told[-1] == ("sealing", made.octets, made.octets)


def test_the_store_is_whole_where_it_was_copied_from(keep: Keep) -> None:
    keep.back_up()

    with whole.one_moment(keep.state / "relay.db") as db:
        assert whole.pages(db).wrong == 0


def test_a_store_that_is_still_to_be_upgraded_is_not_backed_up(keep: Keep, monkeypatch) -> None:
    known = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: [*known, (known[-1][0] + 1, "")])

    with pytest.raises(CannotGoOn, match="this relayd is of another; start the relay first"):
        keep.back_up()
