"""Clocks that stand still until a test moves them."""


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
