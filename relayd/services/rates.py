"""The services' room: token buckets, by which rates are limited.

A key, a cost and the time enter; how long to wait leaves. The rule of this file: what is remembered is bounded, and
a bucket that would be full again is the one that is forgotten first (protocol.md §5).
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BUCKETS_MAX: Final = 65_536
"""About 10 MB. A bucket that was untouched for longest is the first to be full again, and is the first to go."""

_FORGOTTEN_AT_ONCE: Final = 2
"""One comes at a time, so two a time get all of them in the end."""

_ROUNDING_S: Final = 1e-6
"""What sums of floating-point seconds may be off by; nobody is made to wait for it."""


class Rates(Generic[K]):
    """A token bucket a key: ``burst`` tokens at once, ``per_s`` tokens a second after that.

    A bucket is kept as the time at which it is full again, which is one number and needs no refilling.
    """

    __slots__ = ("_burst_s", "_each_s", "_full_at", "_keys_max")

    def __init__(self, *, per_s: float, burst: float, keys_max: int = BUCKETS_MAX) -> None:
        self._each_s = 1 / per_s
        self._burst_s = burst / per_s
        self._keys_max = keys_max
        self._full_at: OrderedDict[K, float] = OrderedDict()

    def wait_ms(self, key: K, now: float, cost: float = 1.0) -> int:
        """Return how many ms it takes until ``cost`` tokens are there, 0 where they are; none is taken.

        A cost above the burst counts as the whole burst, so that nothing is refused for ever.
        """
        full_at = max(self._full_at.get(key, now), now) + min(cost * self._each_s, self._burst_s)
        return self._missing_ms(full_at - now)

    def take(self, key: K, now: float, cost: float = 1.0) -> int:
        """Take ``cost`` tokens and return 0, or take none and return how many ms to wait until they are there."""
        kept = self._full_at
        full_at = max(kept.get(key, now), now) + min(cost * self._each_s, self._burst_s)
        if full_at - now - self._burst_s > _ROUNDING_S:
            return self._missing_ms(full_at - now)
        kept[key] = full_at
        kept.move_to_end(key)
        if len(kept) > self._keys_max:
            kept.popitem(last=False)
        if kept[next(iter(kept))] <= now:
            self._forget(now)
        return 0

    def give_back(self, key: K, cost: float = 1.0) -> None:
        """Undo a ``take`` right after it, as if it had not been."""
        self._full_at[key] -= min(cost * self._each_s, self._burst_s)

    def _missing_ms(self, until_full_s: float) -> int:
        """Return how long to wait where a bucket would be full again after so many seconds."""
        missing_s = until_full_s - self._burst_s
        return 0 if missing_s <= _ROUNDING_S else 1 + int((missing_s + _ROUNDING_S) * 1000)

    def _forget(self, now: float) -> None:
        """Forget the oldest buckets that are full again, a few each time: whose they were is nobody's business."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now:
                return
            del self._full_at[oldest]
