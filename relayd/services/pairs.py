"""The services' room: how fast one device writes to one account.

A device and its targets enter; how long to wait leaves. The rules of this file: in memory only, as hashes under a key
of this process; and a pair is forgotten once its bucket is full again, so that nothing says for long who wrote to whom
(protocol.md §5, §6).
"""

from collections.abc import Iterable
from typing import Final

from relayd.services.rates import Rates
from relayproto.ids import AccountId
from relayproto.primitives import blake2b_256

_KEY_BYTES: Final = 16


class Pairs:
    """A token bucket a pair; ``key`` is 32 random bytes of this process."""

    __slots__ = ("_key", "_rates")

    def __init__(self, key: bytes, *, per_s: float, burst: float) -> None:
        self._key = key
        self._rates: Rates[bytes] = Rates(per_s=per_s, burst=burst)

    def key(self, device: int, account: AccountId) -> bytes:
        """Return what a pair is known by; ``device`` is the sender's mailbox."""
        return blake2b_256(device.to_bytes(8) + account, key=self._key)[:_KEY_BYTES]

    def wait_ms(self, keys: Iterable[bytes], now: float) -> int:
        """Return how many ms it takes until each of the pairs may have one more, 0 where all may now."""
        return max([self._rates.wait_ms(key, now) for key in keys])

    def take(self, keys: Iterable[bytes], now: float) -> None:
        """Count one for each of the pairs."""
        for key in keys:
            self._rates.take(key, now)
