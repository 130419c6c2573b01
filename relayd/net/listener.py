"""The wire's room: the sockets that devices connect to, from the first to the last moment.

Listening sockets enter; sessions run until they are told to leave. The rules of this file: who is refused costs
nothing but the accept, and a relay that stops says so to everybody and tells each another moment to come back.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from functools import partial
from typing import Final, cast

from relayd.net import ends
from relayd.net.acceptor import Acceptor
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
    """A connection that was let in, until it has a session of its own."""

    __slots__ = ("_listener", "_place", "_rooms", "opened")

    def __init__(self, rooms: Rooms, listener: "Listener", place: bytes) -> None:
        self._rooms = rooms
        self._listener = listener
        self._place = place
        self.opened = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it to its session; nothing has been read or computed yet."""
        transport = cast("asyncio.Transport", transport)
        try:
            session = Session(transport, self._rooms, self._listener.left, self._place)
            transport.set_protocol(session)
            self.opened = True  # from here on the session counts itself out
            gone = self._rooms.admission.entered(self._place, session)
            self._listener.entered(session)
        except Exception:
            transport.abort()  # without a session nobody would end it
            raise
        if gone is not None:
            ends.refused("half_open", self._rooms.counters)
            gone.cut()


class Listener:
    """The device port."""

    __slots__ = ("_acceptor", "_coming", "_empty", "_rooms", "_sessions", "_sockets", "_wheel", "draining")

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._acceptor = Acceptor(self._come, partial(ends.refused, "descriptors", rooms.counters))
        self._coming = 0
        """Connections that were let in and have no session yet."""
        self._sessions: dict[Session, None] = {}  # in the order in which they came: a set's is another in each process
        self._empty = asyncio.Event()
        self._empty.set()
        self._sockets: list[socket.socket] = []
        self.draining = False
        self._wheel: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def _come(self, link: socket.socket, host: str) -> None:
        """Refuse a connection, which then costs nothing but the accept, or let it in."""
        admission, counters = self._rooms.admission, self._rooms.counters
        place = admission.place(host)
        reason = admission.admit(place, self._rooms.clock.monotonic())
        if reason is not None:
            ends.refused(reason, counters)
            ends.reset(link)
            link.close()
            return
        counters.connections_accepted += 1
        counters.connections_open += 1
        self._coming += 1
        self._empty.clear()
        self._rooms.tasks.start(self._let_in(link, place))

    async def _let_in(self, link: socket.socket, place: bytes) -> None:
        door = Door(self._rooms, self, place)
        try:
            link.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: door, link)
        except OSError:
            pass  # it has gone already
        finally:
            self._coming -= 1
            if not door.opened:
                link.close()
                self._rooms.admission.left(place, None)
                self._rooms.counters.connections_open -= 1
            self._note_empty()

    def entered(self, session: Session) -> None:
        """A connection has its session; where the others were sent away meanwhile it goes as well."""
        self._sessions[session] = None
        if not self._acceptor:
            self._send_away([session])

    def left(self, session: Session) -> None:
        """Its socket is gone."""
        self._sessions.pop(session, None)
        self._note_empty()

    def _note_empty(self) -> None:
        if not self._sessions and not self._coming:
            self._empty.set()

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on the sockets, which listen already."""
        self._wheel = asyncio.get_running_loop().create_task(self._rooms.wheel.turn_forever())
        self._sockets = list(sockets)
        for listening in self._sockets:
            # What is accepted has them from here on Linux (tcp(7)). Stock asyncio may leave the first one off, which
            # costs 40 ms a receipt (notes/performance.md).
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_OCTETS_MAX)
            listening.setblocking(False)
            listening.listen(BACKLOG)  # one that was inherited has what its unit says
        self.resume()

    def resume(self) -> None:
        """Accept, from now on or again; does nothing once the end has begun."""
        if self._sockets:
            self._acceptor.start(self._sockets)
            self.draining = False

    def pause(self) -> None:
        """Accept nobody any more, and send everybody away in order. Who comes now waits in the socket's backlog."""
        self.draining = True
        self._acceptor.stop()
        self._send_away(list(self._sessions))

    def _send_away(self, sessions: list[Session]) -> None:
        spread_ms = SPREAD_MS_MIN + SPREAD_MS_EACH * len(self._sessions)
        for session in sessions:
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
