"""The store room: the intake, which collects what arrives while a commit is running.

Works enter in any number of turns; the next commit takes them together. The rules of this file: what is uncommitted
is bounded, and nobody waits here - a full intake says so, and the sockets are not read until it has room
(performance.md, "Rules of the hot path"). Nobody waits for an acknowledgement to be committed, so it goes along
with what somebody waits for, or alone a little later (decision 0044). And whoever says little waits for nobody who says
much: quiet devices come first, and while any are about commits are short (decision 0049); of the others who has said
less comes sooner, and one device has a part only of the room that is left (decision 0053).
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final

from relayd.store.works import OVERHEAD_BYTES, Acknowledgement, Submission, Verb, Works

PLACEMENTS_MAX: Final = 512
"""Rows that one commit puts in, about: some 10 ms. Twice as many make nothing faster."""
SHORT_PLACEMENTS: Final = 64
"""While quiet devices are about: their rows in a commit, and at most as many of the others, a millisecond each. Half as
many make no quiet one faster, since a commit costs a third of a millisecond by itself."""
SHORT_OTHERS: Final = 16
"""Rows of the others at least: with so few a commit and the answers to it take half a millisecond less than with fifty.
Where more waits they have one part in SHORT_SHARE of it."""
SHORT_SHARE: Final = 4
TURN_PLACEMENTS: Final = 64
"""Rows of one device before others have their turn: answers that leave together cost less than one by one."""
ROOM_SHARE: Final = 8
"""One device has one part in so many of the room that is left. Where it is alone that is as much as it may have under
way, where a hundred say without end 38 works each, and forty that come one after the other leave room for more."""
LATER_S: Final = 0.1
"""By which a device's turn is later each time that it has said twice as much as a quiet one may: it stands behind who
says less. For a second at most, however many these are: nobody puts 2**10 times that in in half a second."""
QUIET_MAX: Final = 24
"""Rows that a quiet device puts in in this window and in the one before, each at most: messages to the devices of a few
persons, and receipts."""
WINDOW_S: Final = 0.5
"""Of a window; whoever sends one message after another, each when the one before is accepted, says 100 in it."""
ALONG_S: Final = 0.02
"""How long acknowledgements wait for something that they can go along with: a fifth of what people take for at once,
and where two devices talk it spares every second commit."""


class Intake:
    """What waits for the next commit."""

    __slots__ = ("_acknowledgements", "_arrived", "_before", "_closed", "_later", "_lines", "_messages_max",
                 "_numbers", "_octets_max", "_passed", "_quiet", "_quiet_before", "_quiet_now", "_rows",
                 "_said", "_space", "_turns", "_verbs", "_waits", "_window", "full", "octets", "slow",
                 "works")  # fmt: skip

    def __init__(
        self, *, messages_max: int, octets_max: int, later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        """``later`` calls a function after so many seconds: ``loop.call_later``."""
        self._messages_max = messages_max
        self._octets_max = octets_max
        self._later = later
        self._waits = False
        """Whether ``later`` is to call, for acknowledgements that wait."""
        self._lines: dict[int, deque[Submission]] = {}
        """By mailbox: what each device has submitted, in its order."""
        self._quiet: deque[deque[Submission]] = deque()
        """Of the lines those of quiet devices."""
        self._turns: list[tuple[float, int, deque[Submission]]] = []
        """And the others, a heap: whose turn comes soonest stands first; of the same time, who came first."""
        self._numbers = count()
        self._window = 0
        """The number of this window."""
        self._quiet_now: set[int] = set()
        """By mailbox: those that have submitted in this window and are quiet."""
        self._quiet_before: set[int] = set()
        """And of the window before those that still are."""
        self._said: dict[int, int] = {}
        """By mailbox: rows in this window, so at most as many entries as the relay takes in in half a second."""
        self._before: dict[int, int] = {}
        """And in the one before."""
        self._passed = False
        """Whether the last commit had no room for the first one of ``_turns``."""
        self._rows = 0
        """That the submissions which wait put in."""
        self.slow = False
        """Whether commits take so long that each is to take as much as it can."""
        self._acknowledgements: list[Acknowledgement] = []
        self._verbs: list[Verb] = []
        self.works = 0
        """How many works wait."""
        self.octets = 0
        """How many bytes they hold."""
        self._closed = False
        self.full = False
        """Whether no more submissions are taken in."""
        self._arrived = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()

    @property
    def pressing(self) -> bool:
        """Whether there is something to commit now: not only acknowledgements that can still wait."""
        return self._arrived.is_set()

    @property
    def room(self) -> int:
        """How many works one device may have waiting: a part of what room is left, so that there is nearly always some.

        A few that say without end share most of the intake, and whoever says one thing finds room beside them: the
        dynamic thresholds of buffers that a switch's queues share. Of the bytes that are left as many works find room
        as are as large as those that wait.
        """
        if self.full:
            return 0
        left = self._messages_max - self.works
        if self.octets:
            left = min(left, (self._octets_max - self.octets) * self.works // self.octets)
        return max(1, left // ROOM_SHARE)

    @property
    def hurries(self) -> bool:
        """Whether a quiet device waits."""
        return bool(self._quiet)

    @property
    def urgent(self) -> bool:
        """Whether the next commit is to begin as soon as it can: a quiet device waits, or as much as one may hold."""
        return bool(self._quiet) or self._rows >= (SHORT_PLACEMENTS if self._short else PLACEMENTS_MAX)

    @property
    def _short(self) -> bool:
        """Whether the next commit is to be a short one: quiet devices wait or are about, and the disk is not slow."""
        # In this window or in the one before: a window begins with whoever comes first, who is hardly ever quiet.
        quiet = self._quiet or self._quiet_now or self._quiet_before
        return bool(quiet) and not self.slow

    async def arrival(self) -> None:
        """Wait until something is pressing."""
        await self._arrived.wait()

    async def space(self) -> None:
        """Wait until there is room."""
        await self._space.wait()

    def close(self) -> None:
        """Let ``arrival`` return, with or without works, and be full from now on: the store is closing."""
        self._closed = self.full = True
        self._space.clear()
        self._arrived.set()

    def submit(self, work: Submission, now: float) -> None:
        """Take a submission at ``now``, seconds of the monotonic clock."""
        row = work.seat.row
        quiet = self._count(row, work.placements, int(now / WINDOW_S))
        self._rows += work.placements
        line = self._lines.get(row)
        if line is None:
            self._lines[row] = line = deque((work,))
            if quiet:
                self._quiet.append(line)
            else:
                self._line_up(line, now)
            self._arrived.set()
        else:
            line.append(work)
        self._taken(work.weight)

    def _count(self, row: int, placements: int, window: int) -> bool:
        """Note that a device submits, and return whether it is a quiet one."""
        if window != self._window:
            follows = window == self._window + 1
            self._before, self._quiet_before = (self._said, self._quiet_now) if follows else ({}, set())
            self._said, self._quiet_now, self._window = {}, set(), window
        self._said[row] = said = self._said.get(row, 0) + placements
        if said <= QUIET_MAX and self._before.get(row, 0) <= QUIET_MAX:
            self._quiet_now.add(row)
            return True
        # Whoever begins to say much was taken for quiet for a moment, and makes no commit short any more.
        self._quiet_now.discard(row)
        self._quiet_before.discard(row)
        return False

    def acknowledge(self, work: Acknowledgement) -> None:
        """Take an acknowledgement, also where it is full: the connection's end, when nobody can wait any more."""
        self._acknowledgements.append(work)
        self._taken(OVERHEAD_BYTES)
        if not self._waits and not self._arrived.is_set():
            self._waits = True
            self._later(ALONG_S, self._waited)

    def _waited(self) -> None:
        self._waits = False
        if self._acknowledgements:
            self._arrived.set()

    def act(self, work: Verb) -> None:
        """Take a verb."""
        self._verbs.append(work)
        self._arrived.set()
        self._taken(OVERHEAD_BYTES)

    def _taken(self, octets: int) -> None:
        self.works += 1
        self.octets += octets
        if self.works >= self._messages_max or self.octets >= self._octets_max:
            self.full = True
            self._space.clear()
            self._arrived.set()

    def next(self, now: float) -> Works:
        """Return what the next commit takes at ``now``: submissions of quiet devices first, then by turns."""
        works = Works(self._submissions(now), self._acknowledgements, self._verbs)
        self._acknowledgements, self._verbs = [], []
        self.works -= len(works)
        self.octets -= sum([work.weight for work in works.submissions])
        self._rows -= sum([work.placements for work in works.submissions])
        self.octets -= OVERHEAD_BYTES * (len(works.acknowledgements) + len(works.verbs))
        if not self.works:
            self._arrived.clear()
        self.full = self._closed or self.works >= self._messages_max or self.octets >= self._octets_max
        if not self.full:
            self._space.set()
        return works

    def _submissions(self, now: float) -> list[Submission]:
        taken: list[Submission] = []
        short = self._short
        rows = self._take_quiet(taken, SHORT_PLACEMENTS if short else PLACEMENTS_MAX, now)
        quiet = len(taken)
        # Beside those of quiet devices, however many these are: what a gateway says must not wait for ever.
        others = min(max((self._rows - rows) // SHORT_SHARE, SHORT_OTHERS), SHORT_PLACEMENTS)
        most = rows + others if short else PLACEMENTS_MAX
        if self._passed and self._turns:
            # However many quiet devices there are, and however large it is.
            most = max(most, rows + self._turns[0][2][0].placements)
        self._take_turns(taken, rows, most, now)
        self._passed = bool(self._turns) and len(taken) == quiet
        return taken

    def _take_quiet(self, taken: list[Submission], most: int, now: float) -> int:
        """Take of each quiet device what one says; what is left of it has turns. Return how many rows that makes."""
        rows = 0
        while self._quiet:
            line = self._quiet[0]
            until = rows + QUIET_MAX
            while line and rows + line[0].placements <= until:
                if rows + line[0].placements > most and taken:
                    return rows
                rows += line[0].placements
                taken.append(line.popleft())
            self._leave(self._quiet.popleft(), taken, now)
        return rows

    def _take_turns(self, taken: list[Submission], rows: int, most: int, now: float) -> None:
        """Take of the others, of each until it has had its turn, which may end with a large one."""
        while self._turns and (rows + self._turns[0][2][0].placements <= most or not taken):
            _, _, line = heapq.heappop(self._turns)
            until = rows + TURN_PLACEMENTS
            while line and rows < until and (rows + line[0].placements <= most or not taken):
                rows += line[0].placements
                taken.append(line.popleft())
            self._leave(line, taken, now)

    def _leave(self, line: deque[Submission], taken: list[Submission], now: float) -> None:
        """Let a line that has had its turn have another, or end where the last that was taken was its last."""
        if line:
            self._line_up(line, now)
        else:
            del self._lines[taken[-1].seat.row]

    def _line_up(self, line: deque[Submission], now: float) -> None:
        row = line[0].seat.row
        said = max(self._said.get(row, 0), self._before.get(row, 0))
        later_s = LATER_S * (said // (QUIET_MAX + 1)).bit_length()
        heapq.heappush(self._turns, (now + later_s, next(self._numbers), line))

    def put_back(self, acknowledgements: list[Acknowledgement]) -> None:
        """Keep acknowledgements for the next commit, before what has arrived since: this one failed for now."""
        self._acknowledgements[:0] = acknowledgements
        self.works += len(acknowledgements)
        self.octets += OVERHEAD_BYTES * len(acknowledgements)
        if acknowledgements:
            self._arrived.set()
        if self.works >= self._messages_max or self.octets >= self._octets_max:
            # Whoever waits for room would be called at once, find none, and wait again, round and round.
            self.full = True
            self._space.clear()
