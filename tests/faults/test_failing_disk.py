"""A disk without room for a write, and a disk that fails to sync, at every write and every sync of what people do.

SQLite is the relay's own; ``support.failing_disk`` stands below it.
"""

from dataclasses import dataclass, field

import msgspec
import pytest

from relayd.domain.refusals import Fatal
from relayd.store import engine
from support.failing_disk import FailingDisk, failing_disk
from support.nth_call import until_clean
from support.store_scenes import SCENES, Scene, SubmittingToMany, scene
from support.stores import NO_LIMIT, House, house

OFTEN = msgspec.structs.replace(NO_LIMIT, wal_autocheckpoint_pages=40)
"""Each scene also moves the log into the file now and then."""


@dataclass
class NoRoom:
    """The so-manieth write fails, and as many after it as ``lasts`` says."""

    disk: FailingDisk
    lasts: int

    def arm(self, call: int) -> None:
        self.disk.arm(full_at=call, full_for=self.lasts)

    def disarm(self) -> bool:
        failed = self.disk.failed
        self.disk.arm()
        return failed


@dataclass
class NoSync:
    """The so-manieth sync fails, and those after it would succeed."""

    disk: FailingDisk
    after: list[int] = field(default_factory=list)

    def arm(self, call: int) -> None:
        self.disk.arm(broken_at=call)

    def ended(self) -> None:
        self.after.append(self.disk.syncs_after)

    def disarm(self) -> bool:
        failed = self.disk.failed
        self.disk.arm()
        return failed


@pytest.fixture(autouse=True)
def no_pause(monkeypatch) -> None:
    """Commits that failed are tried again at once."""
    monkeypatch.setattr(engine, "_PAUSE_S", 0)


@pytest.mark.slow
@pytest.mark.parametrize("lasts", [1, 3], ids=["once", "for a while"])
@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: kind.__name__)
async def test_at_whichever_write_the_disk_is_full_nothing_is_told_that_is_not_so(
    tmp_path, kind: type[Scene], lasts: int
) -> None:
    with failing_disk() as disk:
        async with house(tmp_path, settings=OFTEN) as relay:
            acting = await scene(kind, relay)

            writes = await until_clean(relay, acting, NoRoom(disk, lasts), seats=lambda: acting.log_in(relay))

            assert writes >= 4
            assert not relay.store.fatal.done()


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: kind.__name__)
async def test_after_whichever_sync_fails_the_store_ends_and_syncs_nothing_more(tmp_path, kind: type[Scene]) -> None:
    with failing_disk() as disk:
        async with house(tmp_path, settings=OFTEN) as relay:
            acting = await scene(kind, relay)
            failing = NoSync(disk)

            syncs = await until_clean(
                relay, acting, failing, seats=lambda: acting.log_in(relay), ended=failing.ended
            )  # fmt: skip

            assert syncs >= 1
            assert failing.after == [0] * syncs


@pytest.mark.slow
async def test_whichever_sync_of_the_first_start_fails_it_is_said_and_the_next_start_succeeds(tmp_path) -> None:
    with failing_disk() as disk:
        for call in range(1, 20):
            place = tmp_path / str(call)
            place.mkdir()
            disk.arm(broken_at=call)
            try:
                opened = await House(place, settings=OFTEN).open()
            except Fatal:
                assert disk.failed
                disk.arm()
            else:
                await opened.store.close()
                break
            async with house(place, settings=OFTEN) as relay:
                acting = await scene(SubmittingToMany, relay)
                await acting.prepare(relay)
                await acting.check(relay, await acting.act(relay))

    assert call > 3


@pytest.mark.slow
async def test_a_sync_that_fails_at_the_end_is_the_last_and_makes_the_store_one_that_failed(tmp_path) -> None:
    async with house(tmp_path, settings=OFTEN) as relay:
        acting = await scene(SubmittingToMany, relay)
    with failing_disk() as disk:
        for call in range(1, 20):
            async with house(tmp_path, settings=OFTEN, clock=relay.clock) as relay:
                await acting.log_in(relay)
                await acting.prepare(relay)
                told = await acting.act(relay)
                relay.clock.advance(3_600)
                await relay.store.probe()
                disk.arm(broken_at=call)
            failed, after = disk.failed, disk.syncs_after
            disk.arm()
            assert relay.store.fatal.done() == failed
            async with house(tmp_path, settings=OFTEN, clock=relay.clock) as again:
                await acting.log_in(again)
                await acting.check(again, told)
            assert after == 0
            if not failed:
                break

    assert call > 3
