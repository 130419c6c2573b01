"""The delivery room: the pump of one connection, from its mailbox to its device.

Committed entries, holes, pages and acknowledgements enter; encoded frames and wishes for pages leave. It does no I/O
and knows no connection. The rules of this file: urgent before normal; never more than was granted; nothing at or after
its expiry; nothing above what was delivered is acknowledged (protocol.md §2, §4).
"""

from typing import Final, NamedTuple

from relayd.delivery.backlog import Backlog
from relayd.delivery.window import Stall, Window
from relayd.domain.entry import Entry, Page
from relayd.metrics import Counters
from relayproto.codes import GoawayCode, Lane
from relayproto.commands import Ack, Credit
from relayproto.errors import RemoteProtocolError
from relayproto.message import Message, encode
from relayproto.notices import Drained, Gap, NewEpoch, Passing
from relayproto.replies import LaneState

PASSING_MAX: Final = 8
"""Of what is not kept, as much as eight people typing at once; more in one turn is dropped."""
PAGE_ITEMS: Final = 128
PAGE_OCTETS: Final = 64 << 10
"""A page is what one turn writes; larger ones would only wait in memory."""
_ORDER: Final = (Lane.URGENT, Lane.OUTCOME, Lane.NORMAL)
"""Outcomes are a few bytes each, so they do not hold up what people write (spec 50 §1)."""


class Want(NamedTuple):
    """A page that is to be read from the store: of this lane, after this number, at most so much."""

    lane: Lane
    after: int
    messages: int
    octets: int


class Pump:
    """What one connection still has to say of its mailbox.

    ``cursors`` are the numbers after which delivery begins; ``lanes`` is what WELCOME said; ``notices`` come first;
    ``alone`` names, by lane, an envelope that has nothing after it until it is acknowledged, 0 for none.
    """

    __slots__ = ("_backlogs", "_counters", "_drained", "_epoch", "_paging", "_passing", "_soon", "_window")

    def __init__(
        self,
        *,
        epoch: int,
        cursors: tuple[int, ...],
        lanes: tuple[LaneState, ...],
        credit: Credit,
        counters: Counters,
        notices: tuple[Message, ...] = (),
        alone: tuple[int, ...] = (0, 0, 0),
    ) -> None:
        self._epoch = epoch
        self._backlogs = tuple(Backlog(lane, cursors[lane], lanes[lane].next - 1, alone[lane]) for lane in Lane)
        self._window = Window(credit)
        self._soon: list[Message] = list(notices)
        self._passing: tuple[Passing, ...] = ()
        self._paging = False
        self._drained = False
        self._counters = counters

    def offer(self, entry: Entry) -> None:
        """Take an entry that was just committed."""
        self._backlogs[entry.lane].offer(entry)

    def explain(self, gap: Gap) -> None:
        """Take a hole that was just made."""
        said = self._backlogs[gap.lane].explain(gap)
        if said is not None:
            self._soon.append(said)
            self._counters.gaps[said.reason] += 1

    def say(self, notice: Message) -> None:
        """Say a notice that belongs to no lane, before anything else; only the last of its kind is kept."""
        self._soon = [earlier for earlier in self._soon if earlier.KIND is not notice.KIND]
        self._soon.append(notice)

    def pass_by(self, notice: Passing) -> None:
        """Say something that is worth nothing later, after everything else, or drop it (spec 50 §9)."""
        if len(self._passing) < PASSING_MAX:
            self._passing += (notice,)

    def acknowledge(self, ack: Ack) -> bool:
        """Take the credit of an acknowledgement; return whether the store is to have it.

        One of another epoch is ignored with a notice. Raises RemoteProtocolError (BAD_ACK) for one that is not in
        order or names what was not delivered.
        """
        if ack.epoch != self._epoch:
            self.say(NewEpoch(self._epoch))
            return False
        top = ack.floor
        for first, last in ack.ranges:
            if not top + 1 < first <= last:
                raise RemoteProtocolError(GoawayCode.BAD_ACK, "ranges are not ascending and apart")
            top = last
        if max(top, *ack.undecryptable, 0) > self._backlogs[ack.lane].cursor:
            raise RemoteProtocolError(GoawayCode.BAD_ACK, "an acknowledgement above what was delivered")
        self._window.acknowledged(ack.credit)
        return self._backlogs[ack.lane].acknowledged(ack)

    def fill(self, octets: int, now_ms: int, now: float) -> list[bytes]:
        """Return the frames to say now, about ``octets`` bytes of them at most; as many again may be left."""
        frames = [encode(notice) for notice in self._soon]
        self._soon.clear()
        left = octets - sum(map(len, frames))
        for lane in _ORDER:
            backlog = self._backlogs[lane]
            if backlog.ready:
                left = self._drain(backlog, frames, left, now_ms, now)
        if not self._drained and all(backlog.done for backlog in self._backlogs):
            self._drained = True
            frames.append(encode(Drained()))
        passing, self._passing = self._passing, ()
        if left > 0:
            frames += [encode(notice) for notice in passing]
        return frames

    def _drain(self, backlog: Backlog, frames: list[bytes], left: int, now_ms: int, now: float) -> int:
        while left > 0 and (item := backlog.head) is not None:
            if isinstance(item, Gap):
                notice: Message = item
                self._counters.gaps[item.reason] += 1
            elif item.expires_ms <= now_ms:
                # Not written any more; the sweep that removes it explains its number (protocol.md §4).
                backlog.take()
                continue
            elif self._window.take(item.cost):
                notice = item.notice
                self._counters.delivered += backlog.lane is not Lane.OUTCOME
            else:
                self._window.full(now)
                break
            backlog.take()
            frame = encode(notice)
            frames.append(frame)
            left -= len(frame)
        return left

    @property
    def ready(self) -> bool:
        """Whether ``fill`` would say something now."""
        if self._soon or self._passing:
            return True
        for backlog in self._backlogs:
            item = backlog.head
            if item is not None and (isinstance(item, Gap) or self._window.fits(item.cost)):
                return True
        return False

    @property
    def idle(self) -> bool:
        """Whether nothing waits anywhere: no credit would let ``fill`` say something or ``want`` name a page."""
        if self._soon or self._passing or not self._drained:
            return False
        normal, urgent, outcomes = self._backlogs
        return not (normal.waiting or urgent.waiting or outcomes.waiting)

    def want(self) -> Want | None:
        """Return the page to read next; until ``paged`` there is no other.

        Without credit one item is read all the same: whether something waits is what tells a full window from an
        empty mailbox.
        """
        if self._paging:
            return None
        for lane in _ORDER:
            backlog = self._backlogs[lane]
            if not backlog.wants_page:
                continue
            room = self._window.messages_left - backlog.ready
            if room > 0 or not backlog.ready:
                self._paging = True
                return Want(lane, backlog.ask(), min(max(room, 1), PAGE_ITEMS), PAGE_OCTETS)
        return None

    def paged(self, want: Want, page: Page) -> None:
        """Take the page that ``want`` asked for."""
        self._paging = False
        self._backlogs[want.lane].paged(page)

    @property
    def unacknowledged(self) -> int:
        """How many numbers of envelopes lie between what was acknowledged and what was written; never too few."""
        return sum(each.cursor - each.floor for each in self._backlogs if each.lane is not Lane.OUTCOME)

    @property
    def window(self) -> int:
        """How many envelopes and outcomes the device would still take."""
        return self._window.messages_left

    @property
    def stuck(self) -> bool:
        """Whether something waits for credit that the device does not grant."""
        return self._window.next_deadline() is not None

    def next_deadline(self) -> float | None:
        """Return when ``stall`` is due."""
        return self._window.next_deadline()

    def stall(self, now: float) -> Stall | None:
        """Return what a window that has been full for too long asks for (protocol.md §2)."""
        return self._window.stall(now)
