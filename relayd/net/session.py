"""The wire's room: one connection, between asyncio and the sans-I/O connection.

Bytes, deadlines and the ends of the pipe enter; bytes leave, once a turn. The rules of this file: the peer never
raises into the loop; nothing of a peer is read for which there is no room; and how a connection ends is said on it
before it ends (spec 20 §7).
"""

import asyncio
from collections.abc import Callable
from typing import Final, assert_never, cast

from relayd.delivery.pump import Pump, Want
from relayd.domain.answers import Login
from relayd.domain.refusals import Fault, Refusal
from relayd.net import ends
from relayd.net.outbox import Hold, Outbox
from relayd.net.rooms import Rooms
from relayd.net.router import ABUSE_AFTER_MS, FAULT_AFTER_MS, Router
from relayd.net.shares import FRAMES_AT_ONCE_MAX, Share
from relayd.net.turn import Alarm
from relayproto.codes import Code, GoawayCode, Purpose
from relayproto.commands import Ack, DeviceCommand, EnrolCommand, Hello, Submit
from relayproto.connection import RelayConnection
from relayproto.errors import LocalProtocolError, RemoteProtocolError
from relayproto.events import Closed, DescriptorReceived, EnrolmentOpened, Established, HelloReceived, MessageReceived
from relayproto.message import Message
from relayproto.replies import Enrolled, Refused

INTAKE_WAIT_S: Final = 2.0
"""How long a submission waits for room before it is not taken: by then it is no burst, but a slow disk or too much."""
_NEVER: Final = float("inf")


class Session(asyncio.Protocol):
    """One connection's driver. ``left`` is called once, when the socket is gone; ``place`` is what admission gave."""

    __slots__ = ("_alarm", "_connection", "_held", "_left", "_marked", "_outbox", "_place", "_retiring", "_rooms",
                 "_router", "_share", "_static_key", "_wait_until", "_working")  # fmt: skip

    def __init__(
        self, transport: asyncio.Transport, rooms: Rooms, left: Callable[["Session"], None], place: bytes
    ) -> None:
        now = rooms.clock.monotonic()
        self._rooms = rooms
        self._left = left
        self._place = place
        self._connection = RelayConnection(
            keys=rooms.keys, suites=rooms.suites, descriptor=rooms.descriptor, entropy=rooms.entropy, now=now
        )
        limits = rooms.limits
        self._outbox = Outbox(transport, octets_max=limits.outbox_bytes_max, timeout_s=limits.write_timeout_s)
        self._alarm = Alarm(rooms.wheel)
        self._router: Router | None = None
        self._held: list[MessageReceived] = []  # an empty deque is 600 bytes, times 10,000 connections
        self._wait_until: float | None = None
        self._retiring: tuple[GoawayCode, int] | None = None
        self._static_key = b""
        self._share = Share(self._outbox, now)
        self._marked = self._working = False
        self._set_alarm()

    # --- asyncio's and the shares' side ---

    def data_received(self, data: bytes) -> None:
        """Keep bytes; what they ask for happens now or in its turn, and is answered at the end of that turn."""
        self._rooms.counters.bytes_in += len(data)
        self._outbox.received += len(data)
        self._connection.keep_octets(data, self._rooms.clock.monotonic())
        self._rooms.shares.enter(self, self._share, self._place)
        self._rooms.store.hurry()

    def eof_received(self) -> bool:
        """The peer closed its side; return whether ours stays open until it is its turn to be closed."""
        if waits := self._outbox.end():
            self._rooms.exits.enter(self)
        return waits

    def pause_writing(self) -> None:
        """More is waiting for the peer than the bound allows."""
        self._outbox.slow(self._rooms.clock.monotonic())
        self._set_alarm()

    def resume_writing(self) -> None:
        """The peer has read."""
        self._outbox.flowing()
        self.speak()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why the pipe broke changes nothing
        """The socket is gone: forget everything but what is under way in the store."""
        now = self._rooms.clock.monotonic()
        self._outbox.lost()
        self._connection.receive_eof(now)
        self._take_events()
        self._alarm.clear(self)
        # Each holds the other, and thousands come and go: nobody is to wait for the collector (40 ms at a time).
        router, self._router = self._router, None
        if router is not None and router.gone() and not (self._outbox.aborted or self._outbox.ended):
            self._rooms.desk.logins.ended_badly(self._static_key, now)
        self._rooms.admission.left(self._place, self)
        self._rooms.counters.connections_open -= 1
        self._left(self)

    def resume(self) -> None:
        """Take what was held back, and what has come behind it, when it is our turn."""
        if self._held and not self._working:
            self._rooms.shares.line_up(self, self._share, self._place)

    def take(self) -> bool:
        """Take a part of what came; return whether there is more that can be taken now."""
        try:
            return self._take()
        except Exception as error:  # noqa: BLE001 - the others that wait are to have their turn
            self._rooms.incident(error, "take")
            self.cut()
            return False

    def _take(self) -> bool:
        if self._held:
            self._work()
        if self._held:
            return False
        more = self._connection.advance(self._rooms.clock.monotonic(), FRAMES_AT_ONCE_MAX)
        self._take_events()
        if self._connection.empty:
            self._share.frames += self._connection.empty
            self.waste(self._connection.empty)
            self._connection.empty = 0
        # Most of what comes has its answer after a commit: no flush for nothing. Deadlines only moved to later.
        if self._connection.waiting or self._connection.closed:
            self.speak()
        return more and not self._held

    # --- the turn's and the wheel's side ---

    def exit(self) -> None:
        """Close our side, since the peer has closed its own."""
        self._outbox.finish(now := self._rooms.clock.monotonic())
        self._connection.receive_eof(now)
        self._take_events()
        self.speak()

    def flush(self, now_ms: int, now: float) -> None:
        """Say everything that there is to say, in one write."""
        self._marked = False
        if self._outbox.gone:
            return
        try:
            self._flush(now_ms, now)
        except Exception as error:  # noqa: BLE001 - the other connections of this turn still want to speak
            self._rooms.incident(error, "flush")
            self.cut()

    def _flush(self, now_ms: int, now: float) -> None:
        router = self._router
        if router is not None and self._connection.open:
            self._pump(router, now_ms, now)
        if octets := self._connection.data_to_send(now):
            self._rooms.counters.bytes_out += len(octets)
            self._outbox.write(octets)
        if self._connection.closed:
            self._outbox.close(now)
        elif router is not None and router.pump.ready and self._outbox.room > 0:
            self.speak()
        self._set_alarm()

    def _pump(self, router: Router, now_ms: int, now: float) -> None:
        if router.pump.idle or (room := self._outbox.room) <= 0:
            return
        frames = router.pump.fill(room, now_ms, now)
        self._connection.send_frames(frames)
        self._rooms.counters.frames_out += len(frames)
        if (want := router.pump.want()) is not None:
            self._rooms.tasks.start(self._page(router, want))

    async def _page(self, router: Router, want: Want) -> None:
        try:
            page = await self._rooms.store.page(router.seat.row, want.lane, want.after, want.messages, want.octets)
        except Fault as fault:
            self.leave(GoawayCode.BUSY, reconnect=True, after_ms=fault.retry_after_ms)
        except Exception as error:  # noqa: BLE001 - the border where our own mistakes end
            self._incident(error, "page")
        else:
            router.pump.paged(want, page)
            self.speak()

    def overdue(self, now: float) -> None:
        """Do what deadlines have come for; a mistake of ours must not keep the wheel from turning for the others."""
        self._alarm.rang()
        try:
            self._overdue(now)
        except Exception as error:  # noqa: BLE001 - as above
            self._rooms.incident(error, "deadline")
            self.cut()

    def _overdue(self, now: float) -> None:
        ended = self._connection.closed
        if self._outbox.overdue(now):
            self._rooms.counters.write_aborts += not ended
            return
        self._connection.handle_timeout(now)
        if self._router is not None and self._connection.open:
            self._router.overdue(now)
        if self._wait_until is not None and now >= self._wait_until:
            self._wait_until = None
            self._work(patient=False)
            self._rooms.shares.enter(self, self._share, self._place)
        self._take_events()
        self.speak()

    def _set_alarm(self) -> None:
        router = None if self._router is None else self._router.next_deadline()
        deadlines = (self._connection.next_deadline(), self._outbox.next_deadline(), self._wait_until, router)
        self._alarm.set(self, min([_NEVER if deadline is None else deadline for deadline in deadlines]))

    # --- the connection's side ---

    def _take_events(self) -> None:
        frames, held = 0, self._held
        for event in self._connection.events():
            match event:
                case MessageReceived():
                    frames += 1
                    if self._connection.purpose is Purpose.ENROL:
                        self._rooms.tasks.start(self._enter(event.request, cast("EnrolCommand", event.message)))
                    else:
                        held.append(event)
                case HelloReceived(hello, static_key):
                    self._rooms.tasks.start(self._login(hello, static_key))
                case EnrolmentOpened():
                    self._rooms.counters.handshakes_ok += 1
                case Closed():
                    self._ended(event)
                case Established() | DescriptorReceived():
                    raise LocalProtocolError("an event of the client's side")
                case _ as never:
                    assert_never(never)
        self._share.frames += frames
        self._rooms.counters.frames_in += frames
        if frames and held:
            self._work()

    def _work(self, *, patient: bool = True) -> None:
        """Do what the device has asked, as far as there is room; who is not ``patient`` is told where there is none."""
        router = self._router
        if router is None or self._working:
            return
        self._working = True
        done, now = 0, self._rooms.clock.monotonic()
        try:
            while done < len(self._held) and self._retiring is None:
                event = self._held[done]  # what is left of a connection that ends here was forgotten as it ended
                command = cast("DeviceCommand", event.message)
                if not router.route(event.request, command, now, patient=patient):
                    self._wait(now, command, router)
                    return
                done += 1
            self._wait_until = None
            self._outbox.release(Hold.WORK)
        except RemoteProtocolError as error:
            self.leave(error.code, reconnect=True, after_ms=FAULT_AFTER_MS)
        except Exception as error:  # noqa: BLE001 - the border where our own mistakes end
            self._incident(error, "command")
        finally:
            del self._held[:done]
            self._working = False

    def _wait(self, now: float, command: DeviceCommand, router: Router) -> None:
        self._outbox.hold(Hold.WORK)
        if isinstance(command, Submit | Ack) and not router.pending:  # else ``settled`` will come
            self._rooms.gate.wait(self)
        if isinstance(command, Submit) and self._wait_until is None:
            self._wait_until = now + INTAKE_WAIT_S
            self._set_alarm()

    async def _login(self, hello: Hello, static_key: bytes) -> None:
        try:
            if self._connection.purpose is not Purpose.DEVICE:
                raise Refusal(Code.UNSUPPORTED)  # noqa: TRY301 - refused like every other HELLO
            login = await self._rooms.desk.logins.login(hello, static_key, self._rooms.clock.monotonic())
        except (Refusal, Fault) as error:
            code = ends.GOAWAY_OF.get(error.code, GoawayCode.BUSY)
            self.leave(code, reconnect=code in {GoawayCode.RATE, GoawayCode.BUSY}, after_ms=error.retry_after_ms)
        except RemoteProtocolError as error:
            self.leave(error.code, reconnect=True, after_ms=FAULT_AFTER_MS)
        except Exception as error:  # noqa: BLE001 - the border where our own mistakes end
            self._incident(error, "login")
        else:
            self._static_key = static_key
            self._welcome(hello, login)

    def _welcome(self, hello: Hello, login: Login) -> None:
        counters = self._rooms.counters
        pump = Pump(
            epoch=login.welcome.epoch, cursors=login.cursors, lanes=login.welcome.lanes, credit=hello.credit,
            counters=counters, notices=login.notices, alone=login.alone,
        )  # fmt: skip
        router = Router(login.seat, pump, self._rooms, self, self._rooms.clock.monotonic())
        if self._connection.closed:
            # The login was committed all the same, so an older connection's works are no longer taken: it must go.
            self._rooms.hub.attach(login.seat.row, router)
            router.gone()
            return
        counters.handshakes_ok += 1
        self._show()
        self._router = router
        self._connection.welcome(login.welcome)
        self._rooms.hub.attach(login.seat.row, router)
        self.speak()

    async def _enter(self, request: int, command: EnrolCommand) -> None:
        try:
            answer = await self._rooms.desk.enter(command, self._place, self._rooms.tasks.start)
        except (Refusal, Fault) as error:
            self._rooms.counters.refused[error.code] += 1
            self.say(Refused(error.code, error.retry_after_ms), request)
        except Exception as error:  # noqa: BLE001 - the border where our own mistakes end
            self._incident(error, "enrolment")
        else:
            self.say(answer, request)
            if isinstance(answer, Enrolled):
                self._show()

    def _show(self) -> None:
        """The peer is no longer half-open. One that has gone in the meantime was counted out as half-open already."""
        if not self._share.known and not self._outbox.gone:
            self._share.known = True
            self._rooms.admission.shown(self._place, self)

    def _ended(self, closed: Closed) -> None:
        router, now = self._router, self._rooms.clock.monotonic()
        if ends.ended(closed, self._rooms.counters, shown=self._share.known) and router is not None:
            self._rooms.desk.logins.ended_badly(self._static_key, now)
        if router is not None:
            if closed.by_peer:
                router.last_words(self._held, now)
            self._rooms.hub.detach(router.seat.row, router)
        self._held.clear()
        self._wait_until = None

    def _incident(self, error: Exception, where: str) -> None:
        self._rooms.incident(error, where)
        self.leave(GoawayCode.INTERNAL, reconnect=True, after_ms=FAULT_AFTER_MS)

    # --- the router's and the listener's side ---

    def speak(self) -> None:
        """Flush soon."""
        if not self._marked:
            self._marked = True
            self._rooms.turn.add(self)

    @property
    def has_room(self) -> bool:
        """Whether the peer takes what is written."""
        return self._outbox.room > 0

    @property
    def traffic(self) -> tuple[int, int, int]:
        """Bytes that were received, sent, and written without the peer having read them."""
        return self._outbox.received, self._outbox.sent, self._outbox.waiting

    def say(self, message: Message, request: int) -> None:
        """Queue a message for this turn; does nothing on a connection that has ended."""
        if self._connection.open:
            self._connection.send(message, request)
            self._rooms.counters.frames_out += 1
            self.speak()

    def leave(self, code: GoawayCode, *, reconnect: bool, after_ms: int = 0) -> None:
        """End the connection with GOAWAY."""
        self._connection.goaway(code, reconnect=reconnect, after_ms=after_ms)
        self._take_events()
        self.speak()

    def waste(self, frames: int) -> None:
        """Note frames that asked for nothing; who says too many is sent away, and not let in again at once."""
        now = self._rooms.clock.monotonic()
        if self._share.wasted(frames, now) and not self._connection.closed:
            self._rooms.desk.logins.sent_away(self._static_key, now)
            self.leave(GoawayCode.RATE, reconnect=True, after_ms=ABUSE_AFTER_MS)

    def retire(self, code: GoawayCode, *, after_ms: int) -> None:
        """End the connection with GOAWAY once every submission under way has its answer; take no new one."""
        if self._router is None or self._router.pending == 0:
            self.leave(code, reconnect=True, after_ms=after_ms)
        elif self._retiring is None:
            self._retiring = (code, after_ms)
            self._outbox.hold(Hold.LEAVING)

    def settled(self) -> None:
        """Every submission has its answer."""
        self._wait_until = None  # whoever had room waits anew
        self.resume()
        if self._retiring is not None:
            self.leave(self._retiring[0], reconnect=True, after_ms=self._retiring[1])

    def cut(self) -> None:
        """Close at once: the time for an orderly end is over."""
        self._outbox.abort()
