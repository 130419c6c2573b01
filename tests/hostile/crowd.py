"""Many hostile peers of all kinds in one process, for who measures what the others feel: ``python -m hostile.crowd``.

One JSON line says where the relay is, which accounts there are and which kinds, none for all: each account gets a
source address of its own, and the kinds are given out in turn.
Then each line is a word: ``idle`` logs everybody in and has them do nothing, ``hostile`` lets them loose, ``end`` is
the end. Each is answered by a JSON line once it is so. Keys come through the pipe, never in an argument.
"""

import asyncio
import contextlib
import itertools
import json
import os
import resource
import sys
from dataclasses import dataclass

from hostile.catalogue import KINDS
from hostile.kinds import Kind, Member, Place, Stand, Talk, login

RETRY_S = 0.05
"""Between two bouts of one peer, so that one that is refused at once does not spin."""
AT_ONCE = 32
FILES = 8_192


@dataclass
class Peer:
    """One of the crowd: idle on a connection of its own, or at it again and again."""

    kind: Kind
    stand: Stand
    bouts: int = 0
    talk: Talk | None = None
    task: asyncio.Task[None] | None = None

    async def rest(self, gate: asyncio.Semaphore) -> bool:
        """Stop, log in and do nothing; return whether one was let in."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None
        async with gate:
            with contextlib.suppress(OSError, TimeoutError):
                self.talk = await login(self.stand)
        return self.talk is not None and not self.talk.ended.is_set()

    def begin(self) -> None:
        if self.talk is not None:
            self.talk.close()
            self.talk = None
        self.task = asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        task = asyncio.current_task()
        # A gather that fails in the moment in which it is cancelled tells of the failure alone.
        while task is not None and not task.cancelling():
            with contextlib.suppress(OSError, TimeoutError):
                await self.kind.act(self.stand)
                self.bouts += 1
            await asyncio.sleep(RETRY_S)


def crowd(told: dict[str, object]) -> list[Peer]:
    """Return the peers, the kinds in turn; each has a source address of its own."""
    place = Place(told["port"], told["key_id"], bytes.fromhex(told["relay_key"]))
    members = [
        Member(bytes.fromhex(account), device, bytes.fromhex(dh), bytes.fromhex(sign), address)
        for account, device, dh, sign, address in told["members"]
    ]
    victim, away, *hostile = members
    kinds = itertools.cycle([KINDS[name] for name in told["kinds"] or KINDS])
    return [
        Peer(kind, Stand(place, source(number), victim, away, bytes.fromhex(told["root"]), member))
        for number, (member, kind) in enumerate(zip(hostile, kinds, strict=False))
    ]


def source(number: int) -> str:
    """Return an address of this machine that is nobody else's."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


async def main() -> None:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    peers = crowd(json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    while (word := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) != "end":
        there = len(peers)
        if word == "idle":
            there = sum(await asyncio.gather(*[peer.rest(gate) for peer in peers]))
        else:
            for peer in peers:
                peer.begin()
        bouts = {name: sum(peer.bouts for peer in peers if peer.kind.name == name) for name in KINDS}
        counted = {name: kind.counted for name, kind in KINDS.items()}
        sys.stdout.write(json.dumps({"state": word, "peers": there, "bouts": bouts, "counted": counted}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    # Whoever measures on this core must not feel how busy this process is.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    asyncio.run(main())
