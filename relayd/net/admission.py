"""The wire's room: who may connect at all, before anything is computed for them.

An address of a machine and the time enter; a yes or the reason of a no leaves. The rule of this file: an address is
kept in memory only, as a hash under a key of this process, and never logged (protocol.md §5, §6).
"""

import ipaddress
from typing import Final

from relayd.config import LimitsSection
from relayd.services.rates import Rates
from relayproto.primitives import blake2b_256

_NETWORK_BYTES: Final = 8
"""One customer gets a /64 of IPv6 at least, so that is what counts as one address."""


class Admission:
    """Counts connections, half-open ones, and new ones by address. ``key``: 32 random bytes of this process."""

    __slots__ = ("_half_open", "_key", "_limits", "_open", "_rates")

    def __init__(self, limits: LimitsSection, key: bytes) -> None:
        self._limits = limits
        self._key = key
        self._rates: Rates[bytes] = Rates(per_s=limits.address_rate_per_s, burst=limits.address_burst)
        self._open = 0
        self._half_open = 0

    def refuse(self, host: str, now: float) -> str | None:
        """Return why a new connection is refused, or count it as open and half-open and return None."""
        if self._open >= self._limits.connections_max:
            return "connections"
        if self._half_open >= self._limits.half_open_max:
            return "half_open"
        if self._rates.take(self._hashed(host), now):
            return "address"
        self._open += 1
        self._half_open += 1
        return None

    def shown(self) -> None:
        """One that was half-open has shown who it is."""
        self._half_open -= 1

    def left(self, *, half_open: bool) -> None:
        """One is gone."""
        self._open -= 1
        self._half_open -= half_open

    def _hashed(self, host: str) -> bytes:
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        packed = (mapped or address).packed
        return blake2b_256(packed[:_NETWORK_BYTES], key=self._key)[:16]
