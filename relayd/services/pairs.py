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

    def take(self, device: int, accounts: Iterable[AccountId], now: float) -> int:
        """Count one for each pair and return 0, or for none and return how many ms to wait until each may have one.

        ``device`` is the sender's mailbox.
        """
        row, rates = device.to_bytes(8), self._rates
        keys = dict.fromkeys([self._key_of(row, account) for account in accounts])
        waits = {key: rates.take(key, now) for key in keys}
        longest_ms = max(waits.values())
        if longest_ms:
            for key, wait_ms in waits.items():
                if not wait_ms:
                    rates.give_back(key)
        return longest_ms

    def _key_of(self, row: bytes, account: AccountId) -> bytes:
        """Return what a pair is known by."""
        return blake2b_256(row + account, key=self._key)[:_KEY_BYTES]
