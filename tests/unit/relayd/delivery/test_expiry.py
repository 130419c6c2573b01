import asyncio
import contextlib

from relayd.delivery.expiry import expire_forever
from relayd.domain.refusals import Fault
from relayproto.codes import Code


class Sweeps:
    def __init__(self, *results: int | Fault) -> None:
        self.results = list(results)
        self.done = asyncio.Event()

    async def sweep(self) -> int:
        if not self.results:
            self.done.set()
            return 0
        result = self.results.pop(0)
        if isinstance(result, Fault):
            raise result
        return result


async def run(store: Sweeps, *, idle_s: float, busy_s: float) -> None:
    task = asyncio.create_task(expire_forever(store, idle_s=idle_s, busy_s=busy_s))
    await store.done.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_while_there_is_work_the_next_pass_comes_soon() -> None:
    store = Sweeps(500, 500, 20)

    async with asyncio.timeout(30):
        await run(store, idle_s=1000, busy_s=0)

    assert store.results == []


async def test_a_fault_of_the_disk_does_not_end_the_sweeping() -> None:
    store = Sweeps(Fault(Code.DISK, 1000))

    async with asyncio.timeout(30):
        await run(store, idle_s=0, busy_s=1000)

    assert store.results == []
