import os
import shutil
import stat
from pathlib import Path

import pytest

from relayd.domain.entry import Entry
from relayd.domain.lifetimes import day
from relayd.domain.refusals import Fatal
from relayd.store.daykeys import FILE_NAME, DayKeys, KeyGone, days_in
from relayproto.errors import CryptoFailure
from support.stores import DAY_S, MASTER_KEY, house

NONCE = bytes(12)


def keys_in(directory, master_key: bytes = MASTER_KEY) -> DayKeys:
    return DayKeys(directory, master_key, os.urandom)


def test_a_key_is_in_the_file_before_it_is_used(tmp_path) -> None:
    sealed = keys_in(tmp_path).cipher_for_sealing(5).seal(NONCE, b"text", b"")

    assert keys_in(tmp_path).cipher(5).open(NONCE, sealed, b"") == b"text"


def test_the_new_file_is_synced_before_it_takes_its_place_and_its_folder_after(tmp_path, monkeypatch) -> None:
    steps = []
    fsync, replace = os.fsync, Path.replace

    def sync(descriptor):
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    def put(path, place):
        steps.append("in its place")
        return replace(path, place)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", put)

    keys_in(tmp_path).cipher_for_sealing(5)

    assert steps == [tmp_path / f"{FILE_NAME}.new", "in its place", tmp_path]


def test_the_file_is_its_owners_alone_and_holds_no_key_in_clear(tmp_path) -> None:
    drawn = []

    def entropy(count):
        drawn.append(os.urandom(count))
        return drawn[-1]

    DayKeys(tmp_path, MASTER_KEY, entropy).cipher_for_sealing(5)

    path = tmp_path / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert drawn[0] not in path.read_bytes()


def test_a_forgotten_day_is_gone_from_memory_and_file(tmp_path) -> None:
    keys = keys_in(tmp_path)
    keys.cipher_for_sealing(5)
    keys.cipher_for_sealing(6)

    keys.forget([5, 77])

    assert keys.days == keys_in(tmp_path).days == {6}
    with pytest.raises(KeyGone):
        keys.cipher(5)


def test_forgetting_nothing_writes_nothing(tmp_path) -> None:
    keys_in(tmp_path).forget([1])

    assert not (tmp_path / FILE_NAME).exists()


def test_another_master_key_is_fatal(tmp_path) -> None:
    keys_in(tmp_path).cipher_for_sealing(5)

    with pytest.raises(Fatal):
        keys_in(tmp_path, bytes(32))


@pytest.mark.parametrize("damaged", [b"", b"\x02", b"\x01", b"\x01\x91\x93\x05\xc4\x01a\xc4\x01b"])
def test_a_damaged_file_is_fatal(tmp_path, damaged) -> None:
    (tmp_path / FILE_NAME).write_bytes(damaged)

    with pytest.raises(Fatal):
        keys_in(tmp_path)


def test_a_key_of_one_day_does_not_pass_for_another_days(tmp_path) -> None:
    keys = keys_in(tmp_path)
    sealed = keys.cipher_for_sealing(5).seal(NONCE, b"text", b"")

    with pytest.raises(CryptoFailure):
        keys.cipher_for_sealing(6).open(NONCE, sealed, b"")


def test_a_key_that_could_not_be_written_is_not_used(tmp_path) -> None:
    keys = keys_in(tmp_path)
    shutil.rmtree(tmp_path)

    with pytest.raises(OSError, match="No such file"):
        keys.cipher_for_sealing(5)

    assert keys.days == set()


async def test_with_the_days_key_deleted_a_copied_database_opens_none_of_that_days_rows(tmp_path) -> None:
    copy = tmp_path / "copy"
    home = tmp_path / "home"
    home.mkdir()
    async with house(home) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob, ttl_s=60)
        await relay.submit(alice, bob, ttl_s=3 * DAY_S)
        today = day(relay.clock.now_ms() + 60_000)
        await relay.store._opened.writer.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        shutil.copytree(home, copy)
        relay.clock.advance(2 * DAY_S)
        await relay.store.sweep()
        await relay.store.sweep()
        assert today not in relay.store._opened.keys.days
        shutil.copy(home / FILE_NAME, copy / FILE_NAME)

    async with house(copy, clock=relay.clock) as stolen:
        vault, db_row = stolen.store._opened.tools.vault, "SELECT lane, sequence, expires_ms, sealed FROM envelope"
        rows = await stolen.store._read(lambda db: db.execute(db_row).fetchall())
        bodies = await stolen.store._read(lambda db: db.execute("SELECT id, sealed FROM body ORDER BY id").fetchall())
        opened = 0
        for lane, sequence, expires_ms, sealed in rows:
            if day(expires_ms) != today:
                vault.open_envelope(lane, sequence, expires_ms, sealed)
                opened += 1
                continue
            with pytest.raises(KeyGone):
                vault.open_envelope(lane, sequence, expires_ms, sealed)
        with pytest.raises(CryptoFailure):
            vault.open_body(bodies[0][0], rows[-1][2], bodies[0][1])
        assert (len(rows), opened) == (4, 2)
        left = await stolen.store.page(bob.seat.row, 0, 0, 10, 1 << 20)
        assert [item.sequence for item in left.items if isinstance(item, Entry)] == [2]


async def test_a_sweep_of_rows_whose_key_is_gone_counts_them_out_and_tells_nobody(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        keys = relay.store._opened.keys
        keys.forget(keys.days)
        relay.clock.advance(60)

        swept = await relay.store.sweep()

        assert (swept, relay.counters.envelopes_queued) == (1, 0)
        assert await relay.outcomes(alice) == []


def test_which_days_have_a_key_is_told_without_the_master_key(tmp_path) -> None:
    keys = keys_in(tmp_path)
    for number in (5, 7):
        keys.cipher_for_sealing(number)

    assert days_in((tmp_path / FILE_NAME).read_bytes()) == {5, 7}
    for damaged in (b"", b"\x02", b"\x01nonsense"):
        with pytest.raises(Fatal, match="damaged"):
            days_in(damaged)
