"""Links between devices and the relay, in memory: what a bad network does to TCP, from one seed.

Bytes enter a pipe and come out whole and in order, split anywhere and late - or not at all any more. The rules of this
file: what TCP promises holds (order, no byte lost before a byte that comes); everything else may fail: a link stalls,
is cut at both ends at different times, or goes silent while both ends believe in it.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sim.loop import PROCESS, Listening, Process, VirtualLoop

HIGH_OCTETS = 64 << 10
FLYING_OCTETS_MAX = 48 << 10
"""What the kernels and the network take before the sender has to keep it."""
PIECES_MAX = 60
"""So many of a link's chunks are split: by then every state of a reader was cut in two, and the rest costs time."""
RESET_S_MAX = 3.0
CONNECT_S_MAX = 120.0


class NoSocket:
    """A socket that was bound elsewhere, or accepted: what the relay asks of one."""

    def __init__(self, name: str, pipe: "Pipe | None" = None) -> None:
        self.name = name
        self.pipe = pipe
        self.backlog: deque[Pipe] = deque()

    def accept(self) -> tuple["NoSocket", tuple[str, int]]:
        if not self.backlog:
            raise BlockingIOError
        pipe = self.backlog.popleft()
        return NoSocket("accepted", pipe), (pipe.get_extra_info("peername")[0], 0)

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.1", 7443)

    def setblocking(self, _: bool) -> None:
        pass

    def listen(self, _: int) -> None:
        pass

    def setsockopt(self, *_: object) -> None:
        pass

    def close(self) -> None:
        if self.pipe is not None:
            self.pipe.abort()


class Link:
    """How one connection is treated; both directions share it."""

    def __init__(self, number: int, delay_s: float, chunk_max: int) -> None:
        self.number = number
        self.delay_s = delay_s
        self.chunk_max = chunk_max
        self.pieces = 0
        self.stalled_until = 0.0
        self.silent = False
        self.ends: tuple[Pipe, Pipe]

    @property
    def open(self) -> bool:
        return not (self.ends[0].lost and self.ends[1].lost)


class Pipe(asyncio.Transport):
    """One end: it is the transport of its protocol, and knows its peer's."""

    def __init__(self, network: "Network", link: Link, place: str) -> None:
        super().__init__()
        self._network = network
        self._link = link
        self._place = place
        self._loop = network.loop
        self.context = contextvars.copy_context()
        self.process: Process = PROCESS.get()
        self.protocol: Any = None
        self.peer: Pipe
        self._kept: deque[bytes] = deque()
        self._kept_octets = 0
        self._flying = 0
        self._arrives = 0.0
        self._coming: deque[bytes | None] = deque()
        self._arrived: deque[bytes | None] = deque()
        self._high = HIGH_OCTETS
        self._paused_writing = False
        self._reading = True
        self._closing = False
        self._ended = False
        self._end_sent = False
        self.lost = False

    # --- asyncio's side ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self._place, 4242), "socket": NoSocket("pipe")}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_OCTETS if high is None else high

    def get_write_buffer_size(self) -> int:
        return self._kept_octets

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: Any) -> None:
        if self.lost or self._closing or not data:
            return
        assert not self._ended, "written after its end"
        self._kept.append(bytes(data))
        self._kept_octets += len(data)
        self._push()
        if self._kept_octets > self._high and not self._paused_writing:
            self._paused_writing = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self._ended = True
        self._push()

    def pause_reading(self) -> None:
        assert self._reading, "paused twice"
        self._reading = False

    def resume_reading(self) -> None:
        assert not self._reading, "resumed twice"
        self._reading = True
        self._loop.call_soon(self._take, context=self.context)

    def close(self) -> None:
        if self._closing or self.lost:
            return
        self._closing = True
        self._ended = True
        self._reading = True
        self._push()
        if not self._kept:
            self._loop.call_soon(self._lose, None, context=self.context)

    def abort(self) -> None:
        if self.lost:
            return
        self._closing = True
        self.reset_peer()
        self._loop.call_soon(self._lose, None, context=self.context)

    # --- the network's side ---

    def reset_peer(self) -> None:
        """Let the other end learn, after a while and after what is under way, that this one is gone."""
        self._kept.clear()
        self._kept_octets = 0
        if not self._link.silent and not self.peer.lost:
            late_s = self._network.rng.choice((0.0, 0.0, 0.1, RESET_S_MAX)) + self._link.delay_s
            when = max(self._loop.now + late_s, self._arrives if self._network.rng.random() < 0.5 else 0.0)
            self._loop.call_at(when, self.peer.broken, context=self.peer.context)

    def accepted(self, factory: Callable[[], Any]) -> None:
        """Give this end, which somebody has accepted, its protocol; it may have been lost meanwhile."""
        self.protocol = factory()
        self.protocol.connection_made(self)
        if self.lost:
            self._loop.call_soon(self.protocol.connection_lost, ConnectionResetError("reset"), context=self.context)
        else:
            self.resume_reading()

    def broken(self) -> None:
        """Lose the connection at this end."""
        self._lose(ConnectionResetError("reset"))

    def _push(self) -> None:
        """Give the network what it takes."""
        network, link = self._network, self._link
        while self._kept and self._flying < FLYING_OCTETS_MAX:
            octets = self._kept.popleft()
            size = len(octets)
            if link.chunk_max and link.pieces < PIECES_MAX:
                size = min(size, network.rng.randint(1, link.chunk_max))
                link.pieces += 1
            if size < len(octets):
                self._kept.appendleft(octets[size:])
            self._kept_octets -= size
            self._send(octets[:size])
        if self._ended and not self._kept and not self._end_sent:
            self._end_sent = True
            self._send(None)

    def _send(self, octets: bytes | None) -> None:
        self._flying += len(octets or b"")
        link, rng = self._link, self._network.rng
        late_s = link.delay_s * (0.5 + rng.random()) if link.delay_s else 0.0
        self._arrives = max(self._arrives, self._loop.now + late_s, link.stalled_until)
        if not link.silent:
            self.peer._coming.append(octets)
            self._loop.call_at(self._arrives, self.peer._arrive, context=self.peer.context)

    def hurry(self) -> None:
        """Let what is under way to this end arrive now."""
        self.peer._arrives = self._loop.now
        for _ in self._coming:
            self._loop.call_at(self._loop.now, self._arrive, context=self.context)

    def _arrive(self) -> None:
        link = self._link
        if link.silent or not self._coming:  # it was hurried
            return
        if self.lost:
            # Nobody is here any more, and the kernel says so.
            self._loop.call_at(self._loop.now + link.delay_s, self.peer.broken, context=self.peer.context)
            return
        if link.stalled_until > self._loop.now:
            self._loop.call_at(link.stalled_until, self._arrive, context=self.context)
            return
        self._arrived.append(self._coming.popleft())
        self._take()

    def _take(self) -> None:
        while self._arrived and self._reading and not self.lost and not (self._closing and self.protocol is None):
            octets = self._arrived.popleft()
            if octets is None:
                self._end_of_peer()
                return
            self._network.carried(link=self._link.number, to=self.process.name, octets=len(octets))
            self.peer._landed(len(octets))
            if not self._closing:
                self.protocol.data_received(octets)

    def _end_of_peer(self) -> None:
        if not self._closing and not self.protocol.eof_received():
            self.close()

    def _landed(self, octets: int) -> None:
        self._flying -= octets
        if self.process.alive and not self.lost:
            self._loop.call_soon(self._room, context=self.context)

    def _room(self) -> None:
        if self.lost:
            return
        self._push()
        if self._paused_writing and self._kept_octets <= self._high // 4:
            self._paused_writing = False
            self.protocol.resume_writing()
        if self._closing and not self._kept:
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self.lost:
            return
        self.lost = True
        self._closing = True
        self._kept.clear()
        self._kept_octets = 0
        self._arrived.clear()
        if not self.process.alive:
            return
        if self.protocol is not None:
            self.protocol.connection_lost(error)

    def died(self) -> None:
        """Its process has ended: the kernel says so to the other end, unless the machine is gone as well."""
        if self.lost:
            return
        how = self._network.rng.choice(("reset", "end", "silence"))
        self.lost = True
        if how == "silence":
            self._link.silent = True
        elif how == "end" and not self._end_sent:
            while self._kept:
                self._send(self._kept.popleft())
            self._send(None)
        else:
            self.reset_peer()


@dataclass(slots=True)
class Door:
    """Where somebody accepts."""

    sock: NoSocket
    callback: Callable[[], None]
    context: contextvars.Context
    process: Process


class Network:
    """Who listens where, and all links. ``carried`` is told of every chunk that came."""

    def __init__(self, loop: VirtualLoop, rng: Random, carried: Callable[..., None]) -> None:
        self.loop = loop
        self.rng = rng
        self.carried = carried
        self.links: list[Link] = []
        self.made = 0
        self.down = False
        """Nobody can connect, and nobody is told."""
        self.delays: tuple[float, ...] = (0.0, 0.02)
        self.chunks: tuple[int, ...] = (0,)
        self._doors: dict[str, Door] = {}

    def listen(self, sock: NoSocket) -> Listening:
        """Let somebody listen whom nobody ever visits: the machine's own Prometheus is not here."""
        PROCESS.get().at_death.append(sock.close)
        return Listening(sock.close)

    def watch(self, sock: object, callback: Callable[[], None]) -> None:
        """Call back, as often as the loop turns, while somebody waits to be accepted; nothing else is ever ready."""
        if not isinstance(sock, NoSocket):
            return
        door = self._doors[sock.name] = Door(sock, callback, contextvars.copy_context(), PROCESS.get())
        door.process.at_death.append(lambda: self._shut(door))
        self._knock(door)

    def unwatch(self, sock: object) -> None:
        """Leave who comes where he is."""
        if isinstance(sock, NoSocket) and sock.name in self._doors:
            self._shut(self._doors[sock.name])

    def _shut(self, door: "Door") -> None:
        if self._doors.get(door.sock.name) is door:
            del self._doors[door.sock.name]

    def _knock(self, door: "Door") -> None:
        if door.sock.backlog and self._doors.get(door.sock.name) is door:
            self.loop.call_soon(self._turn, door, context=door.context)

    def _turn(self, door: "Door") -> None:
        if self._doors.get(door.sock.name) is door:
            door.callback()
            self._knock(door)

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """Make a connection to the devices' door."""
        del host, port
        await asyncio.sleep(self.rng.choice(self.delays))
        if self.down:
            await asyncio.sleep(CONNECT_S_MAX)
        door = self._doors.get("devices")
        if door is None:
            raise ConnectionRefusedError("nobody listens")
        self.made += 1
        link = Link(self.made, self.rng.choice(self.delays), self.rng.choice(self.chunks))
        ours = Pipe(self, link, "192.0.2.1")
        theirs = door.context.run(Pipe, self, link, f"198.51.100.{self.made % 200}")
        ours.peer, theirs.peer = theirs, ours
        link.ends = (ours, theirs)
        self.links = [each for each in self.links if each.open]
        self.links.append(link)
        for end in link.ends:
            end.process.at_death.append(end.died)
        theirs.pause_reading()
        door.sock.backlog.append(theirs)
        if len(door.sock.backlog) == 1:
            self._knock(door)
        ours.protocol = factory()
        ours.protocol.connection_made(ours)
        return ours, ours.protocol

    def cut(self, link: Link) -> None:
        """Break a link: both ends learn it, each in its time."""
        silent, link.silent = link.silent, True
        for end in link.ends:
            if not end.lost and not silent:
                late_s = self.rng.choice((0.0, 0.05, RESET_S_MAX))
                self.loop.call_at(self.loop.now + late_s, end.broken, context=end.context)

    def stall(self, link: Link, seconds: float) -> None:
        """Let nothing through for a while."""
        link.stalled_until = max(link.stalled_until, self.loop.now + seconds)

    def flow(self, link: Link) -> None:
        """Delay and stall nothing any more, and what is under way neither."""
        link.stalled_until = link.delay_s = 0.0
        for end in link.ends:
            end.hurry()

    def silence(self, link: Link) -> None:
        """Let nothing through any more, and tell nobody: half-open."""
        link.silent = True
