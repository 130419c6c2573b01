"""The delivery room: how much one device may be sent, and since when it has taken nothing.

Grants, envelopes and the time enter; a yes, a no or a deadline leaves. The rule of this file: what was delivered
since HELLO never exceeds what was granted since HELLO (protocol.md §2, §7.9).
"""

from enum import Enum

from relayproto.commands import Credit
from relayproto.limits import WINDOW_PING_S, WINDOW_STALLED_S


class Stall(Enum):
    """What a full window asks for."""

    PING = "ping"
    GIVE_UP = "give up"


class Window:
    """The credit of one connection; both figures are cumulative since HELLO, so that a repeated grant does no harm."""

    __slots__ = ("_full_since", "_granted", "_messages", "_octets", "_pinged")

    def __init__(self, granted: Credit) -> None:
        self._granted = granted
        self._messages = 0
        self._octets = 0
        self._full_since: float | None = None
        self._pinged = False

    @property
    def messages_left(self) -> int:
        """How many envelopes and outcomes may still be sent."""
        return self._granted.messages - self._messages

    def fits(self, cost: int) -> bool:
        """Say whether something of so many bytes may be sent.

        Bytes are let through while any are left, so that a small credit never stalls a large envelope (spec 50 §3).
        """
        granted = self._granted
        return self._messages < granted.messages and (self._octets < granted.octets or cost == 0)

    def take(self, cost: int) -> bool:
        """Count what is sent if it ``fits``, and say whether it does."""
        fits = self.fits(cost)
        if fits:
            self._messages += 1
            self._octets += cost
        return fits

    def acknowledged(self, granted: Credit) -> None:
        """Take the grant of an acknowledgement, which also shows that the device takes something."""
        self._granted = Credit(max(self._granted.messages, granted.messages), max(self._granted.octets, granted.octets))
        self._full_since = None
        self._pinged = False

    def full(self, now: float) -> None:
        """Note that something waits for credit."""
        if self._full_since is None:
            self._full_since = now

    def next_deadline(self) -> float | None:
        """Return when ``stall`` is due, or None where the window is not full."""
        if self._full_since is None:
            return None
        return self._full_since + (WINDOW_STALLED_S if self._pinged else WINDOW_PING_S)

    def stall(self, now: float) -> Stall | None:
        """Return what a window that has been full for so long asks for."""
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return None
        if self._pinged:
            return Stall.GIVE_UP
        self._pinged = True
        return Stall.PING
