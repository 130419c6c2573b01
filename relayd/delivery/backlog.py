"""The delivery room: what of one lane is still to be sent over one connection.

Committed entries, holes and pages enter; the next item leaves. The rules of this file: items leave in the order of
their numbers and each number once; from memory comes only what directly follows, everything else is paged from the
store; and whatever makes a remembered item untrue empties the memory (protocol.md §2).
"""

from typing import Final

from relayd.domain.entry import Entry, Page
from relayproto.codes import Lane
from relayproto.commands import Ack
from relayproto.notices import Gap

READY_ITEMS_MAX: Final = 256
"""As many as a device may have unanswered: one commit's worth for one mailbox."""
READY_OCTETS_MAX: Final = 128 << 10
"""What one connection may keep of its backlog in memory, over all its envelopes; the rest waits on disk."""
READY_LOW: Final = 64
"""With fewer items than this the next page is asked for, so that the socket does not wait for the disk."""


class Backlog:
    """One lane of one connection.

    ``cursor`` is the highest number that was sent, explained or found expired; ``goal`` is the highest number that
    existed at HELLO. It starts behind: what was committed between login and listening is found by the first page.
    ``floor`` is up to where everything is acknowledged or explained, as far as this connection knows.
    ``alone`` is a number after which nothing leaves until it is acknowledged, 0 for none (spec 50 §3).
    """

    __slots__ = (
        "_alone",
        "_asked",
        "_behind",
        "_end",
        "_octets",
        "_ready",
        "_stale",
        "_told",
        "_woken",
        "cursor",
        "floor",
        "goal",
        "lane",
    )

    def __init__(self, lane: Lane, cursor: int, goal: int, alone: int = 0) -> None:
        self.lane = lane
        self.cursor = cursor
        self.floor = cursor
        self._told = cursor
        self.goal = goal
        self._ready: list[Entry | Gap] = []  # an empty deque is 600 bytes, times three, times 10,000 connections
        self._octets = 0
        self._end = cursor
        self._woken = goal
        self._behind = True
        self._asked: int | None = None
        self._stale = False
        self._alone = alone

    @property
    def head(self) -> Entry | Gap | None:
        """The next item, or None where nothing is in memory or may leave."""
        if not self._ready or 0 < self._alone <= self.cursor:
            return None
        return self._ready[0]

    @property
    def done(self) -> bool:
        """Whether all that was there at HELLO has been sent."""
        return self.cursor >= self.goal or not (self._ready or self._behind)

    @property
    def ready(self) -> int:
        """How many items are in memory."""
        return len(self._ready)

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent, here or in the store."""
        return self._behind or bool(self._ready)

    @property
    def wants_page(self) -> bool:
        """Whether the store is to be asked now."""
        return self._behind and self._asked is None and len(self._ready) < READY_LOW and (
            self._octets < READY_OCTETS_MAX // 2
        )  # fmt: skip

    def offer(self, entry: Entry) -> None:
        """Take an entry that was just committed."""
        number = entry.notice.sequence
        self._woken = max(self._woken, number)
        if self._behind or number <= self._end:
            return
        if number == self._end + 1 and len(self._ready) < READY_ITEMS_MAX and self._octets < READY_OCTETS_MAX:
            self._ready.append(entry)
            self._octets += entry.cost
            self._end = number
        else:
            self._behind = True

    def explain(self, gap: Gap) -> Gap | None:
        """Take a new hole; return the part that is to be said at once because its numbers have been passed."""
        self._over(gap)
        if gap.last <= self.cursor:
            return gap
        self._woken = max(self._woken, gap.last)
        self._ready.clear()
        self._octets = 0
        self._end = self.cursor
        self._behind = True
        self._stale = self._asked is not None
        return Gap(gap.lane, gap.first, self.cursor, gap.reason) if gap.first <= self.cursor else None

    def take(self) -> None:
        """Pass the head."""
        item = self._ready.pop(0)
        if isinstance(item, Gap):
            self.cursor = item.last
            self._over(item)
        else:
            self.cursor = item.notice.sequence
            self._octets -= item.cost

    def acknowledged(self, ack: Ack) -> bool:
        """Let others follow an envelope that was offered alone once it is acknowledged; return whether it is news.

        What says nothing but a floor that this connection has told before grants credit, and costs no commit.
        """
        news = ack.floor > self._told or bool(ack.ranges or ack.undecryptable)
        self._told = max(self._told, ack.floor)
        self.floor = max(self.floor, ack.floor)
        alone = self._alone
        if (
            alone <= ack.floor
            or alone in ack.undecryptable
            or any(first <= alone <= last for first, last in ack.ranges)
        ):
            self._alone = 0
        return news

    def _over(self, gap: Gap) -> None:
        if gap.first <= self._alone <= gap.last:
            self._alone = 0
        if gap.first <= self.floor + 1:
            self.floor = max(self.floor, min(gap.last, self.cursor))

    def ask(self) -> int:
        """Return the number after which a page is wanted; until ``paged`` no other is."""
        self._asked = self._woken
        return self._end

    def paged(self, page: Page) -> None:
        """Take the page that was asked for.

        A page that began after a wake-up shows what the wake-up meant, so only a later one asks for another page.
        """
        asked, self._asked = self._asked, None
        if asked is None or self._stale:
            self._stale = False
            return
        for item in page.items:
            self._ready.append(item)
            if isinstance(item, Gap):
                self._end = item.last
            else:
                self._end = item.notice.sequence
                self._octets += item.cost
        self._behind = page.more or self._woken > max(self._end, asked)
