"""The crowd of ``bench/hostile.py``: when it is told to rest everybody rests, or the bench would wait for ever."""

import asyncio

from hostile.crowd import Peer
from hostile.kinds import Kind, Member, Place, Stand

NOBODY = Member(bytes(32), 1, bytes(32), bytes(32), "")


async def test_a_bout_that_fails_in_the_moment_in_which_it_is_stopped_is_the_last_one() -> None:
    async def fails() -> None:
        asyncio.get_running_loop().call_soon(peer.task.cancel)
        raise ConnectionResetError

    async def act(_: Stand) -> None:
        await asyncio.gather(fails(), asyncio.sleep(60))

    stand = Stand(Place(0, 0, bytes(32)), "127.0.0.2", NOBODY, NOBODY, bytes(32))
    peer = Peer(Kind("failing", "fails as it is stopped", act, ""), stand)

    peer.begin()
    async with asyncio.timeout(10):
        await asyncio.wait([peer.task])

    assert peer.bouts == 0
