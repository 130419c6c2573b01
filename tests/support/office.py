"""A small office that writes: what live tests and pictures of dashboards let a relay do."""

import asyncio
import itertools
import random

from relayd import operate
from relayproto.codes import Class, SubmitFlag
from relayproto.commands import Credit, Invite
from relayproto.invitation import from_link
from relayproto.notices import Deliver
from relayproto.replies import Invited, Submitted
from support.device import Line, ack, submit
from support.people import Person
from support.processes import RelayProcess
from support.visitors import Visitor

ENDLESS = Credit(1_000_000, 1 << 40)
INVITED_S = 3_600


async def come(relay: RelayProcess, *names: str) -> list[Visitor]:
    """Enrol people; whoever called ends their connections."""
    made = []
    for name in names:
        # By the operator's socket and without its program, which costs a second on a busy machine.
        asked = Invite(f"{name}@office.example", INVITED_S)
        invited = await asyncio.to_thread(operate.ask, relay.state / "operator.sock", asked, Invited)
        made.append(Visitor(Person(name), from_link(operate.link(invited))))
        await made[-1].enrol()
    return made


async def _hear(line: Line, epoch: int) -> None:
    while True:
        deliver = await line.expect(Deliver, timeout_s=600.0)
        await asyncio.sleep(random.expovariate(100))
        line.say(ack(epoch, deliver.sequence, credit=ENDLESS))


async def load(relay: RelayProcess) -> None:
    """Two write to two who are there and to one who comes now and then, more at some times than at others."""
    alice, bob, carol, dave, erin = await come(relay, "alice", "bob", "carol", "dave", "erin")
    pairs = [(await each.login(ENDLESS))[0] for each in (alice, carol)]
    async with asyncio.TaskGroup() as together:
        for each in (bob, dave):
            line, welcome = await each.login(ENDLESS)
            together.create_task(_hear(line, welcome.epoch))
        for line, other in zip(pairs, (bob, dave), strict=True):
            together.create_task(_write(line, other, erin))
        together.create_task(_visit(erin))


async def _write(line: Line, to: Visitor, away: Visitor) -> None:
    numbers = itertools.count(1)
    while True:
        for pause_s in (0.02, 0.05, 0.1, 0.03):
            for turn in range(random.randint(60, 160)):
                target, class_ = (away, Class.NOTICE) if turn % 9 == 0 else (to, Class.CHAT)
                flags = SubmitFlag.NONE if turn % 10 else SubmitFlag.OUTCOME
                line.say(submit(next(numbers), target.person, class_=class_, ttl_s=3_600, flags=flags))
                await line.expect(Submitted)
                await asyncio.sleep(random.expovariate(1 / pause_s))


async def _visit(visitor: Visitor) -> None:
    while True:
        await asyncio.sleep(20)
        line, welcome = await visitor.login(ENDLESS)
        hearing = asyncio.create_task(_hear(line, welcome.epoch))
        await asyncio.sleep(6)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        await line.close()
