"""People who come and go at a real relay: they join, write, read, drop off, stay away, come back, leave for good."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

from relayd import operate
from relayproto.codes import Class, GoawayCode, Lane, SubmitFlag
from relayproto.commands import Credit, GetBundles, GetDevices, Invite, Lookup
from relayproto.events import Closed, MessageReceived
from relayproto.invitation import Invitation, from_link
from relayproto.notices import Deliver, Gap, Outcome
from relayproto.replies import Invited, NotTaken, Submitted
from support.changed import replace
from support.device import Line, ack, submit
from support.kem import DeterministicKem, stream
from support.people import Person
from support.processes import RelayProcess
from support.visitors import Visitor

GRANTED = Credit(256, 1 << 20)
KEM = DeterministicKem(stream("the residents' kem"))
CLASSES = (Class.CHAT, Class.CHAT, Class.CHAT, Class.OTP, Class.ALERT, Class.RECEIPT, Class.CALL)
TTL_S = (1, 2, 5, 10, 30, 60)
"""Some run out while their recipient is away; none outlasts the warm-up."""
ONLINE_S = (1.0, 15.0)
AWAY_S = (0.2, 8.0)
PAUSE_S = (0.05, 0.8)
ANSWER_S = 30.0
NO_TROUBLE = {GoawayCode.BYE, GoawayCode.SUPERSEDED, None}


@dataclass
class Resident:
    """One person with one bare device."""

    visitor: Visitor
    address: str
    credit: Credit = GRANTED


@dataclass
class Street:
    """All of them. ``told`` counts what happened, ``trouble`` what should not have."""

    relay: RelayProcess
    chance: random.Random
    told: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    residents: list[Resident] = field(default_factory=list)
    _tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _numbers: itertools.count = field(default_factory=itertools.count)
    _invitation: Invitation | None = None

    async def join(self) -> None:
        """Let somebody new in."""
        name = f"resident{next(self._numbers)}"
        if self._invitation is None:
            link = await asyncio.to_thread(self.relay.invite, "nobody@office.example")
            self._invitation = from_link(link)
        address = f"{name}@office.example"
        path = self.relay.state / "operator.sock"
        invited = await asyncio.to_thread(operate.ask, path, Invite(address, 3_600), Invited)
        visitor = Visitor(Person(name, KEM), replace(self._invitation, ticket=invited.ticket))
        await visitor.enrol()
        resident = Resident(visitor, address)
        self.residents.append(resident)
        self._tasks[id(resident)] = asyncio.get_running_loop().create_task(self._live(resident))
        self.told["joined"] += 1

    async def leave(self) -> None:
        """Let whoever is here for longest go for good; what waits for him runs out."""
        resident = self.residents.pop(0)
        await self._end(self._tasks.pop(id(resident)))
        self.told["left"] += 1

    async def close(self) -> None:
        """End everybody's day."""
        for task in self._tasks.values():
            await self._end(task)

    async def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        done = await asyncio.gather(task, return_exceptions=True)
        for error in done:
            if isinstance(error, Exception):
                self.trouble[f"{type(error).__name__}: {error}"] += 1

    async def _live(self, resident: Resident) -> None:
        while True:
            line, welcome = await resident.visitor.login(resident.credit)
            self.told["connected"] += 1
            reading = asyncio.get_running_loop().create_task(self._read(resident, line, welcome.epoch))
            try:
                async with asyncio.timeout(self.chance.uniform(*ONLINE_S)):
                    await self._write(line, welcome.ledger_floor)
            except TimeoutError:
                pass
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                self._hang_up(line)
            await line.lost.wait()
            await asyncio.sleep(self.chance.uniform(*AWAY_S))

    def _hang_up(self, line: Line) -> None:
        if self.chance.random() < 1 / 2 or line.connection.closed:
            line.transport.abort()
            self.told["dropped off"] += 1
        else:
            line.connection.goaway(GoawayCode.BYE, reconnect=False)
            line.flush()
            self.told["hung up"] += 1

    async def _write(self, line: Line, number: int) -> None:
        while not line.connection.closed:
            other = self.chance.choice(self.residents)
            flags = SubmitFlag.OUTCOME if self.chance.random() < 1 / 3 else SubmitFlag.NONE
            class_, ttl_s = self.chance.choice(CLASSES), self.chance.choice(TTL_S)
            number += 1
            body = self.chance.randbytes(self.chance.choice((50, 300, 300, 3_000, 12_000)))
            line.say(submit(number, other.visitor.person, class_=class_, ttl_s=ttl_s, flags=flags, body=body))
            match self.chance.randrange(12):
                case 0:
                    line.say(Lookup(other.address))
                case 1:
                    line.say(GetDevices(other.visitor.person.account))
                case 2:
                    line.say(GetBundles(other.visitor.person.account, ()))
            await asyncio.sleep(self.chance.uniform(*PAUSE_S))

    async def _read(self, resident: Resident, line: Line, epoch: int) -> None:
        messages = octets = 0
        while True:
            happened = await line._events.get()
            match happened:
                case MessageReceived(_, (Deliver() | Outcome()) as came):
                    lane = came.lane if isinstance(came, Deliver) else Lane.OUTCOME
                    messages, octets = messages + 1, octets + 16_384
                    granted = Credit(resident.credit.messages + messages, resident.credit.octets + octets)
                    line.say(ack(epoch, came.sequence, lane=lane, credit=granted))
                    self.told["delivered" if isinstance(came, Deliver) else "outcomes"] += 1
                case MessageReceived(_, Gap()):
                    self.told["gaps"] += 1
                case MessageReceived(_, Submitted(codes=codes)):
                    self.told["stored" if codes == (0,) else f"refused {codes[0]}"] += 1
                case MessageReceived(_, NotTaken(code=code)):
                    self.told[f"not taken {code}"] += 1
                case Closed(code):
                    if code not in NO_TROUBLE:
                        self.trouble[f"sent away: {code}"] += 1
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
                    return
