"""The device's room: what a device and the relay say to each other on one connection.

Events of the session enter and go to the device; what the device has to say leaves through the session.
The rule of this file: whatever arrived in a turn of the loop is answered in one turn - one acknowledgement a lane, so
that delivered comes before read; then needs, then submissions - and after a NOT_TAKEN nothing is submitted until
everything in flight has its answer. A turn is synced once: what came and what is to be said is made to last first, then
events are told and questions answered, then it is said (decision 0043).
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from relayclient import events
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import RelayUntrusted
from relayclient.session import Session
from relayproto.commands import Ack, Body, DeviceCommand, Submit
from relayproto.events import Closed, DescriptorReceived, Established, Event, MessageReceived
from relayproto.ids import AccountId, Address
from relayproto.message import Message
from relayproto.notices import Notice
from relayproto.replies import NotTaken, Reply, Submitted, Welcome

IN_FLIGHT_MAX: Final = 64
"""Submissions on their way at once: fills a group commit of the relay's, and is a quarter of the ledger's memory."""
TICK_S: Final = 5.0
"""How long a poke that was lost may delay a message that another process has queued."""
_REQUEST_MAX: Final = (1 << 32) - 1


class Exchange:
    """One connection's talk. ``ended`` gets Closed; what the device raises goes there too, and ends the connection.

    ``settled`` is set while everything that was asked and submitted has its answer.
    """

    def __init__(self, device: Device, *, clock: RelayClock, tell: Callable[[events.Event], None]) -> None:
        """Take the device, whose ``hello`` began this connection, and whoever is told of events."""
        self._device = device
        self._clock = clock
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, tuple[DeviceCommand, asyncio.Future[Reply] | None]] = {}
        self._request = 0
        self._to_tell: list[events.Event] = []
        self._to_answer: list[tuple[asyncio.Future[Reply], Reply]] = []
        self._going_back = False
        self._at_once = IN_FLIGHT_MAX
        """Submissions that may be on their way: fewer after one that was not taken, one more with each that was."""
        self._turn_due: asyncio.Handle | None = None
        self._tick: asyncio.TimerHandle | None = None
        self.ended: asyncio.Future[Closed] = self._loop.create_future()
        self.session: Session | None = None
        self.established = False
        self.key_adopted = False
        self.open = False
        self.settled = asyncio.Event()

    # --- what the client asks -----------------------------------------------------------------

    def ask(self, command: DeviceCommand) -> asyncio.Future[Reply]:
        """Send a command; the future gets the relay's answer, or is cancelled where the connection ends first."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._send(command, answer)
        return answer

    def soon(self) -> None:
        """Let the device say what it has to say, in the next turn of the loop."""
        self.settled.clear()
        if self._turn_due is None and self.open:
            self._turn_due = self._loop.call_soon(self._guarded_turn)

    def typing(self, to: Address | AccountId) -> None:
        """Tell somebody that the user types, if they can hear it now."""
        command = self._device.typing(to, self._clock.now_ms())
        if command is not None and self.session is not None and self.session.writable:
            self.session.send(command)

    def finish(self) -> None:
        """Say what is left to say, then end the connection in order; nothing can be asked on it any more."""
        if self.session is not None:
            self._guarded_turn()
            self.session.goaway()
            self.open = False

    # --- what the session tells ---------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Take one event of the connection."""
        if isinstance(event, Closed):
            self._end(event)
            return
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 - the device's errors must reach the client, not the event loop
            self._fail(error)
        self.soon()

    def _take(self, event: Event) -> None:
        match event:
            case Established():
                self.established = True
            case DescriptorReceived(descriptor):
                self._take_descriptor(descriptor)
            case MessageReceived(_, Welcome() as welcome):
                self._clock.follow(welcome.now_ms)
                told = self._device.welcomed(welcome, self._clock.now_ms())
                self.open = True
                self._to_tell += [events.Connected(), *told]
            case MessageReceived(request, message) if request:
                self._take_answer(request, message)
            case MessageReceived(_, message) if isinstance(message, Notice):
                self._to_tell += self._device.noticed(message, self._clock.now_ms())
            case _:
                pass

    def _take_descriptor(self, descriptor: bytes) -> None:
        try:
            told = self._device.descriptor(descriptor, self._clock.now_ms())
        except RelayUntrusted:
            return  # anybody on the way can forge one: it costs this connection and nothing more (spec 20 §8)
        self.key_adopted = any(isinstance(each, events.RelayKeyChanged) for each in told)
        self._to_tell += told

    def _take_answer(self, request: int, reply: Message) -> None:
        command, answer = self._asked.pop(request, (None, None))
        if command is None or not isinstance(reply, Reply):
            return
        if isinstance(reply, NotTaken):
            # The first of a row: those after it were lost with it.
            self._at_once = self._at_once if self._going_back else max(1, self._at_once // 2)
            self._going_back = True
        elif isinstance(reply, Submitted):
            self._at_once = min(self._at_once + 1, IN_FLIGHT_MAX)
        if answer is not None:
            self._to_answer.append((answer, reply))
        self._to_tell += self._device.answered(reply, command, self._clock.now_ms())

    # --- one turn -----------------------------------------------------------------------------

    def _guarded_turn(self) -> None:
        self._turn_due = None
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001 - as in on_event
            self._fail(error)

    def _turn(self) -> None:
        session = self.session
        if not self.open or session is None or self.ended.done():
            return
        now_ms = self._clock.now_ms()
        with self._device.together():
            said = [*self._device.acks(), *self._device.next_needs(now_ms), *self._next_submits(session, now_ms)]
            wait_ms = self._device.wait_ms(now_ms)
        self._conclude()
        for command in said:
            if isinstance(command, Ack | Body):
                session.send(command)
            else:
                self._send(command, None)
        wait_s = TICK_S if wait_ms is None else min(TICK_S, wait_ms / 1000)
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._loop.call_later(wait_s, self.soon)
        if not self._asked:
            self.settled.set()

    def _next_submits(self, session: Session, now_ms: int) -> list[Submit | Body]:
        in_flight = sum(isinstance(command, Submit) for command, _ in self._asked.values())
        if not session.writable or (self._going_back and in_flight):
            return []
        self._going_back = False
        if in_flight >= self._at_once:
            return []
        return self._device.next_submits(self._at_once - in_flight, now_ms)

    def _conclude(self) -> None:
        """Make last what came and what is to be said; only then tell of it."""
        self._device.make_last()
        told, self._to_tell = self._to_tell, []
        answered, self._to_answer = self._to_answer, []
        for event in told:
            self._tell(event)
        for answer, reply in answered:
            if not answer.done():
                answer.set_result(reply)

    def _send(self, command: DeviceCommand, answer: asyncio.Future[Reply] | None) -> None:
        if self.session is None:
            raise RuntimeError("nothing can be asked before there is a session")
        self._request = self._request % _REQUEST_MAX + 1
        self._asked[self._request] = (command, answer)
        self.session.send(command, self._request)

    # --- the end ------------------------------------------------------------------------------

    def _end(self, closed: Closed) -> None:
        try:
            self._conclude()
        except Exception as error:  # noqa: BLE001 - as in on_event
            self._fail(error)
        self._stop()
        if not self.ended.done():
            self.ended.set_result(closed)

    def _fail(self, error: Exception) -> None:
        # What came before is told; where it can't be made to last, that error is no other than this one.
        with contextlib.suppress(Exception):
            self._conclude()
        self._stop()
        if not self.ended.done():
            self.ended.set_exception(error)
        if self.session is not None:
            self.session.abort()

    def _stop(self) -> None:
        self.open = False
        for timer in (self._turn_due, self._tick):
            if timer is not None:
                timer.cancel()
        for answer in [answer for _, answer in self._asked.values()] + [answer for answer, _ in self._to_answer]:
            if answer is not None:
                answer.cancel()
        self._asked.clear()
