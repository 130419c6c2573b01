"""The services' room: how fast one account writes to another.

An account and its targets enter; how long to wait leaves. The rules of this file: in memory only, as hashes that no
other process makes; and of who wrote to whom only the last pairs are remembered, those that still count and few more
(``rates``; protocol.md §5, §6).
"""

from collections.abc import Sequence

from relayd.services.rates import Rates
from relayproto.ids import AccountId


class Pairs:
    """A token bucket a pair; ``key`` is random bytes of this process.

    A pair is known by Python's own hash, which is keyed for this process too and costs a tenth of a longer one: two
    pairs in 2^64 share a bucket.
    """

    __slots__ = ("_rates", "_secret")

    def __init__(self, key: bytes, *, per_s: float, burst: float) -> None:
        self._secret = int.from_bytes(key)
        self._rates: Rates[int] = Rates(per_s=per_s, burst=burst)

    def take(self, sender: AccountId, accounts: Sequence[AccountId], now: float) -> int:
        """Count one for each account that is named and return 0, or none and return how many ms to wait.

        All devices of the ``sender`` share; an account that is named twice counts twice.
        """
        secret, rates = self._secret, self._rates
        if len(accounts) == 1:  # nearly always
            return rates.take(hash((secret, sender, accounts[0])), now)
        counts: dict[int, int] = {}
        for account in accounts:
            pair = hash((secret, sender, account))
            counts[pair] = counts.get(pair, 0) + 1
        # Looked at first: who is refused must leave nothing here, or he could push all others out for nothing.
        wait_ms = max([rates.wait_ms(pair, now, count) for pair, count in counts.items()])
        if not wait_ms:
            for pair, count in counts.items():
                rates.take(pair, now, count)
        return wait_ms
