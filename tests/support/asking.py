"""Who asks a live relay everything that there is to ask, and every byte that comes back."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from relayd.config import RegistrationSection
from relayd.services import administration, prekeys, registration
from relayd.services import directory as directory_service
from relayproto import acts, message
from relayproto.acts import Instruction
from relayproto.administration import CHANGES, Change
from relayproto.codes import Kind, Purpose
from relayproto.commands import Act, GetDevices
from relayproto.descriptor import root_fingerprint
from relayproto.events import Established, MessageReceived
from relayproto.message import Message
from relayproto.notices import Deliver, Drained
from relayproto.replies import Welcome
from support.changed import replace
from support.device import Line, client, connect, dial
from support.every_kind import ENROLLING, SILENT, Asker, Whom, everything
from support.live_relay import DESCRIPTOR, LiveRelay, live_relay
from support.people import Person

REGISTERING = RegistrationSection(mode="organisations", codes_per_hour=100_000)
"""Who has an address of an organisation's domain may register, others not: a difference that nobody is to see."""
M = TypeVar("M", bound=Message)
RELAY = root_fingerprint(DESCRIPTOR)
NOBODY = b"x" * 32
"""An account that there is not: its answer stands behind what has none."""
ROOM = {"device_burst": 100_000, "address_burst": 100_000, "address_connections_max": 10_000,
        "reports_per_hour": 1_000}  # fmt: skip
PLENTY = 1_000_000
"""Limits for who asks everything from one address; time stands still meanwhile."""


@contextlib.asynccontextmanager
async def patient_relay(directory: Path) -> AsyncIterator[LiveRelay]:
    """Run a relay that lets one account ask everything at once; its rates count what was asked, and not about whom."""
    with (
        mock.patch.object(directory_service, "LOOKUP_BURST_MAX", PLENTY),
        mock.patch.object(directory_service, "LISTS_BURST_MAX", PLENTY),
        mock.patch.object(directory_service, "ADDED_A_DAY_MAX", PLENTY),
        mock.patch.object(administration, "PEOPLE_BURST_MAX", PLENTY),
        mock.patch.object(administration, "BURST_MAX", PLENTY),
        mock.patch.object(prekeys, "BUNDLES_BURST_MAX", PLENTY),
        mock.patch.object(registration, "PLACE_CODES_PER_HOUR", PLENTY),
        mock.patch.object(registration, "PLACE_TRIES_PER_HOUR", PLENTY),
    ):
        async with live_relay(directory, registration=REGISTERING, codes=Sent(), **ROOM) as relay:
            yield relay


class Sent:
    """The unit that sends codes; every code arrives, and here nobody reads it."""

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"sent": True}


@dataclass(frozen=True)
class Heard:
    """What came: frames, and how many bytes there were on the wire."""

    frames: tuple[bytes, ...]
    octets: int


@dataclass
class Voice:
    """One connection, of which every byte is counted."""

    line: Line
    octets: int = 0
    frames: list[bytes] = field(default_factory=list)
    epoch: int = 0
    shown: bytes = b""
    floor: int = 0
    """The pass that came with an envelope, and the number of the last one."""

    def __post_init__(self) -> None:
        receive = self.line.data_received

        def counted(data: bytes) -> None:
            self.octets += len(data)
            receive(data)

        self.line.data_received = counted  # type: ignore[method-assign]

    async def _next(self) -> MessageReceived:
        happened = await self.line._events.get()
        assert isinstance(happened, MessageReceived), happened
        self.frames.append(message.encode(happened.message, happened.request))
        if isinstance(happened.message, Welcome):
            self.epoch = happened.message.epoch
        elif isinstance(happened.message, Deliver):
            self.shown, self.floor = happened.message.pass_, happened.message.sequence
        return happened

    async def until(self, kind: type[Message]) -> None:
        async with asyncio.timeout(30):
            while not isinstance((await self._next()).message, kind):
                pass

    async def quiet(self, seconds: float = 0.2) -> None:
        """Take what comes until nothing has come for a while."""
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(seconds):
                    await self._next()

    async def say(self, said: Message) -> None:
        """Say something and wait for its answer, or for that of what was said behind it."""
        told = (said, GetDevices(NOBODY)) if said.KIND in SILENT else (said,)
        self.line.say(*told)
        async with asyncio.timeout(30):
            while (await self._next()).request != self.line.requests:
                pass

    async def ask(self, said: Message, kind: type[M]) -> M:
        """Say something and return its answer, which is of a kind."""
        self.line.say(said)
        async with asyncio.timeout(30):
            while (came := await self._next()).request != self.line.requests:
                pass
        assert isinstance(came.message, kind), came
        return came.message

    def taken(self) -> Heard:
        heard = Heard(tuple(self.frames), self.octets)
        self.frames, self.octets = [], 0
        return heard


Afterwards = Callable[[Voice, Whom], Awaitable[None]]


class Signing:
    """The acts of somebody's device."""

    def __init__(self, person: Person, numbers: Iterator[int] | None = None) -> None:
        self.person = person
        self._numbers = numbers or itertools.count(1)

    def said(self, each: Message, now_ms: int) -> Message:
        """Return what has to be said: a change is what an act does."""
        return self.act(each, now_ms) if each.KIND in CHANGES else each  # type: ignore[arg-type]

    def act(self, change: Change, now_ms: int) -> Act:
        who = self.person
        octets = acts.encode(
            Instruction(RELAY, who.account, who.device, next(self._numbers), now_ms, now_ms + 60_000, "a test",
                        False, change)
        )  # fmt: skip
        return Act(octets, acts.signature_of(who.sign_seed, octets))


@contextlib.asynccontextmanager
async def voice(relay: LiveRelay, person: Person) -> AsyncIterator[Voice]:
    """Log in and come as far as DRAINED."""
    line = await connect(relay.port, person)
    made = Voice(line)
    await line.expect(Established)
    await made.until(Drained)
    yield made
    await made.line.close()


async def enrolling(relay: LiveRelay, said: Message) -> Heard:
    line = await dial(relay.port, client(Purpose.ENROL, None, None))
    await line.expect(Established)
    made = Voice(line)
    await made.say(said)
    await line.close()
    return made.taken()


async def hear(
    relay: LiveRelay, asker: Asker, whom: Whom, kinds: Iterable[int], afterwards: Afterwards | None = None
) -> dict[Kind, Heard]:
    """Let somebody ask everything of some kinds; WELCOME and what waited for him stand under HELLO.

    What comes while ``afterwards`` happens stands under GOAWAY, the last thing there is.
    """
    heard: dict[Kind, Heard] = {}
    signing = Signing(asker.person, asker.acts)
    async with voice(relay, asker.person) as made:
        heard[Kind.HELLO] = made.taken()
        asker.epoch, whom = made.epoch, replace(whom, shown=made.shown)
        for kind, scenario in everything(kinds):
            if kind in ENROLLING:
                several = [await enrolling(relay, each) for each in scenario(asker, whom)]
                heard[kind] = Heard(sum([each.frames for each in several], ()), sum(each.octets for each in several))
                continue
            for each in scenario(asker, whom):
                await made.say(signing.said(each, asker.now_ms))
            heard[kind] = made.taken()
        if afterwards is not None:
            await afterwards(made, whom)
            heard[Kind.GOAWAY] = made.taken()
    return heard
