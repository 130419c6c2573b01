"""The contract: what both sides of a connection share - records, ends, and the deadlines of an open one.

Bytes and the time enter; events, bytes and a deadline leave. The rules of this file: the peer never raises - what it
does wrong becomes the event Closed and a last GOAWAY in ``data_to_send``; only our own misuse raises
LocalProtocolError; and after every ``receive_*``, ``send``, ``goaway`` and ``handle_timeout`` the driver takes
``events()`` and ``data_to_send()``.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from relayproto import frame, message
from relayproto.channel import Channel
from relayproto.codes import GoawayCode, Kind, Purpose
from relayproto.errors import LocalProtocolError, RemoteProtocolError
from relayproto.events import Closed, Event
from relayproto.limits import CONNECTION_LIFETIME_S, ENROL_TIMEOUT_S, PING_AFTER_S, PONG_TIMEOUT_S
from relayproto.message import Message
from relayproto.noise import HandshakeState
from relayproto.notices import EITHER, Goaway, Ping, Pong
from relayproto.record import RecordBuffer
from relayproto.states import State, Step, after

_COMEBACK_AFTER_FAULT_MS = 30_000
"""A fault may be a broken wire, so coming back is allowed; half a minute keeps a broken client from hammering."""


class Connection(ABC):
    """What both sides share: the record layer, the ends, the deadlines of an open connection."""

    __slots__ = (
        "_buffer",
        "_channel",
        "_events",
        "_frames",
        "_heard",
        "_kinds",
        "_pinged",
        "_raw",
        "_until",
        "empty",
        "purpose",
        "state",
    )

    def __init__(self, state: State, now: float, until: float) -> None:
        self.state = state
        self.purpose: Purpose | None = None
        self._buffer = RecordBuffer()
        self._raw: list[bytes] = []
        self._events: list[Event] = []
        self._channel: Channel | None = None
        self._kinds: Mapping[int, type[Message]] = {}
        """The messages that the peer may say now, by kind."""
        self._frames: Iterator[tuple[int, bytes]] | None = None
        self.empty = 0
        """Frames that asked for nothing: PING, PONG and kinds that nobody knows. Whoever looks may set it back."""
        self._heard = now
        self._pinged = False
        self._until = until

    @property
    def open(self) -> bool:
        """Whether frames may be sent."""
        return self.state is State.OPEN

    @property
    def closed(self) -> bool:
        """Whether the driver closes the byte pipe, once it has written what ``data_to_send`` gives."""
        return self.state is State.CLOSED

    def events(self) -> list[Event]:
        """Return what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def send(self, said: Message, request: int = 0) -> None:
        """Queue one message. Raises LocalProtocolError where the state does not allow it."""
        self.send_frames((message.encode(said, request),))

    def send_frames(self, frames: Iterable[bytes]) -> None:
        """Queue frames that are encoded already."""
        if self._channel is None or self.state is not State.OPEN:
            raise LocalProtocolError(f"nothing can be said on a connection that is {self.state.value}")
        self._channel.queue += frames

    @property
    def waiting(self) -> bool:
        """Whether ``data_to_send`` would give anything."""
        return bool(self._raw) or (self._channel is not None and bool(self._channel.queue))

    def data_to_send(self, now: float) -> bytes:
        """Return the bytes to write now: all that was queued, in as few records as hold it."""
        raw, self._raw = self._raw, []
        if self._channel is not None and self._channel.queue:
            raw.append(self._channel.seal(now))
        return b"".join(raw)

    def goaway(self, code: GoawayCode, *, reconnect: bool, after_ms: int = 0) -> None:
        """End the connection in order; before the handshake is done nothing is said. Does nothing on a closed one."""
        if self.state is not State.CLOSED:
            self._end(Step.GOAWAY, Closed(code, reconnect, after_ms, by_peer=False, detail=code.name), say=True)

    def receive_eof(self, now: float) -> None:
        """The byte pipe ended."""
        self._heard = now
        if self.state is not State.CLOSED:
            self._end(Step.END, Closed(None, reconnect=True, after_ms=0, by_peer=True, detail="the pipe ended"))

    def receive_data(self, octets: bytes, now: float) -> None:
        """Take bytes from the peer, and all that they say; whatever they are, this does not raise."""
        self.keep_octets(octets, now)
        while self.advance(now):
            pass

    def keep_octets(self, octets: bytes, now: float) -> None:
        """Keep bytes from the peer; what they say is taken by ``advance``, in parts, where others wait too."""
        if not self.closed:
            self._heard, self._pinged = now, False
            self._buffer.feed(octets)

    def advance(self, now: float, frames_max: int = sys.maxsize) -> bool:
        """Take a handshake message or at most so many frames; return whether there may be more. This does not raise."""
        if self.closed:
            return False
        try:
            return self._advance(now, frames_max)
        except RemoteProtocolError as error:
            self._fail(error)
            return False

    def next_deadline(self) -> float | None:
        """Return when ``handle_timeout`` is due, in the time that ``now`` counts; None for a closed connection."""
        if self.state is State.CLOSED:
            return None
        if self.state is not State.OPEN:
            return self._until
        silent = self._heard + PING_AFTER_S + (PONG_TIMEOUT_S if self._pinged else 0.0)
        return min(silent, self._until)

    def handle_timeout(self, now: float) -> None:
        """Do what a deadline asks for; does nothing before it."""
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return
        if now >= self._until:
            self._expired()
        elif self._pinged:
            closed = Closed(GoawayCode.IDLE, reconnect=True, after_ms=0, by_peer=False, detail="no answer to PING")
            self._end(Step.TIMEOUT, closed, say=True)
        else:
            self._pinged = True
            self.send(Ping())

    def _expired(self) -> None:
        """The state lasted too long: a handshake that is not finished, or an open connection's whole life."""
        renew = self.state is State.OPEN and self.purpose is not Purpose.ENROL
        code = GoawayCode.RENEW if renew else GoawayCode.TIMEOUT
        closed = Closed(code, self.purpose is not Purpose.ENROL, after_ms=0, by_peer=False, detail=code.name)
        self._end(Step.TIMEOUT, closed, say=True)

    @abstractmethod
    def _advance(self, now: float, frames_max: int) -> bool:
        """Take one unit out of the buffer; return whether there was one. A closed connection has none."""

    def _establish(self, handshake: HandshakeState, step: Step, now: float) -> None:
        send, receive = handshake.split()
        bulk = self.purpose is Purpose.BULK
        self._channel = Channel(send, receive, bulk=bulk, now=now)
        self.state = after(self.state, step)
        self._until = now + (ENROL_TIMEOUT_S if self.purpose is Purpose.ENROL else CONNECTION_LIFETIME_S)

    def _advance_record(self, frames_max: int) -> bool:
        frames = self._frames
        if frames is None:
            channel, record = self._channel, self._buffer.next_record(bulk=self.purpose is Purpose.BULK)
            if channel is None or record is None:
                return False
            frames = self._frames = channel.open(record)
        left = frames_max
        for number, octets in frames:
            kind = self._kinds.get(number)
            if kind is not None:
                self._received(*message.requested(kind, octets))
            else:
                self._receive_other(number, octets)
            left -= 1
            if not left or self.state is State.CLOSED:
                return self.state is not State.CLOSED
        self._frames = None
        return self._buffer.begun

    def _receive_other(self, number: int, octets: bytes) -> None:
        if number in EITHER and (self.open or number == Kind.GOAWAY):
            self._receive_either(*message.requested(EITHER[number], octets))
        else:
            self.empty += 1
            self._receive_unknown(frame.decode(octets).request)

    def _receive_either(self, request: int, said: Message) -> None:
        match said:
            case Goaway(code, reconnect, after_ms):
                closed = Closed(code, reconnect, after_ms, by_peer=True, detail="the peer went away")
                self._end(Step.GOAWAY, closed)
            case Ping() if self._channel is not None:
                self.empty += 1
                self._channel.queue.append(message.encode(Pong(), request))
            case _:
                self.empty += 1  # PONG: that something came was noted when its bytes came

    @abstractmethod
    def _received(self, request: int, said: Message) -> None:
        """Take a message that the peer may say now: the event MessageReceived."""

    @abstractmethod
    def _receive_unknown(self, request: int) -> None:
        """Take a frame of a kind that the peer may not say now or that nobody knows (spec 30 §5)."""

    def _fail(self, error: RemoteProtocolError) -> None:
        closed = Closed(error.code, True, _COMEBACK_AFTER_FAULT_MS, by_peer=False, detail=error.detail)
        self._end(Step.FAULT, closed, say=True)

    def _end(self, step: Step, closed: Closed, *, say: bool = False) -> None:
        if say and self._channel is not None and closed.code is not None:
            self._channel.queue.append(message.encode(Goaway(closed.code, closed.reconnect, closed.after_ms)))
        self.state = after(self.state, step)
        self._buffer = RecordBuffer()
        self._frames = None
        self._events.append(closed)
