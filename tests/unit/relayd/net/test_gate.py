import asyncio

from relayd.net.gate import Gate


class Intake:
    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.asked = 0

    async def space(self) -> None:
        self.asked += 1
        await self.room.wait()


class Waiting:
    def __init__(self, order: list["Waiting"]) -> None:
        self.order = order

    def resume(self) -> None:
        self.order.append(self)


async def test_who_waits_is_called_in_order_when_there_is_room() -> None:
    intake, order, tasks = Intake(), [], []
    gate = Gate(intake, lambda work: tasks.append(asyncio.ensure_future(work)))
    alice, bob = Waiting(order), Waiting(order)

    gate.wait(alice)
    gate.wait(bob)
    gate.wait(alice)
    await asyncio.sleep(0)

    assert order == []
    intake.room.set()
    await asyncio.gather(*tasks)
    assert order == [alice, bob]
    assert intake.asked == 1


async def test_who_finds_it_full_again_waits_again() -> None:
    intake, order, tasks = Intake(), [], []
    gate = Gate(intake, lambda work: tasks.append(asyncio.ensure_future(work)))

    class Unlucky(Waiting):
        def resume(self) -> None:
            super().resume()
            if len(order) == 1:
                gate.wait(self)

    intake.room.set()
    gate.wait(Unlucky(order))
    while tasks:
        await tasks.pop()

    assert len(order) == 2
    assert intake.asked == 2
