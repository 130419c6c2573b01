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


class Rates(Generic[K]):
    """A token bucket a key: ``burst`` tokens at once, ``per_s`` tokens a second after that."""

    __slots__ = ("_buckets", "_burst", "_keys_max", "_per_s")

    def __init__(self, *, per_s: float, burst: float, keys_max: int = BUCKETS_MAX) -> None:
        self._per_s = per_s
        self._burst = burst
        self._keys_max = keys_max
        self._buckets: OrderedDict[K, tuple[float, float]] = OrderedDict()

    def take(self, key: K, now: float, cost: float = 1.0) -> int:
        """Take ``cost`` tokens and return 0, or take none and return how many ms to wait until they are there.

        A cost above the burst counts as the whole burst, so that nothing is refused for ever.
        """
        cost = min(cost, self._burst)
        tokens, since = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_s)
        enough = tokens >= cost
        self._buckets[key] = (tokens - cost if enough else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return 0 if enough else 1 + int((cost - tokens) / self._per_s * 1000)
