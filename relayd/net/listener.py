"""The wire's room: the sockets that devices connect to, from the first to the last moment.

Listening sockets enter; sessions run until they are told to leave. The rules of this file: who is refused costs
nothing but the accept, and a relay that stops says so to everybody and tells each another moment to come back.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from typing import Final, cast

from relayd.net import ends
from relayd.net.rooms import Rooms
from relayd.net.session import Session
from relayproto.codes import GoawayCode

BACKLOG: Final = 4_096
"""Connections that the kernel keeps for us; Linux caps it at net.core.somaxconn, which is this by default."""
UNSENT_OCTETS_MAX: Final = 64 << 10
"""What the kernel takes of us beside what is on its way. Otherwise it is up to 4 MiB for whoever reads nothing, before
the relay sees that he does; and what is urgent waits behind it."""
SPREAD_MS_MIN: Final = 1_000
SPREAD_MS_EACH: Final = 2
"""A core makes about 1,000 hybrid handshakes a second; after a restart devices come back at half of that."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for every address that ``host`` names; OSError where one cannot be had."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as undo:
        sockets = []
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            listening = undo.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
            listening.setblocking(False)
            sockets.append(listening)
        undo.pop_all()
    return sockets


class Door(asyncio.Protocol):
    """The first moment of a connection: refused, or handed to a session of its own."""

    __slots__ = ("_listener", "_rooms")

    def __init__(self, rooms: Rooms, listener: "Listener") -> None:
        self._rooms = rooms
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse or let in; nothing has been read or computed yet."""
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        counters = self._rooms.counters
        place = self._rooms.admission.place(peer[0]) if peer else b""
        reason = self._rooms.admission.refuse(place, self._rooms.clock.monotonic()) if peer else "connections"
        if reason is not None:
            ends.refused(reason, counters)
            transport.abort()
            return
        counters.connections_accepted += 1
        counters.connections_open += 1
        session = Session(transport, self._rooms, self._listener.left, place)
        gone = self._rooms.admission.entered(place, session)
        if gone is not None:
            ends.refused("half_open", counters)
            gone.cut()
        self._listener.entered(session)
        transport.set_protocol(session)


class Listener:
    """The device port."""

    __slots__ = ("_empty", "_rooms", "_servers", "_sessions", "_sockets", "_wheel", "draining")

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._sessions: dict[Session, None] = {}  # in the order in which they came: a set's is another in each process
        self._empty = asyncio.Event()
        self._empty.set()
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self.draining = False
        self._wheel: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def entered(self, session: Session) -> None:
        """A connection was let in."""
        self._sessions[session] = None
        self._empty.clear()

    def left(self, session: Session) -> None:
        """Its socket is gone."""
        self._sessions.pop(session, None)
        if not self._sessions:
            self._empty.set()

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on the sockets, which listen already."""
        self._wheel = asyncio.get_running_loop().create_task(self._rooms.wheel.turn_forever())
        self._sockets = list(sockets)
        await self.resume()

    async def resume(self) -> None:
        """Accept, from now on or again."""
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            # A copy: closing it ends the accepting, while the socket itself keeps whoever comes in its backlog.
            copy = listening.dup()
            copy.setblocking(False)
            # What is accepted has them from here on Linux (tcp(7)). Stock asyncio may leave the first one off, which
            # costs 40 ms a receipt (notes/performance.md).
            copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_OCTETS_MAX)
            self._servers.append(await loop.create_server(lambda: Door(self._rooms, self), sock=copy, backlog=BACKLOG))
        self.draining = False

    def pause(self) -> None:
        """Accept nobody any more, and send everybody away in order. Who comes now waits in the socket's backlog."""
        self.draining = True
        for server in self._servers:
            server.close()
        self._servers.clear()
        spread_ms = SPREAD_MS_MIN + SPREAD_MS_EACH * len(self._sessions)
        for session in list(self._sessions):
            session.retire(GoawayCode.RESTART, after_ms=int(spread_ms * self._rooms.chance()))

    async def drain(self, timeout_s: float) -> None:
        """Accept nobody any more, send everybody away in order, and cut off who is still there after ``timeout_s``.

        What was taken in is answered before its connection ends, so the store must be open until this returns.
        """
        self.pause()
        while self._sockets:
            self._sockets.pop().close()
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            for session in list(self._sessions):
                session.cut()
            await self._empty.wait()
        await self._rooms.tasks.cancel()
        if self._wheel is not None:
            self._wheel.cancel()
