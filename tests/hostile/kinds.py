"""What a kind of hostile peer is, where it stands, and how it speaks: bare connections that keep no rule.

Tests run each kind against a real relay; ``bench/hostile.py`` runs all of them together and measures what others feel.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from relayproto import message
from relayproto.codes import Code, GoawayCode, Purpose
from relayproto.commands import Credit, Hello
from relayproto.connection import ClientConnection
from relayproto.events import Closed, Established, MessageReceived
from relayproto.limits import FRAME_BYTES_MAX
from relayproto.message import Message
from relayproto.notices import Drained
from relayproto.replies import NotTaken, Refused, Submitted, Welcome

WAIT_S = 45.0
"""For whatever the relay has to say or do; a busy machine is slow, and a relay that hangs has failed."""
SOME = Credit(64, 1 << 20)
UNSENT_OCTETS_MAX = 1 << 17
"""A flood waits for the relay to read; what it has in memory itself says nothing."""


NARROW_OCTETS = 4096


class Place(NamedTuple):
    """Where a relay is, and by which key it is known."""

    port: int
    key_id: int
    relay_key: bytes


class Member(NamedTuple):
    """An account with one device; whoever has its keys is that device."""

    account: bytes
    device: int
    dh_private: bytes
    sign_seed: bytes
    address: str


@dataclass
class Stand:
    """Where one hostile peer stands: its source address, its account where its kind has one, whom it is after."""

    place: Place
    source: str
    victim: Member
    """Somebody honest, who is there."""
    away: Member
    """Somebody honest, who is away."""
    root: bytes
    """The fingerprint of the relay's root, which acts name."""
    member: Member | None = None
    said: Counter[Code | GoawayCode] = field(default_factory=Counter)
    """What the relay refused by, as the peers have heard it."""

    @property
    def account(self) -> Member:
        assert self.member is not None, "this kind needs an account"
        return self.member


class Wire(asyncio.Protocol):
    """A connection that says any bytes. ``ended`` is set when it is gone, ``room`` while not much waits to be sent."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.came = bytearray()
        self.ended = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(UNSENT_OCTETS_MAX)

    def data_received(self, data: bytes) -> None:
        self.came += data

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        self.room.set()

    def write(self, octets: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(octets)

    async def end(self) -> None:
        """Wait until the relay has hung up."""
        async with asyncio.timeout(WAIT_S):
            await self.ended.wait()

    def close(self) -> None:
        self.transport.abort()


W = TypeVar("W", bound=Wire)


class Talk(Wire):
    """A connection with a real handshake, after which anything may be said. What it hears is counted."""

    def __init__(self, stand: Stand, connection: ClientConnection) -> None:
        super().__init__(stand)
        self.connection = connection
        self.sent = bytearray()
        self.told = asyncio.Event()
        """Something was heard since it was last cleared."""
        self.open = False
        self.closed: Closed | None = None
        self.answers = 0
        self.epoch = self.ledger = self.now_ms = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.connection.receive_data(data, 0.0)
        for event in self.connection.events():
            self._heard(event)
        self.told.set()
        self.flush()

    def _heard(self, event: object) -> None:
        match event:
            case Established():
                self.open = self.connection.purpose is Purpose.ENROL
            case MessageReceived(_, Welcome() as said):
                self.epoch, self.ledger, self.now_ms = said.epoch, said.ledger_floor, said.now_ms
            case MessageReceived(_, Drained()):
                self.open = True
            case MessageReceived(_, (Refused() | NotTaken()) as said):
                self.answers += 1
                self.stand.said[said.code] += 1
            case MessageReceived(_, Submitted() as said):
                self.answers += 1
                self.stand.said.update(code for code in said.codes if code)
            case MessageReceived():
                self.answers += 1
            case Closed(code, by_peer=True):
                self.closed = event
                if code is not None:
                    self.stand.said[code] += 1

    def flush(self) -> None:
        octets = self.connection.data_to_send(0.0)
        self.sent += octets[: FRAME_BYTES_MAX - len(self.sent)]
        self.write(octets)
        if self.connection.closed:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has been heard, or until the relay has hung up."""
        async with asyncio.timeout(WAIT_S):
            while not condition() and not self.ended.is_set():
                self.told.clear()
                await self.told.wait()

    def say(self, *said: Message) -> None:
        for each in said:
            self.frame(message.encode(each, 1))

    def frame(self, *frames: bytes) -> None:
        """Say frames as they are, in as few records as hold them."""
        if self.connection.open:
            for octets in frames:
                self.connection.send_frames((octets,))
            self.flush()

    async def ask(self, *said: Message) -> None:
        """Say something and wait for as many answers."""
        wanted = self.answers + len(said)
        self.say(*said)
        await self.until(lambda: self.answers >= wanted)


async def knock(stand: Stand) -> Wire:
    """Open a connection from where one stands, and say nothing yet."""
    return await _dialled(Wire(stand))


async def _dialled(wire: W, *, narrow: bool = False) -> W:
    link = socket.socket()
    link.setblocking(False)
    if narrow:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_OCTETS)
    link.bind((wire.stand.source, 0))
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(link, ("127.0.0.1", wire.stand.place.port))
    except BaseException:
        link.close()
        raise
    await loop.create_connection(lambda: wire, sock=link)
    return wire


async def entrance(stand: Stand) -> Talk:
    """Open an enrolment connection."""
    return await _talk(stand, Purpose.ENROL, None, None)


async def login(stand: Stand, credit: Credit = SOME, *, narrow: bool = False) -> Talk:
    """Log in as one's own device, as far as DRAINED or a refusal; ``narrow``: able to take little at a time."""
    who = stand.account
    said = Hello(who.account, who.device, 1, 0, (0, 0, 0), 0, 0, 0, credit, "mallory")
    return await _talk(stand, Purpose.DEVICE, said, who.dh_private, narrow=narrow)


async def _talk(
    stand: Stand, purpose: Purpose, hello: Hello | None, static_key: bytes | None, *, narrow: bool = False
) -> Talk:
    connection = ClientConnection(
        purpose=purpose, relay_key=stand.place.relay_key, key_id=stand.place.key_id, hello=hello,
        static_key=static_key, entropy=os.urandom, now=0.0,
    )  # fmt: skip
    talk = await _dialled(Talk(stand, connection), narrow=narrow)
    await talk.until(lambda: talk.open)
    return talk


Act = Callable[[Stand], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """One way to be hostile. ``act`` is one bout of it, which ends by itself."""

    name: str
    story: str
    act: Act
    counted: str
    """The series of ``/metrics`` that grows by it."""
    refusal: Code | GoawayCode | None = None
    """What the peer hears; None where nothing is said to it, or nothing that it does is refused."""
    enrolled: bool = False
    """Whether it has an account."""
    peers: int = 4
    """How many of them a test lets loose at a time."""
