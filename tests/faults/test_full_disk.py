"""A disk that really fills: refused and told, nothing lost, room made by what makes room, and no restart."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayd.config import StoreSection
from relayd.domain.refusals import Fault
from relayd.lifecycle import CannotStart
from relayd.store.disk import BALLAST
from relayproto.codes import Code, Result
from relayproto.replies import NotTaken, Submitted
from support.disks import fill, small_disk
from support.stores import Guest, House, house

MIB = 1 << 20
SMALL = StoreSection(ballast_bytes=2 * MIB, wal_autocheckpoint_pages=200)
BODY = bytes(range(256)) * 16


@contextlib.asynccontextmanager
async def on_a_small_disk(
    tmp_path: Path, mib: int = 24, settings: StoreSection = SMALL
) -> AsyncIterator[tuple[House, Guest, Guest, Path]]:
    with small_disk(tmp_path / "disk", mib) as place:
        async with house(place, settings=settings) as relay:
            yield relay, await relay.enrol("alice"), await relay.enrol("bob"), place


async def submit_until_refused(relay: House, alice: Guest, bob: Guest) -> int:
    """Submit large messages until the disk is full; return how many were stored."""
    stored = 0
    while True:
        settled = await relay.submit(alice, bob, body=BODY)
        if isinstance(settled, NotTaken):
            assert settled.code is Code.DISK
            alice.next_submission -= 1
            return stored
        assert settled.codes == (Code.STORED,)
        stored += 1


async def acknowledge(relay: House, someone: Guest, floor: int) -> None:
    """Acknowledge, however often the commit has to be tried."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Fault):
                await relay.acknowledge(someone, floor)
                return


async def test_a_disk_that_fills_in_the_middle_of_a_commit_loses_nothing_and_recovers(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path) as (relay, alice, bob, place):
        first = await relay.submit(alice, bob)
        other = fill(place)
        refused = await submit_until_refused(relay, alice, bob)

        assert first.codes == (Code.STORED,)
        assert not (place / BALLAST).exists()
        await acknowledge(relay, bob, 1)
        assert await relay.outcomes(alice) == [(1, 0, Result.DELIVERED)]
        await relay.store.sweep()
        assert await relay.submit(alice, bob) == NotTaken(2 + refused, Code.DISK, 30_000)
        alice.next_submission -= 1
        other.unlink()
        await relay.store.sweep()
        again = await relay.submit(alice, bob)
        assert again == Submitted(2 + refused, (Code.STORED,), (), 0)
        assert (place / BALLAST).stat().st_size == SMALL.ballast_bytes
        assert not relay.store.fatal.done()


async def test_a_relay_that_has_filled_its_own_disk_empties_it_by_acknowledgements(tmp_path: Path) -> None:
    full = StoreSection(
        ballast_bytes=2 * MIB, wal_autocheckpoint_pages=200, disk_warn_percent=100, disk_refuse_percent=100
    )
    async with on_a_small_disk(tmp_path, 14, settings=full) as (relay, alice, bob, place):
        stored = await submit_until_refused(relay, alice, bob)

        for floor in range(100, stored + 100, 100):
            await acknowledge(relay, bob, min(floor, stored))
        async with asyncio.timeout(30):
            while not (place / BALLAST).exists():
                await relay.store.sweep()
        taken = await relay.submit(alice, bob, body=BODY)

        assert stored > 1_000
        assert taken.codes == (Code.STORED,)
        assert len((await relay.page(bob, after=stored)).items) == 1
        assert not relay.store.fatal.done()


async def test_what_expires_on_a_full_disk_makes_room_and_is_told(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path) as (relay, alice, bob, place):
        for _ in range(600):
            await relay.submit(alice, bob, ttl_s=60)
        fill(place)
        relay.clock.advance(61)

        async with asyncio.timeout(30):
            while relay.counters.expired < 600:
                with contextlib.suppress(Fault):
                    await relay.store.sweep()

        assert (await relay.page(bob)).items[0].last == 600
        assert len(await relay.outcomes(alice)) == 100  # the first page of them
        assert not relay.store.fatal.done()


async def test_submissions_are_refused_at_92_per_cent_while_everything_else_goes_on(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path) as (relay, alice, bob, place):
        await relay.submit(alice, bob)
        other = fill(place, leave=24 * MIB * 6 // 100)
        await relay.store.sweep()

        refused = await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)
        await relay.enrol("carol")

        assert refused == NotTaken(2, Code.DISK, 30_000)
        assert (place / BALLAST).exists()
        figures = dict(await relay.store.status())
        assert figures["submissions refused for want of disk"] == 1
        assert figures["disk used, per cent"] >= 92
        other.unlink()


async def test_a_relay_starts_on_a_full_disk_with_the_room_of_its_ballast(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as place:
        async with house(place, settings=SMALL) as relay:
            alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
            await relay.submit(alice, bob)
        fill(place)

        async with house(place, settings=SMALL, clock=relay.clock) as again:
            await again.login(bob)
            await acknowledge(again, bob, 1)

            assert again.store._disk.tight
            assert not (place / BALLAST).exists()


async def test_a_relay_without_any_room_says_so_and_starts_when_there_is_some(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as place:
        async with house(place, settings=StoreSection(ballast_bytes=0)) as relay:
            await relay.enrol("alice")
        other = fill(place)

        with pytest.raises(CannotStart, match="the disk is full; make room on it"):
            await House(place, settings=StoreSection(ballast_bytes=0), clock=relay.clock).open()

        other.unlink()
        async with house(place, settings=SMALL, clock=relay.clock) as again:
            assert dict(await again.store.status())["accounts"] == 1
