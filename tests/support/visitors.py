"""Bare devices at a relay that runs as a process of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from relayproto.codes import Purpose, SubmitFlag
from relayproto.commands import Credit, Hello
from relayproto.events import Established
from relayproto.invitation import Invitation, from_link
from relayproto.replies import Enrolled, Submitted, Welcome
from support.device import PLENTY, Line, client, dial, enrolment, hello, submit
from support.live_relay import DIALLED
from support.people import Person
from support.processes import RelayProcess

TOGETHER = 200
"""Submissions before their answers are waited for; a device may have 256."""


@dataclass
class Visitor:
    """Somebody with one bare device."""

    person: Person
    invitation: Invitation

    async def _dialled(self, purpose: Purpose, said: Hello | None, static_key: bytes | None) -> Line:
        asked = self.invitation
        connection = client(purpose, said, static_key, relay_key=asked.relay_key, key_id=asked.key_id)
        return await dial(asked.port, connection)

    async def enrol(self) -> None:
        line = await self._dialled(Purpose.ENROL, None, None)
        await line.expect(Established)
        line.say(enrolment(self.person, self.invitation.ticket))
        await line.expect(Enrolled)
        await line.close()

    async def login(self, credit: Credit = PLENTY) -> tuple[Line, Welcome]:
        line = await self._dialled(Purpose.DEVICE, hello(self.person, credit=credit), self.person.dh_private)
        return line, await line.expect(Welcome)


async def submit_many(line: Line, to: Visitor, count: int, *, first: int = 1, ttl_s: int = 3_600) -> None:
    """Submit chats with numbers from ``first`` on; all must be stored."""
    for begin in range(first, first + count, TOGETHER):
        numbers = range(begin, min(begin + TOGETHER, first + count))
        line.say(*[submit(number, to.person, ttl_s=ttl_s, flags=SubmitFlag.NONE) for number in numbers])
        for settled in await line.several(Submitted, len(numbers)):
            assert settled.codes == (0,)


@contextlib.asynccontextmanager
async def visitors(relay: RelayProcess, *names: str) -> AsyncIterator[list[Visitor]]:
    """Enrol people; every connection of theirs ends with the block."""
    made = []
    try:
        for name in names:
            link = await asyncio.to_thread(relay.invite, f"{name}@office.example")
            visitor = Visitor(Person(name), from_link(link))
            await visitor.enrol()
            made.append(visitor)
        yield made
    finally:
        while DIALLED:
            DIALLED.pop().abort()
        await asyncio.sleep(0)
