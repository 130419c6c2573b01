"""The wire's room: who is read next, where more has come than one turn of the loop can take.

Connections that have sent something enter; their ``take`` is called, part by part. The rules of this file: who has used
least of the loop comes first, where whoever was away begins a little below those who wait (as sleepers do in fair
schedulers of processes): a device that says little is answered at once whatever a thousand others say, and to come anew
brings nobody more. Who says little and has used more than they have comes next, before all who say much. Whoever has
not shown who he is waits behind those who have; of those, places have their turn one after the other, so that a place
with many connections keeps nobody of another waiting, and of one place the first comes first.
"""

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final, Protocol

from relayd.clock import Clock
from relayd.net.outbox import Hold, Outbox

FRAMES_AT_ONCE_MAX: Final = 64
"""Frames that are taken of one connection before others have their turn: half a millisecond of the usual ones."""
FRAME_S_MAX: Final = 0.0001
"""What a frame counts as used at most. If it took longer the machine has given the core to others, and who was
interrupted is not put back for it; to ask for the processor's own time is a system call, a tenth of the loop's time."""
AHEAD_S: Final = 0.002
"""Of the loop's time, by which whoever comes is before those who wait: some forty messages. What else was not used in a
pause is gone, so that nobody saves up for a flood."""
TURN_S_MAX: Final = 0.00025
"""Of one turn, that those who wait get together; then sockets are looked at again, and what is ready is said."""
STRANGERS_A_TURN_MAX: Final = 4
"""Of those who have not shown who they are, in one turn: what they ask for, signatures to verify, is done after it."""

WASTE_MAX: Final = 1_000
"""Frames of one connection at once that ask for nothing or for more than a rate allows: PING, kinds that nobody knows,
acknowledgements without news, verbs over the rate, submissions before their time. A device says a few in an hour; who
says so many is sent away."""
WASTE_PER_S: Final = 10.0
"""And so many a second on."""
MODEST_MAX: Final = 24
"""Frames of one connection at once, up to which it comes before those that say more, whatever it has used: those of a
person, or of a small application."""
MODEST_PER_S: Final = 40.0
"""And so many a second on."""


class Taker(Protocol):
    """A connection that has kept what came."""

    def take(self) -> bool:
        """Take a part of it, FRAMES_AT_ONCE_MAX frames at most; return whether there is more. This does not raise."""


class Share:
    """What one connection has used of the loop; ``known`` once it has shown who it is."""

    __slots__ = (
        "_said",
        "_said_since",
        "_waste",
        "_waste_since",
        "frames",
        "known",
        "outbox",
        "used_s",
        "waits",
    )

    def __init__(self, outbox: Outbox, now: float) -> None:
        self.outbox = outbox
        self.used_s = 0.0
        """Seconds, on the scale of the ``Shares``."""
        self.frames = 0
        """That were taken of it, which whoever takes counts."""
        self._waste = self._said = 0.0
        self._waste_since = self._said_since = now
        self.known = False
        self.waits = False

    def wasted(self, frames: int, now: float) -> bool:
        """Note frames that asked for nothing; return whether they were too many."""
        self._waste = max(0.0, self._waste - (now - self._waste_since) * WASTE_PER_S) + frames
        self._waste_since = now
        return self._waste > WASTE_MAX

    def said(self, frames: int, now: float) -> None:
        """Note frames that were taken at ``now``."""
        self._said = max(0.0, self._said - (now - self._said_since) * MODEST_PER_S) + frames
        self._said_since = now

    def is_modest(self, now: float) -> bool:
        """Say whether it has said little lately."""
        return self._said - (now - self._said_since) * MODEST_PER_S <= MODEST_MAX


_Line = list[tuple[float, int, Taker, Share]]


class Shares:
    """Those who wait for their turn: devices, and behind them whoever has not shown who he is."""

    __slots__ = ("_clock", "_devices", "_due", "_level_s", "_modest", "_numbers", "_soon", "_strangers")

    def __init__(self, clock: Clock, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` calls a function in one of the loop's next turns: ``Agenda.soon``."""
        self._clock = clock
        self._soon = soon
        self._devices: _Line = []
        self._modest: deque[tuple[Taker, Share]] = deque()
        """Those who say little and have used more than others have, who come first, but not at once."""
        self._strangers: dict[bytes, deque[tuple[Taker, Share]]] = {}
        """Place -> who waits there; the place whose turn is next stands first."""
        self._numbers = count()
        self._level_s = 0.0
        """What those who wait have used, but for who came after a pause and is up to AHEAD_S below; it never falls."""
        self._due = False
        """Whether a turn is to come, or is."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._modest) + len(self._devices) + sum(map(len, self._strangers.values()))

    def enter(self, taker: Taker, share: Share, place: bytes = b"") -> None:
        """Let a connection take what came, now or when it is its turn; ``place`` is where it comes from."""
        if share.waits:
            return
        if share.known:
            self._catch_up(share)
            nobody_waits = not (self._devices or self._modest)
            if (nobody_waits or share.used_s < self._level_s) and not self._serve(taker, share):
                return
        self.line_up(taker, share, place)

    def line_up(self, taker: Taker, share: Share, place: bytes = b"") -> None:
        """Let a connection take what it has kept when it is its turn, never now: whoever calls tells others as well."""
        if share.waits:
            return
        share.waits = True
        share.outbox.hold(Hold.TURN)
        if not self._due:
            self._due = True
            self._soon(self._pass)
        if share.known:
            self._catch_up(share)
            if share.is_modest(self._clock.monotonic()):
                # What it has used beyond others is gone: it would be last for as long when it says much for once.
                share.used_s = min(share.used_s, self._level_s)
                self._modest.append((taker, share))
                return
        self._wait(taker, share, place)

    def _catch_up(self, share: Share) -> None:
        share.used_s = max(share.used_s, self._level_s - AHEAD_S)

    def _wait(self, taker: Taker, share: Share, place: bytes) -> None:
        if share.known:
            heapq.heappush(self._devices, (share.used_s, next(self._numbers), taker, share))
        else:
            self._strangers.setdefault(place, deque()).append((taker, share))

    def _pass(self) -> None:
        try:
            self._take_some(self._clock.monotonic())
        finally:
            self._due = bool(self._modest or self._devices or self._strangers)
            if self._due:
                self._soon(self._pass)

    def _take_some(self, began: float) -> None:
        while self._modest and self._clock.monotonic() - began < TURN_S_MAX:
            taker, share = self._modest.popleft()
            self._take_turn(taker, share, b"")
        # One of those that say much at least, however many say little.
        while self._devices:
            _, _, taker, share = heapq.heappop(self._devices)
            self._take_turn(taker, share, b"")
            if self._clock.monotonic() - began >= TURN_S_MAX:
                break
        # One of them at least each time, however much devices say: otherwise nobody could log in while some flood.
        for _ in range(STRANGERS_A_TURN_MAX):
            if not self._strangers:
                break
            place, line = next(iter(self._strangers.items()))
            del self._strangers[place]
            taker, share = line.popleft()
            if line:
                self._strangers[place] = line
            self._take_turn(taker, share, place)
            if self._clock.monotonic() - began >= TURN_S_MAX:
                break

    def _take_turn(self, taker: Taker, share: Share, place: bytes) -> None:
        if self._serve(taker, share):
            self._wait(taker, share, place)
        else:
            share.waits = False
            share.outbox.release(Hold.TURN)

    def _serve(self, taker: Taker, share: Share) -> bool:
        began, frames = self._clock.monotonic(), share.frames
        known, more = share.known, taker.take()
        frames = max(1, share.frames - frames)  # a record may have none, and a part of one has none
        share.said(frames, began)
        frames_s = FRAME_S_MAX * frames
        share.used_s += min(self._clock.monotonic() - began, frames_s)
        if known:
            least_s = min(share.used_s, self._devices[0][0]) if self._devices else share.used_s
            self._level_s = max(self._level_s, least_s)
        elif share.known:
            self._catch_up(share)
        return more
