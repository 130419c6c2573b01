"""Clocks that stand still until a test moves them."""

from relayd.clock import SystemClock


class HandClock:
    """Relay time and monotonic time, moved together by ``advance``."""

    def __init__(self, now: float = 1_000.0, now_ms: int = 1_790_000_000_000):
        self.now = now
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._now_ms += int(seconds * 1000)


class TurnedClock(HandClock):
    """The relay's own clock over a wall clock that somebody turns."""

    def __init__(self) -> None:
        super().__init__()
        self._wall_ms = self._now_ms
        self._relay = SystemClock(wall_ms=lambda: self._wall_ms, steady_ms=lambda: int(self.now * 1000))

    def now_ms(self) -> int:
        return self._relay.now_ms()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._wall_ms += int(seconds * 1000)

    def turn(self, seconds: float) -> None:
        """Turn the wall clock, forward or back, while no time goes by."""
        self._wall_ms += int(seconds * 1000)

    def raise_to(self, high_water_ms: int) -> None:
        """Never give a time before this one, as a relay does at its start."""
        self._relay.raise_to(high_water_ms)
