"""The device's clock: the only place of relayclient that reads one.

The machine's clock enters, and the relay's time from WELCOME; relay time leaves. The rule of this file: relay time
never goes back, so that nothing which has expired comes to life again (spec 50 §4).
"""

import time
from collections.abc import Callable

_MS = 1000.0


class RelayClock:
    """The relay's time as far as the device knows it: the machine's own until a WELCOME has said more."""

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the clocks to read, seconds each; the defaults are the machine's."""
        self._monotonic_s = monotonic_s
        self._origin_ms = int(wall_s() * _MS)
        self._started_s = monotonic_s()
        self._shown_ms = self._origin_ms

    def monotonic(self) -> float:
        """Return seconds that only grow, for deadlines."""
        return self._monotonic_s()

    def now_ms(self) -> int:
        """Return the relay's time, unix milliseconds; a call never returns less than the one before."""
        passed_ms = int((self._monotonic_s() - self._started_s) * _MS)
        self._shown_ms = max(self._shown_ms, self._origin_ms + passed_ms)
        return self._shown_ms

    def follow(self, relay_now_ms: int) -> None:
        """Take over the time that a WELCOME has said; where it is behind, the clock stands until it has caught up."""
        self._origin_ms = relay_now_ms
        self._started_s = self._monotonic_s()
