"""The services' room: token buckets, by which rates are limited.

A key, a cost and the time enter; how long to wait leaves. The rule of this file: what is remembered is bounded, and
whoever was touched longest ago is forgotten first: where there is room, only buckets that are full again
(protocol.md §5).
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BUCKETS_MAX: Final = 65_536
"""About 10 MB, half of it in each generation. Where the young one is full the old one goes, full again or not."""

_ROUNDING_S: Final = 1e-6
"""What sums of floating-point seconds may be off by; nobody is made to wait for it."""


class Rates(Generic[K]):
    """A token bucket a key: ``burst`` tokens at once, ``per_s`` tokens a second after that.

    A bucket is kept as the time at which it is full again, which is one number and needs no refilling. Buckets are in
    two generations, so that to forget the old ones takes no order among them: who is touched comes into the young one,
    and who was not touched for once or twice as long as an empty bucket takes to fill is gone with the old one at the
    next ``take``. Where nobody says anything nothing is forgotten.
    """

    __slots__ = ("_burst_s", "_each_s", "_keys_max", "_old", "_turns_at", "_young")

    def __init__(self, *, per_s: float, burst: float, keys_max: int = BUCKETS_MAX) -> None:
        self._each_s = 1 / per_s
        self._burst_s = burst / per_s
        self._keys_max = keys_max
        self._young: dict[K, float] = {}
        self._old: dict[K, float] = {}
        self._turns_at = float("-inf")

    def wait_ms(self, key: K, now: float, cost: float = 1.0) -> int:
        """Return how many ms it takes until ``cost`` tokens are there, 0 where they are; none is taken.

        A cost above the burst counts as the whole burst, so that nothing is refused for ever.
        """
        full_at = self._young.get(key, self._old.get(key, now))
        return self._missing_ms(max(full_at, now) + min(cost * self._each_s, self._burst_s) - now)

    def take(self, key: K, now: float, cost: float = 1.0) -> int:
        """Take ``cost`` tokens and return 0, or take none and return how many ms to wait until they are there."""
        if now >= self._turns_at:
            self._turn(now)
        known = self._young.get(key)
        full_at = self._old.get(key, now) if known is None else known
        full_at = max(full_at, now) + min(cost * self._each_s, self._burst_s)
        if full_at - now - self._burst_s > _ROUNDING_S:
            return self._missing_ms(full_at - now)
        if known is None and len(self._young) * 2 >= self._keys_max:
            self._turn(now)
        self._young[key] = full_at
        return 0

    def give_back(self, key: K, cost: float = 1.0) -> None:
        """Put tokens back that were just taken, because what they were taken for does not come about.

        A bucket is never fuller than full, so a cost above the burst gives no more back than was taken.
        """
        self._young[key] -= cost * self._each_s

    def _missing_ms(self, until_full_s: float) -> int:
        """Return how long to wait where a bucket would be full again after so many seconds."""
        missing_s = until_full_s - self._burst_s
        return 0 if missing_s <= _ROUNDING_S else 1 + int((missing_s + _ROUNDING_S) * 1000)

    def _turn(self, now: float) -> None:
        """Forget the old ones: whose they were is nobody's business. After a pause the young ones are old as well."""
        self._old, self._young = self._young if now < self._turns_at + self._burst_s else {}, {}
        self._turns_at = now + self._burst_s
