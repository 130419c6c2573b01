"""A bare device for tests: the protocol's own client connection over asyncio TCP, and nothing that a person needs."""

import asyncio
from typing import TypeVar

from relayproto import identity
from relayproto.codes import Class, Lane, PrekeyKind, Purpose, SubmitFlag
from relayproto.commands import Ack, Credit, Enrol, Hello, Submit, Target, Wrap
from relayproto.connection import ClientConnection
from relayproto.events import Closed, Established, Event, MessageReceived
from relayproto.message import Message
from relayproto.notices import Deliver
from relayproto.replies import Enrolled, Submitted, Welcome
from support.kem import stream
from support.live_relay import DIALLED, KEY_ID, RELAY_PUBLIC
from support.people import Person

M = TypeVar("M")
PLENTY = Credit(1000, 1 << 24)
_entropy = stream("a device's handshakes")


class Line(asyncio.Protocol):
    """One connection of a device. ``expect`` passes over what is of another kind and keeps it in ``passed``."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.passed: list[object] = []
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._now = asyncio.get_running_loop().time
        self.lost = asyncio.Event()
        self.requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        DIALLED.append(transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.connection.receive_data(data, self._now())
        self._pass_on()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.receive_eof(self._now())
        self._pass_on()
        self.lost.set()

    def _pass_on(self) -> None:
        for event in self.connection.events():
            self._events.put_nowait(event)

    def flush(self) -> None:
        self.transport.write(self.connection.data_to_send(self._now()))
        if self.connection.closed:
            self.transport.close()

    def say(self, *messages: Message) -> None:
        """Say messages in one write; each gets the next request number."""
        for message in messages:
            self.requests += 1
            self.connection.send(message, self.requests)
        self.flush()

    async def expect(self, kind: type[M], *, timeout_s: float = 30.0) -> M:
        """Return the next event, or the message in it, of a kind."""
        async with asyncio.timeout(timeout_s):
            while True:
                happened = await self._events.get()
                found = happened.message if isinstance(happened, MessageReceived) else happened
                if isinstance(found, kind):
                    return found
                self.passed.append(found)
                assert not isinstance(found, Closed), found

    async def several(self, kind: type[M], count: int) -> list[M]:
        return [await self.expect(kind) for _ in range(count)]

    async def silence(self, seconds: float = 0.15) -> list[object]:
        """Return what came in the meantime."""
        await asyncio.sleep(seconds)
        came = []
        while not self._events.empty():
            happened = self._events.get_nowait()
            came.append(happened.message if isinstance(happened, MessageReceived) else happened)
        return came

    async def close(self) -> None:
        self.transport.close()
        await self.lost.wait()


async def dial(port: int, connection: ClientConnection) -> Line:
    line = Line(connection)
    await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", port)
    return line


def hello(person: Person, *, credit: Credit = PLENTY, epoch: int = 0, floors: tuple[int, ...] = (0, 0, 0)) -> Hello:
    return Hello(person.account, person.device, person.list.version, epoch, floors, 0, 0, 0, credit, "bare device")


def client(purpose: Purpose, said: Hello | None, static_key: bytes | None, **changes: object) -> ClientConnection:
    arguments = {"relay_key": RELAY_PUBLIC, "key_id": KEY_ID} | changes
    now = asyncio.get_running_loop().time()
    return ClientConnection(purpose=purpose, hello=said, static_key=static_key, entropy=_entropy, now=now, **arguments)


def enrolment(person: Person, ticket: bytes) -> Enrol:
    listed = identity.encode(person.list)
    kinds = (PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT)
    prekeys = tuple(person.prekeys[kind] for kind in kinds)
    return Enrol(ticket, listed, identity.sign_list(person.identity_seed, listed), prekeys)


async def enrol(port: int, person: Person, ticket: bytes) -> Enrolled:
    line = await dial(port, client(Purpose.ENROL, None, None))
    await line.expect(Established)
    line.say(enrolment(person, ticket))
    enrolled = await line.expect(Enrolled)
    await line.close()
    return enrolled


async def connect(port: int, person: Person, **said: object) -> Line:
    """Connect as the device; WELCOME is still to come."""
    return await dial(port, client(Purpose.DEVICE, hello(person, **said), person.dh_private))


async def login(port: int, person: Person, **said: object) -> tuple[Line, Welcome]:
    line = await connect(port, person, **said)
    return line, await line.expect(Welcome)


def submit(
    number: int, *people: Person, class_: Class = Class.CHAT, ttl_s: int = 60, flags: int = SubmitFlag.NONE,
    body: bytes | None = b"sealed", handle: int | None = None,
) -> Submit:  # fmt: skip
    targets = tuple(Target(each.account, each.list.version, (Wrap(each.device, b"wrap"),)) for each in people)
    commitment = b"\x01" + number.to_bytes(32)
    return Submit(number, 0, class_, ttl_s, flags, commitment, body, handle, targets, None)


async def send(line: Line, number: int, *people: Person, **options: object) -> Submitted:
    line.say(submit(number, *people, **options))
    return await line.expect(Submitted)


def ack(epoch: int, floor: int, *, lane: Lane = Lane.NORMAL, credit: Credit = PLENTY) -> Ack:
    return Ack(epoch, lane, floor, (), credit, ())


def number_in(deliver: Deliver) -> int:
    """Return the submission's number that ``submit`` put into the commitment."""
    return int.from_bytes(deliver.commitment[1:])
