"""The services' room: token buckets, by which rates are limited.

A key, a cost and the time enter; how long to wait leaves. The rule of this file: what is remembered is bounded, and
a bucket that would be full again is the one that is forgotten first (protocol.md §5).
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BUCKETS_MAX: Final = 65_536
"""About 15 MB. A bucket that was untouched for longest is the first to be full again, and is the first to go."""

_FORGOTTEN_AT_ONCE: Final = 2
"""One comes at a time, so two a time get all of them in the end."""


class Rates(Generic[K]):
    """A token bucket a key: ``burst`` tokens at once, ``per_s`` tokens a second after that."""

    __slots__ = ("_buckets", "_burst", "_keys_max", "_per_s")

    def __init__(self, *, per_s: float, burst: float, keys_max: int = BUCKETS_MAX) -> None:
        self._per_s = per_s
        self._burst = burst
        self._keys_max = keys_max
        self._buckets: OrderedDict[K, tuple[float, float]] = OrderedDict()

    def wait_ms(self, key: K, now: float, cost: float = 1.0) -> int:
        """Return how many ms it takes until ``cost`` tokens are there, 0 where they are; none is taken.

        A cost above the burst counts as the whole burst, so that nothing is refused for ever.
        """
        return self._wait_ms(self._tokens(key, now), cost)

    def take(self, key: K, now: float, cost: float = 1.0) -> int:
        """Take ``cost`` tokens and return 0, or take none and return how many ms to wait until they are there."""
        tokens = self._tokens(key, now)
        wait_ms = self._wait_ms(tokens, cost)
        if wait_ms == 0:
            self._buckets[key] = (tokens - min(cost, self._burst), now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
            self._forget(now)
        return wait_ms

    def _forget(self, now: float) -> None:
        """Forget the oldest buckets that are full again, a few each time: whose they were is nobody's business."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            oldest = next(iter(self._buckets))
            if self._tokens(oldest, now) < self._burst:
                return
            del self._buckets[oldest]

    def _wait_ms(self, tokens: float, cost: float) -> int:
        missing = min(cost, self._burst) - tokens
        return 0 if missing <= 0 else 1 + int(missing / self._per_s * 1000)

    def _tokens(self, key: K, now: float) -> float:
        tokens, since = self._buckets.get(key, (self._burst, now))
        return min(self._burst, tokens + (now - since) * self._per_s)
