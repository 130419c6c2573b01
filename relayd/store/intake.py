"""The store room: the intake, which collects what arrives while a commit is running.

Works enter in any number of turns; the next commit takes them together. The rules of this file: what is uncommitted
is bounded, and nobody waits here - a full intake says so, and the sockets are not read until it has room
(performance.md, "Rules of the hot path"). Nobody waits for an acknowledgement to be committed, so it goes along
with what somebody waits for, or alone a little later (decision 0044). And where not all fits one commit, devices take
turns, so that who says little does not wait for who says much.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from relayd.store.works import OVERHEAD_BYTES, Acknowledgement, Submission, Verb, Works
from relayproto.limits import STAMPED_TOGETHER_MAX

PLACEMENTS_MAX: Final = 512
"""Rows that one commit puts in, about: some 40 ms, which whoever comes when it has begun waits, and again for his own.
Twice as many make nothing faster."""
TURN_PLACEMENTS: Final = 64
"""Rows of one device before others have their turn: answers that leave together cost less than one by one."""
ALONG_S: Final = 0.02
"""How long acknowledgements wait for something that they can go along with: a fifth of what people take for at once,
and where two devices talk it spares every second commit."""


class Intake:
    """What waits for the next commit."""

    __slots__ = ("_acknowledgements", "_arrived", "_closed", "_later", "_lines", "_messages_max", "_octets_max",
                 "_space", "_turns", "_verbs", "_waits", "full", "octets", "works")  # fmt: skip

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
        self._turns: deque[deque[Submission]] = deque()
        """The same lines, whose turn it is first."""
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
    def submitted(self) -> bool:
        """Whether a submission waits."""
        return bool(self._turns)

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

    def submit(self, work: Submission) -> None:
        """Take a submission."""
        line = self._lines.get(work.seat.row)
        if line is None:
            self._lines[work.seat.row] = line = deque()
            self._turns.append(line)
            self._arrived.set()
        line.append(work)
        self._taken(work.weight)

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
        """Return what the next commit takes, by turns; at most as many submissions as one stamp's tree holds."""
        works = Works(self._submissions(), self._acknowledgements, self._verbs)
        self._acknowledgements, self._verbs = [], []
        self.works -= len(works)
        self.octets -= sum([work.weight for work in works.submissions])
        self.octets -= OVERHEAD_BYTES * (len(works.acknowledgements) + len(works.verbs))
        if not self.works:
            self._arrived.clear()
        self.full = self._closed or self.works >= self._messages_max or self.octets >= self._octets_max
        if not self.full:
            self._space.set()
        return works

    def _submissions(self) -> list[Submission]:
        taken: list[Submission] = []
        turns, placements, until = self._turns, 0, TURN_PLACEMENTS
        while turns and len(taken) < STAMPED_TOGETHER_MAX:
            line = turns[0]
            placements += line[0].placements
            if placements > PLACEMENTS_MAX and taken:
                break
            taken.append(line.popleft())
            if not line:
                turns.popleft()
                del self._lines[taken[-1].seat.row]
            elif placements < until:
                continue
            else:
                turns.rotate(-1)
            until = placements + TURN_PLACEMENTS
        return taken

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
