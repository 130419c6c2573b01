"""A leaf of the relay: what time it is.

The machine's clocks enter; relay time leaves, which never goes back (protocol.md §4). The rule of this file: it is
the only one of the relay that reads a clock, everything else takes ``now``, ``now_ms`` or a ``Clock`` as an argument.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Final, Protocol

JUMP_MS: Final = 5 * 60_000
"""The wall clock may run ahead of the steady one by this much at once; more is somebody's mistake until the operator
confirms it. Believing a clock that is a month ahead would expire every envelope there is."""

START_AHEAD_MS: Final = 35 * 86_400_000
"""A start may find the wall clock ahead of the high-water mark by this much: a relay may have been off for a month, and
after more than the longest lifetime of an envelope (30 days) nothing is left for which waiting would matter."""
_ASK_EVERY_MS: Final = 10_000
_TIMEX_BYTES: Final = 512
"""More than ``struct timex`` has (208)."""
_TIME_ERROR: Final = 5
"""The answer of adjtimex(2) where nothing keeps the clock."""


class Clock(Protocol):
    """Relay time and the time of connections."""

    def now_ms(self) -> int:
        """Return relay time, ms since 1970 in UTC; it never goes back."""

    def monotonic(self) -> float:
        """Return seconds since some moment; for timeouts, comparable with the event loop's time."""


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    # Counts the time that the machine slept as well, so that waking up is no jump.
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _synchronised() -> bool:
    """Say whether the kernel says that somebody, such as NTP, keeps its clock; no where it cannot be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < _TIME_ERROR)


class SystemClock:
    """The machine's clocks, made to keep the rules of relay time.

    Relay time is the wall clock's, but never less than it was, nor than the high-water mark that the store has
    kept from before. Where the wall clock jumps ahead by more than ``JUMP_MS``, relay time goes on at the steady
    clock's pace, so nothing expires early, and ``ahead_ms`` says how far the wall clock is off. That ends when the
    wall clock is put right, or when the operator confirms it (``relayd confirm-clock``, or a restart). The same holds
    for a start at which the wall clock is ``START_AHEAD_MS`` beyond the high-water mark, until the operator confirms it
    or the kernel says that it is synchronised. ``behind_ms`` says how far the wall clock is behind. Both are of the
    last time given.
    """

    __slots__ = (
        "_ask_at_ms", "_last_ms", "_last_steady_ms", "_steady_ms", "_synchronised", "_wall_ms", "ahead_ms", "behind_ms",
    )  # fmt: skip

    def __init__(
        self,
        high_water_ms: int = 0,
        *,
        wall_ms: Callable[[], int] = _wall_ms,
        steady_ms: Callable[[], int] = _steady_ms,
        synchronised: Callable[[], bool] = _synchronised,
    ) -> None:
        """Start at the wall clock's time, or at the high-water mark where that is later."""
        self._wall_ms = wall_ms
        self._steady_ms = steady_ms
        self._synchronised = synchronised
        self._ask_at_ms: int | None = None
        self._last_ms = max(wall_ms(), high_water_ms)
        self._last_steady_ms = steady_ms()
        self.ahead_ms = self.behind_ms = 0

    def raise_to(self, high_water_ms: int) -> None:
        """Never give a time before this one from now on, which the store has kept (unix ms, 0 for a new one).

        Called once, at the start, before anything is done by relay time: where the wall clock is too far ahead to be
        believed, relay time goes on from here.
        """
        if not 0 < high_water_ms < self._wall_ms() - START_AHEAD_MS or self._synchronised():
            self._last_ms = max(self._last_ms, high_water_ms)
            return
        self._last_ms, self._last_steady_ms = high_water_ms, self._steady_ms()
        self._ask_at_ms = self._last_steady_ms + _ASK_EVERY_MS

    def confirm(self) -> None:
        """Believe the wall clock, however far it is ahead."""
        self._last_ms = max(self._last_ms, self._wall_ms())
        self._last_steady_ms = self._steady_ms()
        self.ahead_ms = 0
        self._ask_at_ms = None

    def now_ms(self) -> int:
        """Return relay time, ms since 1970 in UTC."""
        wall_ms = self._wall_ms()
        steady_ms = self._steady_ms()
        if self._ask_at_ms is not None and steady_ms >= self._ask_at_ms:
            self._ask_at_ms = steady_ms + _ASK_EVERY_MS
            if self._synchronised():
                self.confirm()
        expected_ms = self._last_ms + steady_ms - self._last_steady_ms
        self._last_steady_ms = steady_ms
        if wall_ms > expected_ms + JUMP_MS:
            self.ahead_ms = wall_ms - expected_ms
            self._last_ms = expected_ms
        elif wall_ms < expected_ms - JUMP_MS:
            # Standing still until it catches up, a year perhaps, would keep every one-time code good for so long.
            self.ahead_ms = 0
            self._last_ms = expected_ms
        else:
            self.ahead_ms = 0
            self._last_ms = max(self._last_ms, wall_ms)
        self.behind_ms = max(0, self._last_ms - wall_ms)
        return self._last_ms

    def wall_ms(self) -> int:
        """Return what the wall clock says, right or wrong."""
        return self._wall_ms()

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock, the one that asyncio and uvloop use."""
        return time.monotonic()
