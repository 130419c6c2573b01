"""The wire's room: one pass a turn of the loop, and one clock for all deadlines.

Connections that have something to say or something to wait for enter; their ``flush`` and ``overdue`` are called. The
rule of this file: one write a connection a turn, and one timer for the process, however many connections there are.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, Protocol

from relayd.clock import Clock

TICK_S: Final = 0.5
"""How often deadlines are looked at; the shortest one is two seconds."""
PIECE: Final = 8
"""Connections that are closed in one turn because their peers have, or looked at because a deadline has come: each
takes 10 to 20 us, and as much where it then has something to say."""
PIECE_SHARE: Final = 256
"""Or one part in so many of those that wait: ten thousand have had their turn after 700 pieces, a second or two."""


def _piece_of(waiting: int) -> int:
    return min(max(PIECE, waiting // PIECE_SHARE), waiting)


class Speaker(Protocol):
    """Somebody who has something to say."""

    def flush(self, now_ms: int, now: float) -> None:
        """Say it."""


class Turn:
    """The speakers of this turn. Whoever is added while it runs speaks in the next one."""

    __slots__ = ("_clock", "_due", "_soon", "_speakers")

    def __init__(self, clock: Clock, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` calls a function in one of the loop's next turns: ``Agenda.soon``."""
        self._clock = clock
        self._soon = soon
        self._speakers: list[Speaker] = []
        self._due = False
        """Whether ``soon`` is to call; all may have spoken by then."""

    def add(self, speaker: Speaker) -> None:
        """Let ``speaker`` flush soon, in one of the next turns; it sees to it that it is added once."""
        if not self._due:
            self._due = True
            self._soon(self._turn)
        self._speakers.append(speaker)

    def _turn(self) -> None:
        self._due = False
        self.speak()

    def speak(self) -> None:
        """Let all of them flush now: after a commit nobody is to wait for what else the loop finds in its next turn."""
        speakers, self._speakers = self._speakers, []
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        for speaker in speakers:
            speaker.flush(now_ms, now)


class Leaver(Protocol):
    """Somebody whose peer has closed its side."""

    def exit(self) -> None:
        """Close ours."""

    def cut(self) -> None:
        """Close it at once."""


class Exits:
    """Those whose peers have closed, a few in each turn: a network that fails ends thousands at once."""

    __slots__ = ("_failed", "_leavers", "_soon")

    def __init__(self, soon: Callable[[Callable[[], None]], object], failed: Callable[[Exception], object]) -> None:
        """``soon`` calls a function in one of the next turns: ``Agenda.soon``; ``failed`` hears of our mistakes."""
        self._soon = soon
        self._failed = failed
        self._leavers: deque[Leaver] = deque()

    def enter(self, leaver: Leaver) -> None:
        """Let ``leaver`` exit when it is its turn; it sees to it that it enters once."""
        self._leavers.append(leaver)
        if len(self._leavers) == 1:
            self._soon(self._pass)

    def _pass(self) -> None:
        try:
            for _ in range(_piece_of(len(self._leavers))):
                self._let_out(self._leavers.popleft())
        finally:
            if self._leavers:
                self._soon(self._pass)

    def _let_out(self, leaver: Leaver) -> None:
        try:
            leaver.exit()
        except Exception as error:  # noqa: BLE001 - the others want to leave as well
            self._failed(error)
            leaver.cut()


class Sleeper(Protocol):
    """Somebody who waits for a deadline."""

    def overdue(self, now: float) -> None:
        """Do what the deadline asks for, if it has really come."""


class Wheel:
    """Deadlines by half seconds. A sleeper stands in at most one slot, which it keeps to leave it again.

    Those of a slot are called in the order in which they were put there, so that what happened can be repeated, and a
    few in each turn: a flood of connections that say nothing has one deadline.
    """

    __slots__ = ("_clock", "_done", "_due", "_passes", "_slots", "_soon")

    def __init__(self, clock: Clock, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` calls a function in one of the next turns: ``Agenda.soon``."""
        self._clock = clock
        self._soon = soon
        self._due: dict[Sleeper, None] = {}
        """Those whose deadline has come, until they were called."""
        self._passes = False
        """Whether ``soon`` is to call; all may have left by then."""
        self._done = int(clock.monotonic() / TICK_S)
        self._slots: dict[int, dict[Sleeper, None]] = {}

    def put(self, sleeper: Sleeper, deadline: float) -> int:
        """Call ``sleeper.overdue`` at the deadline, at most a tick and some turns late; return the slot."""
        slot = max(int(deadline / TICK_S), self._done) + 1
        self._slots.setdefault(slot, {})[sleeper] = None
        return slot

    def take(self, sleeper: Sleeper, slot: int) -> None:
        """Forget the sleeper's deadline."""
        sleepers = self._slots.get(slot)
        if sleepers is None:
            self._due.pop(sleeper, None)
            return
        sleepers.pop(sleeper, None)
        if not sleepers:
            del self._slots[slot]

    def tick(self) -> None:
        """Wake everybody whose deadline has come, in the next turns."""
        last, self._done = self._done, int(self._clock.monotonic() / TICK_S)
        for slot in range(last + 1, self._done + 1):
            self._due.update(self._slots.pop(slot, {}))
        if self._due and not self._passes:
            self._passes = True
            self._soon(self._pass)

    def _pass(self) -> None:
        now = self._clock.monotonic()
        try:
            for sleeper in list(islice(self._due, _piece_of(len(self._due)))):
                if sleeper in self._due:  # else somebody before it has ended it
                    del self._due[sleeper]
                    sleeper.overdue(now)
        finally:
            self._passes = bool(self._due)
            if self._passes:
                self._soon(self._pass)

    async def turn_forever(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()


class Alarm:
    """The one deadline of one sleeper; cheap to move, since it stays where it is when it moves to later.

    It does not hold its sleeper, which holds it: who has gone is to be forgotten at once, not by the collector.
    """

    __slots__ = ("_at", "_slot", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._at = float("inf")
        self._slot = 0

    def set(self, sleeper: Sleeper, deadline: float) -> None:
        """Wake the sleeper at ``deadline`` at the latest; it looks itself whether something is due."""
        if deadline < self._at:
            self.clear(sleeper)
            self._at = deadline
            self._slot = self._wheel.put(sleeper, deadline)

    def rang(self) -> None:
        """The wheel has called."""
        self._at = float("inf")

    def clear(self, sleeper: Sleeper) -> None:
        """Wake nobody any more."""
        if self._at != float("inf"):
            self._wheel.take(sleeper, self._slot)
            self._at = float("inf")
