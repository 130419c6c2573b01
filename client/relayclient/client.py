"""The device's room: a device with a network. The SDK's front door.

A ``Device`` enters; its events leave, for as long as the block lasts, over however many connections that takes.
The rule of this file: the outbox is in the device's store, so a connection that breaks loses nothing; coming back is
jittered, waits as long as the relay asked, and never follows a SUPERSEDED.

    async with Client(device) as client:
        message = client.send(Address("bob@office.example"), "Good morning")
        async for event in client.events():
            ...
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, Self, TypeGuard

from relayclient import endings, holder, membership
from relayclient.administration import Page, Paged, denial, following
from relayclient.backoff import Backoff
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.entropy import system_entropy
from relayclient.errors import ActLost, ActUnclear, ConnectionHeld, RelayAway, RelayUntrusted
from relayclient.events import Connected, Disconnected, Event
from relayclient.exchange import Exchange
from relayclient.session import Session
from relayproto.administration import Change, Question
from relayproto.administration_replies import Acted, AdministrationReply
from relayproto.codes import Class, Code, Purpose
from relayproto.commands import Credit, DeviceCommand
from relayproto.connection import ClientConnection
from relayproto.events import Closed
from relayproto.ids import AccountId, Address, MessageId
from relayproto.primitives import Entropy
from relayproto.replies import Refused, Reply
from relayproto.rosters import Claim, PutRoster

WINDOW: Final = Credit(64, 1 << 20)
"""What may be on its way to us unacknowledged: 64 messages, 1 MiB; the device replenishes both at once (spec 50 §3)."""
CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 5.0
EVENTS_MAX: Final = 1024
"""Events that nobody has taken yet; above it the relay is not read, so that memory does not grow with the backlog."""
HOUSEKEEPING_S: Final = 3600.0
LOG_S: Final = 25.0
"""How often the store's log is emptied: a deleted key is in it for less than a minute, even if one try is in vain."""
ACT_PATIENCE_S: Final = 60.0
"""How long an act whose answer was lost waits for another connection; well within what it is good for."""


class Client:
    """Runs a device's connection. ``home``'s lock is taken on entry: a device has one connection (ConnectionHeld)."""

    def __init__(
        self,
        device: Device,
        home: Path,
        *,
        build: str = "",
        clock: RelayClock | None = None,
        entropy: Entropy = system_entropy,
        held: holder.Holder | None = None,
    ) -> None:
        """Take an open device and its home; ``held`` is the home's connection where the caller has it already."""
        self._device = device
        self._home = home
        self._build = build
        self._clock = clock or RelayClock()
        self._entropy = entropy
        self._backoff = Backoff(entropy)
        self._held = held
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._exchange: Exchange | None = None
        self._up = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to connect. Raises ConnectionHeld where another process of this home is connected."""
        self._held = self._held or holder.take(self._home)
        if self._held is None:
            raise ConnectionHeld
        asyncio.get_running_loop().add_reader(self._held.wake, self._poked)
        self._running = asyncio.create_task(self._run(), name="relay connection")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say what is left, end the connection in order, and give the home's lock back."""
        exchange, running = self._exchange, self._running
        # Without a session nobody was reached, and nobody is left to say goodbye to.
        if exchange is not None and exchange.session is not None and not exchange.ended.done():
            exchange.finish()
            await asyncio.wait([exchange.ended], timeout=CLOSE_TIMEOUT_S)
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
        if self._held is not None:
            asyncio.get_running_loop().remove_reader(self._held.wake)
            self._held.release()

    # --- what the user asks -------------------------------------------------------------------

    def send(
        self, to: Address | AccountId, text: str, *, class_: Class = Class.CHAT, ttl_s: int | None = None
    ) -> MessageId:
        """Put a text into the outbox and let it go as soon as there is a connection; raises as ``Device.queue``."""
        message = self._device.queue(to, text, now_ms=self._clock.now_ms(), class_=class_, ttl_s=ttl_s)
        self.soon()
        return message

    def typing(self, to: Address | AccountId) -> None:
        """Tell somebody that the user types: call it with every keystroke. Whoever is not there now never learns it."""
        if self._exchange is not None and self._exchange.open:
            self._exchange.typing(to)

    def soon(self) -> None:
        """Look at the outbox: something was queued, or is to be told."""
        if self._exchange is not None:
            self._exchange.soon()

    def now_ms(self) -> int:
        """Return the relay's time, unix milliseconds, for what is asked of the device."""
        return self._clock.now_ms()

    async def ask(self, command: DeviceCommand) -> Reply:
        """Ask the relay something on the open connection. Raises RelayAway where there is none, or it ends first."""
        exchange = self._exchange
        if exchange is None or not exchange.open:
            raise RelayAway
        answer = exchange.ask(command)
        await asyncio.wait([answer])
        if answer.cancelled():
            raise RelayAway
        return answer.result()

    async def act(self, change: Change, *, reason: str = "", rehearsal: bool = False) -> Acted:
        """Sign a change and have it done; return what came of it. A rehearsal is checked and changes nothing.

        Where the connection breaks before the answer, the same act is asked again on the next one, for a minute; where
        it came too soon after others, after as long as the relay says. Raises Denied with the relay's code; ActUnclear
        where the relay had dealt with it when it was asked again; ActLost where there was no further connection;
        BadChange; RelayAway where there is no connection now.
        """
        if self._exchange is None or not self._exchange.open:
            raise RelayAway
        command = self._device.administration.sign(
            change, reason=reason, rehearsal=rehearsal, now_ms=self._clock.now_ms()
        )
        again = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACT_PATIENCE_S):
                while True:
                    try:
                        reply = await self.ask(command)
                    except RelayAway:
                        again = True
                        await self._connected()
                        continue
                    if not _may_be_asked_later(reply):
                        break
                    await asyncio.sleep(reply.retry_after_ms / 1000)
                if again and isinstance(reply, Refused) and reply.code == Code.REPLAYED:
                    raise ActUnclear
                return _acted(reply)
        raise ActLost

    async def answer(self, question: Question | PutRoster | Claim) -> AdministrationReply:
        """Ask an officer's question, or hand in a part of a roster or a claim; wait as long as the relay says.

        Raises Denied with the relay's code, and RelayAway.
        """
        while True:
            reply = await self.ask(question)
            if _may_be_asked_later(reply):
                await asyncio.sleep(reply.retry_after_ms / 1000)
                continue
            if isinstance(reply, Refused):
                raise denial(reply.code, reply.retry_after_ms)
            if not isinstance(reply, AdministrationReply):
                raise RelayUntrusted
            return reply

    async def pages(self, question: Paged) -> AsyncGenerator[Page, None]:
        """Ask a question and go on until its last page. Raises as ``answer``."""
        asked: Paged | None = question
        while asked is not None:
            page = await self.answer(asked)
            if not isinstance(page, Page):
                raise RelayUntrusted
            yield page
            asked = following(asked, page)

    async def settle(self, timeout_s: float) -> bool:
        """Wait until the relay has answered all that the device had to say; False where it does not in that time."""
        exchange = self._exchange
        if exchange is None or not exchange.open:
            return False
        exchange.soon()
        settled = asyncio.ensure_future(exchange.settled.wait())
        ends: list[asyncio.Future[Any]] = [settled, exchange.ended]
        await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()
        return settled.done() and not settled.cancelled()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield events as they happen. Ends by raising a ClientError where no further connection will be tried."""
        while (event := await self._events.get()) is not None:
            if self._events.qsize() == EVENTS_MAX // 2 and self._exchange is not None and self._exchange.session:
                self._exchange.session.resume_reading()
            yield event
        self._events.put_nowait(None)
        if self._running is not None:
            await self._running

    # --- inside -------------------------------------------------------------------------------

    def _poked(self) -> None:
        if self._held is not None:
            self._held.poked()
        self.soon()

    async def _connected(self) -> None:
        """Wait for a connection. Raises ActLost where no other will be tried."""
        if self._exchange is not None and self._exchange.open:
            return
        self._up.clear()
        up = asyncio.ensure_future(self._up.wait())
        ends = {up, self._running} if self._running is not None else {up}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                raise ActLost
        finally:
            up.cancel()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._backoff.reset()
            self._up.set()
        elif isinstance(event, Disconnected):
            self._up.clear()
        self._events.put_nowait(event)
        if self._events.qsize() == EVENTS_MAX and self._exchange is not None and self._exchange.session:
            self._exchange.session.pause_reading()

    async def _run(self) -> None:
        sweep = asyncio.create_task(self._housekeep(), name="device housekeeping")
        connect = asyncio.create_task(self._stay_connected(), name="relay connections")
        try:
            done, _ = await asyncio.wait([sweep, connect], return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            sweep.cancel()
            connect.cancel()
            self._events.put_nowait(None)
            await asyncio.wait([sweep, connect])

    async def _housekeep(self) -> None:
        due = self._clock.monotonic()
        while True:
            if self._clock.monotonic() >= due:
                due += HOUSEKEEPING_S
                for event in self._device.housekeep(self._clock.now_ms()):
                    self._tell(event)
            await asyncio.sleep(min(LOG_S, HOUSEKEEPING_S))
            self._device.empty_log()

    async def _stay_connected(self) -> None:
        while True:
            endpoint = self._device.endpoint()
            place = f"{endpoint.host}:{endpoint.port}"
            after_ms = 0
            try:
                closed = await self._connect()
            except OSError as error:
                why = endings.unreachable(error, place)
            else:
                exchange = self._exchange
                established = exchange is not None and exchange.established
                reset = exchange is not None and exchange.session is not None and exchange.session.was_reset
                why = endings.reason(closed, place, established=established, reset=reset)
                after_ms = 0 if exchange is not None and exchange.key_adopted else closed.after_ms
                if (verdict := endings.verdict(closed)) is not None:
                    self._tell(Disconnected(why, None))
                    raise verdict
            wait_s = self._backoff.next_s(after_ms)
            self._tell(Disconnected(why, wait_s))
            await asyncio.sleep(wait_s)

    async def _connect(self) -> Closed:
        """Make one connection and return how it ended. Raises OSError where none was made, and what the device says."""
        device, endpoint = self._device, self._device.endpoint()
        if device.relay_key_is_over(self._clock.now_ms()):
            endpoint = membership.asking(endpoint, self._entropy)
        connection = ClientConnection(
            purpose=Purpose.DEVICE,
            relay_key=endpoint.key,
            key_id=endpoint.key_id,
            hello=device.hello(window=WINDOW, build=self._build),
            static_key=device.identity.static_key,
            entropy=self._entropy,
            now=self._clock.monotonic(),
        )
        exchange = self._exchange = Exchange(device, clock=self._clock, tell=self._tell)

        def session() -> Session:
            exchange.session = Session(connection, clock=self._clock, on_event=exchange.on_event)
            return exchange.session

        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(session, endpoint.host, endpoint.port)
        try:
            return await asyncio.shield(exchange.ended)
        except asyncio.CancelledError:
            if exchange.session is not None:
                exchange.session.abort()
            raise


def _may_be_asked_later(reply: Reply) -> TypeGuard[Refused]:
    """Say whether an act or a question came too soon after others, and nobody has looked at it yet."""
    return isinstance(reply, Refused) and reply.code == Code.RATE and reply.retry_after_ms > 0


def _acted(reply: Reply) -> Acted:
    """Return what an act came to. Raises Denied, and RelayUntrusted for what is no answer to an act."""
    if isinstance(reply, Refused):
        raise denial(reply.code, reply.retry_after_ms)
    if not isinstance(reply, Acted):
        raise RelayUntrusted
    return reply
