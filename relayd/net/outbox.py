"""The wire's room: the byte pipe of one connection.

Bytes enter and are written; how much more may be written, whether the peer is read, and a deadline leave. The rules
of this file: what waits for a slow reader is bounded in bytes and in time, and a connection that ends in order is
closed so that its last bytes arrive (protocol.md §5).
"""

import asyncio
from enum import Flag, auto
from typing import Final

from relayd.net import ends

TURN_OCTETS: Final = 64 << 10
"""What one connection may write in one turn, so that a long backlog does not keep the others waiting."""
LINGER_S: Final = 5.0
"""How long a peer may take to close after our last bytes. Closing at once would send a reset that overtakes them."""


class Hold(Flag):
    """Why the peer is not read at the moment."""

    NOTHING = 0
    SLOW = auto()
    """It does not read what we write."""
    WORK = auto()
    """What it asked before is still waiting for room."""
    LEAVING = auto()
    """Its connection is about to end; what is under way is still answered."""
    TURN = auto()
    """What it has said before waits for its turn."""
    END = auto()
    """It has closed its side: there is nothing more to read."""


_NOTHING: Final = Hold.NOTHING


class Outbox:
    """One transport with its bounds."""

    __slots__ = (
        "_deadline", "_holds", "_octets_max", "_timeout_s", "_transport", "aborted", "closing", "gone", "received",
        "sent",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, *, octets_max: int, timeout_s: float) -> None:
        self._transport = transport
        self._octets_max = octets_max
        self._timeout_s = timeout_s
        self._holds = Hold.NOTHING
        self._deadline: float | None = None
        self.closing = False
        self.aborted = False
        self.gone = False
        self.received = 0
        self.sent = 0
        transport.set_write_buffer_limits(high=min(TURN_OCTETS, octets_max))

    @property
    def room(self) -> int:
        """How many bytes of backlog may be said now."""
        if self.closing or (self._holds is not _NOTHING and Hold.SLOW in self._holds):
            return 0
        return min(TURN_OCTETS, self._octets_max - self._transport.get_write_buffer_size())

    @property
    def waiting(self) -> int:
        """How many bytes were written that the socket has not taken."""
        return 0 if self.gone else self._transport.get_write_buffer_size()

    def write(self, octets: bytes) -> None:
        """Write; the transport keeps what the socket does not take."""
        self.sent += len(octets)
        self._transport.write(octets)

    def slow(self, now: float) -> None:
        """The peer does not keep up: it gets no more, is not read, and has until the deadline."""
        self._deadline = now + self._timeout_s
        self.hold(Hold.SLOW)

    def flowing(self) -> None:
        """The peer keeps up again."""
        if not self.closing:
            self._deadline = None
        self.release(Hold.SLOW)

    def hold(self, why: Hold) -> None:
        """Stop reading the peer."""
        if self._holds is Hold.NOTHING and not self.closing:
            self._transport.pause_reading()
        self._holds |= why

    def release(self, why: Hold) -> None:
        """Read the peer again, unless there is another reason not to."""
        if self._holds is _NOTHING:
            return  # nearly always, and arithmetic with flags is slow
        self._holds &= ~why
        if self._holds is _NOTHING and not self.closing:
            self._transport.resume_reading()

    def close(self, now: float) -> None:
        """Send what is written, then an end; the peer closes its side or is cut off."""
        if self.closing:
            return
        if self.ended:
            self.finish(now)
            return
        if self._holds is not Hold.NOTHING:
            self._transport.resume_reading()
        self.closing = True
        self._deadline = now + LINGER_S
        if not self._transport.is_closing():
            self._transport.write_eof()

    def end(self) -> bool:
        """Note that the peer has closed its side; return whether ours is to be closed for it, by ``finish``."""
        if self.closing:
            return False
        self.hold(Hold.END)
        return True

    @property
    def ended(self) -> bool:
        """Whether the peer closed its side before we did ours."""
        return Hold.END in self._holds

    def finish(self, now: float) -> None:
        """Close once what is written was sent, or the peer is cut off: it has closed its side."""
        self.closing = True
        self._deadline = now + LINGER_S
        self._transport.close()

    def next_deadline(self) -> float | None:
        """Return when ``overdue`` is due."""
        return self._deadline

    def overdue(self, now: float) -> bool:
        """Cut the peer off if its deadline has passed, and say whether it was."""
        if self._deadline is None or now < self._deadline:
            return False
        ends.reset(self._transport.get_extra_info("socket"))
        self.abort()
        return True

    def abort(self) -> None:
        """Close at once: with a reset, unless an orderly end has begun, whose last bytes may still arrive."""
        if not self.closing:  # or gone, when the number of its descriptor may be another's
            ends.reset(self._transport.get_extra_info("socket"))
        self.aborted = True
        self.closing = True
        self._deadline = None
        self._transport.abort()

    def lost(self) -> None:
        """The transport is gone; nothing is written any more."""
        self.closing = self.gone = True
        self._deadline = None
