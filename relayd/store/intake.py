"""The store room: the intake, which collects what arrives while a commit is running.

Works enter in any number of turns; the next commit takes them together. The rules of this file: what is uncommitted
is bounded, and nobody waits here - a full intake says so, and the sockets are not read until it has room
(performance.md, "Rules of the hot path"). Nobody waits for an acknowledgement to be committed, so it goes along
with what somebody waits for, or alone a little later (decision 0044). And whoever says little waits for nobody who says
much: quiet devices come first, and while any are about commits are short (decision 0049); the others take turns.
"""

import asyncio
from collections import deque
from collections.abc import Callable
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
QUIET_MAX: Final = 6
"""Rows that a quiet device puts in in this window and in the one before, each at most: a message to the devices of one
person, and a receipt or two."""
WINDOW_S: Final = 0.5
"""Of a window; whoever sends one message after another, each when the one before is accepted, says 100 in it."""
ALONG_S: Final = 0.02
"""How long acknowledgements wait for something that they can go along with: a fifth of what people take for at once,
and where two devices talk it spares every second commit."""


class Intake:
    """What waits for the next commit."""

    __slots__ = ("_acknowledgements", "_arrived", "_before", "_closed", "_later", "_lines", "_messages_max",
                 "_octets_max", "_passed", "_quiet", "_quiet_before", "_quiet_now", "_rows",
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
        self._turns: deque[deque[Submission]] = deque()
        """And the others, whose turn it is first."""
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
            self._lines[row] = line = deque()
            (self._quiet if quiet else self._turns).append(line)
            self._arrived.set()
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

    def next(self) -> Works:
        """Return what the next commit takes: submissions of quiet devices first, then by turns."""
        works = Works(self._submissions(), self._acknowledgements, self._verbs)
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

    def _submissions(self) -> list[Submission]:
        taken: list[Submission] = []
        short = self._short
        rows = self._fill(taken, self._quiet, QUIET_MAX, 0, SHORT_PLACEMENTS if short else PLACEMENTS_MAX)
        quiet = len(taken)
        # Beside those of quiet devices, however many these are: what a gateway says must not wait for ever.
        others = min(max((self._rows - rows) // SHORT_SHARE, SHORT_OTHERS), SHORT_PLACEMENTS)
        most = rows + others if short else PLACEMENTS_MAX
        if self._passed and self._turns:
            # However many quiet devices there are, and however large it is.
            most = max(most, rows + self._turns[0][0].placements)
        self._fill(taken, self._turns, TURN_PLACEMENTS, rows, most)
        self._passed = bool(self._turns) and len(taken) == quiet
        return taken

    def _fill(self, taken: list[Submission], turns: deque[deque[Submission]], turn: int, rows: int, most: int) -> int:
        """Take from lines in their order, of each until it has had its ``turn``; return how many rows that makes."""
        strict = turns is self._quiet  # a turn may end with a large one, but not that of who says little
        while turns:
            line = turns.popleft()
            before, until = len(taken), rows + turn
            while line and rows + (line[0].placements if strict else 1) <= until:
                if rows + line[0].placements > most and taken:
                    break
                rows += line[0].placements
                taken.append(line.popleft())
            if not line:
                del self._lines[taken[-1].seat.row]
            elif rows + (line[0].placements if strict else 1) > until:
                self._turns.append(line)
            else:
                # Whoever has had a part of a turn does not come first again.
                (turns.appendleft if strict or len(taken) == before else turns.append)(line)
                break
        return rows

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
