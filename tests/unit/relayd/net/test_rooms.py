import asyncio
from pathlib import Path

from relayd.net.rooms import Tasks
from support.live_relay import RELAY_PRIVATE, live_relay


async def test_a_task_is_kept_until_it_is_done() -> None:
    tasks, go_on = Tasks(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()

    tasks.start(work())
    assert len(tasks) == 1
    go_on.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert len(tasks) == 0


async def test_what_still_runs_is_ended_at_the_end() -> None:
    tasks, cancelled = Tasks(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    tasks.start(work())
    await asyncio.sleep(0)

    await tasks.cancel()

    assert cancelled == [True]
    assert len(tasks) == 0


async def test_chance_is_from_nought_to_below_one(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        drawn = [relay.rooms.chance() for _ in range(50)]

        assert all(0 <= each < 1 for each in drawn)
        assert len(set(drawn)) > 40


async def test_the_relays_keys_are_not_shown(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        assert repr(RELAY_PRIVATE) not in repr(relay.rooms)
