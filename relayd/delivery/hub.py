"""The delivery room: who is listening to which mailbox.

What the store committed enters; it leaves to the one connection that listens. The rule of this file: one data
connection a device, the newest wins (protocol.md §2).
"""

import asyncio
import heapq
from collections.abc import Container, Iterable
from typing import Final, Protocol

from relayd.delivery.pump import Pump
from relayd.domain.entry import Entry
from relayd.metrics import Counters
from relayproto.message import Message
from relayproto.notices import Gap, Passing
from relayproto.operating import Line

_LOOKED_AT_ONCE: Final = 256
"""Connections that ``survey`` looks at in one turn of the loop, some 0.2 ms."""
_TOLD_AT_ONCE: Final = 256
"""Connections that ``announce`` speaks to in one turn of the loop, some 5 ms."""


class Listener(Protocol):
    """A connection that a mailbox's entries are offered to. None of its methods waits or raises."""

    @property
    def generation(self) -> int:
        """Which of the device's connections it is; a later one is higher."""

    @property
    def pump(self) -> Pump:
        """What it still has to say."""

    def offer(self, entry: Entry) -> None:
        """Take an entry that was just committed."""

    def explain(self, gap: Gap) -> None:
        """Take a hole that was just made."""

    def say(self, notice: Message) -> None:
        """Pass a notice on to the device."""

    def pass_by(self, notice: Passing) -> None:
        """Pass something on that is worth nothing later, if there is room for it."""

    def supersede(self) -> None:
        """A newer connection of the device has come."""

    def revoke(self) -> None:
        """The device is no longer one of its account's."""

    def dismiss(self, after_ms: int) -> None:
        """The operator wants it to go, and to come back so much later."""

    def line(self) -> Line:
        """Return what the operator is told of it."""


class Hub:
    """Mailbox -> listener."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}

    @property
    def listening(self) -> Container[int]:
        """The mailboxes that somebody listens to; for others the store need not keep what it committed."""
        return self._listeners.keys()

    def attach(self, mailbox: int, listener: Listener) -> Listener | None:
        """Let ``listener`` listen from now on and return whom it superseded.

        Where a newer generation listens already, it is ``listener`` itself that is superseded.
        """
        older = self._listeners.get(mailbox)
        if older is not None and older.generation > listener.generation:
            listener.supersede()
            return None
        self._listeners[mailbox] = listener
        if older is not None:
            older.supersede()
        return older

    def detach(self, mailbox: int, listener: Listener) -> None:
        """Forget ``listener``; does nothing where another one listens by now."""
        if self._listeners.get(mailbox) is listener:
            del self._listeners[mailbox]

    def wake(self, entries: Iterable[Entry]) -> None:
        """Offer what was just committed to whoever listens."""
        for entry in entries:
            listener = self._listeners.get(entry.mailbox)
            if listener is not None:
                listener.offer(entry)

    async def survey(self, counters: Counters) -> None:
        """Count what was written to connected devices and not acknowledged, and the devices that take nothing."""
        unacknowledged = owing = stuck = 0
        for number, listener in enumerate(list(self._listeners.values()), 1):
            owed = listener.pump.unacknowledged
            unacknowledged += owed
            owing += owed > 0
            stuck += listener.pump.stuck
            if number % _LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
        counters.unacknowledged, counters.devices_owing, counters.windows_full = unacknowledged, owing, stuck

    def explain(self, mailbox: int, gap: Gap) -> None:
        """Tell whoever listens of a hole that was just made."""
        listener = self._listeners.get(mailbox)
        if listener is not None:
            listener.explain(gap)

    def say(self, mailbox: int, notice: Message) -> None:
        """Pass a notice on to the device, if it listens."""
        listener = self._listeners.get(mailbox)
        if listener is not None:
            listener.say(notice)

    def announce(self, notice: Message) -> None:
        """Pass a notice on to every device that listens, so many in one turn of the loop."""
        self._announce(notice, list(self._listeners))

    def _announce(self, notice: Message, mailboxes: list[int]) -> None:
        for mailbox in mailboxes[:_TOLD_AT_ONCE]:
            self.say(mailbox, notice)
        if len(mailboxes) > _TOLD_AT_ONCE:
            asyncio.get_running_loop().call_soon(self._announce, notice, mailboxes[_TOLD_AT_ONCE:])

    def pass_by(self, mailbox: int, notice: Passing) -> None:
        """Pass something on that is worth nothing later, if the device listens and has room for it."""
        listener = self._listeners.get(mailbox)
        if listener is not None:
            listener.pass_by(notice)

    def revoke(self, mailboxes: Iterable[int]) -> None:
        """End the connections of devices that were removed."""
        for mailbox in mailboxes:
            listener = self._listeners.get(mailbox)
            if listener is not None:
                listener.revoke()

    def dismiss(self, mailboxes: Iterable[int], after_ms: int) -> int:
        """End the connections of devices for now; return how many there were."""
        found = [listener for mailbox in mailboxes if (listener := self._listeners.get(mailbox)) is not None]
        for listener in found:
            listener.dismiss(after_ms)
        return len(found)

    def __len__(self) -> int:
        return len(self._listeners)

    def lines(self, after: int, rows: int) -> tuple[tuple[Line, ...], bool]:
        """Return what the operator is told of listeners, by mailbox after a number, and whether there are more."""
        following = heapq.nsmallest(rows + 1, (mailbox for mailbox in self._listeners if mailbox > after))
        return tuple(self._listeners[mailbox].line() for mailbox in following[:rows]), len(following) > rows
