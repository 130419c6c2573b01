import contextlib
import errno
import sqlite3
from pathlib import Path

import msgspec
import pytest

from relayd.domain.refusals import Fatal, Fault
from relayd.lifecycle import CannotStart
from relayd.store import opening
from relayd.store.database import PAGE_BYTES
from relayd.store.daykeys import FILE_NAME
from support.stores import DAY_S, NO_LIMIT, House, house

TABLE_LEAF = 0x0D
"""The first byte of such a page (sqlite.org/fileformat2.html)."""


async def damage_a_page(place: Path) -> bytes:
    """Leave a store of which the head of one page of a table, most likely of envelopes, is overwritten; return it."""
    async with house(place) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(200):
            await relay.submit(alice, bob, body=bytes(1_000))
    octets = bytearray((place / "relay.db").read_bytes())
    leaves = [at for at in range(0, len(octets), PAGE_BYTES) if octets[at] == TABLE_LEAF]
    at = leaves[len(leaves) * 3 // 4]
    octets[at : at + 100] = b"\xff" * 100
    (place / "relay.db").write_bytes(octets)
    return bytes(octets)


async def test_a_store_whose_day_keys_are_lost_is_not_opened(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=DAY_S)
        await relay.submit(alice, bob, ttl_s=5 * DAY_S)
    kept = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).unlink()

    with pytest.raises(Fatal, match="day-keys"):
        await House(tmp_path, clock=relay.clock).open()
    (tmp_path / FILE_NAME).write_bytes(kept)
    async with house(tmp_path, clock=relay.clock) as again:
        assert again.counters.envelopes_queued == 2


async def test_keys_of_what_has_expired_are_not_missed(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        keys = relay.store._opened.keys
        keys.forget(keys.days)
    relay.clock.advance(60)

    async with house(tmp_path, clock=relay.clock) as again:
        assert await again.store.sweep() == 1


async def test_the_high_water_mark_counts_where_the_clock_is_behind(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("alice")
    mark_ms = relay.clock.now_ms()
    relay.clock.advance(-DAY_S)

    async with house(tmp_path, clock=relay.clock) as again:
        assert again.store.high_water_ms == mark_ms


async def test_what_is_no_database_is_not_opened(tmp_path) -> None:
    (tmp_path / "relay.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)

    with pytest.raises(Fatal, match="not a database"):
        await House(tmp_path).open()


async def test_a_newer_store_is_named(tmp_path) -> None:
    async with house(tmp_path):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as db:
        db.execute("PRAGMA user_version = 9999")

    with pytest.raises(Fatal, match=r"/relay\.db: its version is 9999, made by a newer relayd"):
        await House(tmp_path).open()


async def test_a_damaged_page_is_found_at_the_start_and_left_as_it_is(tmp_path) -> None:
    before = await damage_a_page(tmp_path)

    with pytest.raises(Fatal, match=r"/relay\.db: .*; copy the whole state directory away"):
        await House(tmp_path).open()

    assert (tmp_path / "relay.db").read_bytes() == before


async def test_a_damaged_page_that_no_start_found_ends_the_store_when_it_is_met(tmp_path) -> None:
    await damage_a_page(tmp_path)
    unchecked = msgspec.structs.replace(NO_LIMIT, check_timeout_s=0)

    async with house(tmp_path, settings=unchecked) as relay:
        with pytest.raises(Fault):
            await relay.store._read(lambda db: db.execute("SELECT max(sealed) FROM envelope").fetchall())

        assert "/relay.db: database disk image is malformed; copy" in str(relay.store.fatal.result())


async def test_day_keys_that_nobody_may_read_are_no_bug(tmp_path, monkeypatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "day-keys")

    monkeypatch.setattr(opening, "DayKeys", forbidden)

    with pytest.raises(Fatal, match="Permission denied: 'day-keys'; relayd must be able"):
        await House(tmp_path).open()


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_disk_that_is_full_at_the_start_gets_the_ballasts_room_once(tmp_path, monkeypatch, failures) -> None:
    (tmp_path / "ballast").write_bytes(bytes(64))
    left = iter([OSError(errno.ENOSPC, "full")] * failures)
    good = opening.connect

    def connect(*arguments, **named):
        for error in left:
            raise error
        return good(*arguments, **named)

    monkeypatch.setattr(opening, "connect", connect)

    with contextlib.ExitStack() as expected:
        if failures > 1:
            expected.enter_context(pytest.raises(CannotStart, match="the disk is full; make room on it"))
        async with house(tmp_path):
            pass
    assert not (tmp_path / "ballast").exists()


@pytest.mark.parametrize("at", [1, 2])
async def test_what_else_fails_for_now_at_a_start_is_not_dressed_up(tmp_path, monkeypatch, at) -> None:
    errors = iter([OSError(errno.ENOSPC, "full"), OSError(errno.EMFILE, "none left")][2 - at :])

    def connect(*_: object, **__: object):
        raise next(errors)

    monkeypatch.setattr(opening, "connect", connect)

    with pytest.raises(OSError, match="none left"):
        await House(tmp_path).open()
