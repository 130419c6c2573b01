"""The device's room: one connection to the relay over asyncio.

Bytes of a transport enter and go to the sans-I/O connection; its events leave through a callback.
The rule of this file: one write a turn of the loop, however many frames were said in it, so that they share records.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from relayclient.clock import RelayClock
from relayproto.codes import GoawayCode
from relayproto.connection import ClientConnection
from relayproto.events import Closed, Event
from relayproto.message import Message

LINGER_S: Final = 5.0
"""How long the last bytes may take to leave a closing connection; a relay that reads nothing does not hold us."""


class Session(asyncio.Protocol):
    """Drives one ClientConnection. ``on_event`` gets its events in order; the last one is Closed, exactly once."""

    def __init__(self, connection: ClientConnection, *, clock: RelayClock, on_event: Callable[[Event], None]) -> None:
        """Take a connection that has not sent anything yet."""
        self._connection = connection
        self._clock = clock
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flush_due = False
        self._deadline: asyncio.TimerHandle | None = None
        self._closed = False
        self.writable = True
        self.was_reset = False
        """Whether the other side broke the connection off instead of ending it."""

    # --- what the client asks -----------------------------------------------------------------

    def send(self, message: Message, request: int = 0) -> None:
        """Say something in this turn's write."""
        self._connection.send(message, request)
        self._soon()

    def goaway(self, code: GoawayCode = GoawayCode.BYE, *, reconnect: bool = True) -> None:
        """End the connection in order, after everything that was said; nothing where it has ended already."""
        if not self._connection.closed:
            self._connection.goaway(code, reconnect=reconnect)
            self._soon()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Read nothing until ``resume_reading``: whoever takes the events has enough of them."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the preface and the first handshake message are what the connection has to say."""
        # A cast and no check: an application may run uvloop, whose transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._soon()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the connection and its events to the client."""
        self._connection.receive_data(data, self._clock.monotonic())
        self._tell()

    def eof_received(self) -> bool:
        """Say that the relay will send no more; the transport closes itself."""
        self._connection.receive_eof(self._clock.monotonic())
        self._tell()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End: whatever broke, the connection reports it as Closed."""
        self.was_reset = isinstance(exc, ConnectionError)
        self._connection.receive_eof(self._clock.monotonic())
        self._transport = None
        self._tell()
        if self._deadline is not None:
            self._deadline.cancel()

    def pause_writing(self) -> None:
        """Note that the relay reads more slowly than we write."""
        self.writable = False

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self.writable = True
        self._tell()

    # --- one turn -----------------------------------------------------------------------------

    def _tell(self) -> None:
        for event in self._connection.events():
            if isinstance(event, Closed):
                if self._closed:
                    continue
                self._closed = True
            self._on_event(event)
        self._soon()

    def _soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        transport = self._transport
        if transport is None:
            return
        octets = self._connection.data_to_send(self._clock.monotonic())
        if octets:
            transport.write(octets)
        if self._connection.closed:
            transport.close()
            self._loop.call_later(LINGER_S, transport.abort)
        else:
            self._arm()

    def _arm(self) -> None:
        deadline = self._connection.next_deadline()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if deadline is not None:
            wait_s = max(0.0, deadline - self._clock.monotonic())
            self._deadline = self._loop.call_later(wait_s, self._timeout)

    def _timeout(self) -> None:
        self._deadline = None
        self._connection.handle_timeout(self._clock.monotonic())
        self._tell()
