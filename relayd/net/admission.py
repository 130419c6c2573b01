"""The wire's room: who may connect at all, before anything is computed for them.

An address of a machine and the time enter; a yes or the reason of a no leaves, and who has to go for it. The rule of
this file: an address is kept in memory only, as a hash under a key of this process, and never logged (protocol.md §5,
§6).
"""

import socket
from collections import Counter
from typing import Final, Protocol

from relayd.config import LimitsSection
from relayd.services.rates import Rates
from relayproto.primitives import blake2b_256

_NETWORK_BYTES: Final = 8
"""One customer gets a /64 of IPv6 at least, so that is what counts as one address."""
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""What an IPv4 address has in front on a socket of both kinds (RFC 4291 2.5.5.2)."""


class Stranger(Protocol):
    """A connection that has not shown who it is."""

    def cut(self) -> None:
        """Close at once."""


class Admission:
    """Counts connections, half-open ones, and those of each address. ``key``: 32 random bytes of this process."""

    __slots__ = ("_by_place", "_crowds", "_half_open", "_key", "_limits", "_open", "_rates", "_strangers")

    def __init__(self, limits: LimitsSection, key: bytes) -> None:
        self._limits = limits
        self._key = key
        self._rates: Rates[bytes] = Rates(per_s=limits.address_rate_per_s, burst=limits.address_burst)
        self._by_place: Counter[bytes] = Counter()
        self._strangers: dict[bytes, dict[Stranger, None]] = {}
        """Place -> those of its connections that are half-open, the oldest first."""
        self._crowds: dict[int, dict[bytes, None]] = {}
        """How many are half-open -> the places that have so many. Of places there can be as many as half-open
        connections, and each knock looks for the fullest; of different numbers there are few: they add up to that."""
        self._open = 0
        self._half_open = 0

    @property
    def half_open(self) -> int:
        """How many have not shown who they are."""
        return self._half_open

    def place(self, host: str) -> bytes:
        """Return what an address is known by here, 16 bytes."""
        if ":" in host:
            packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0]).removeprefix(_MAPPED)
        else:
            packed = socket.inet_pton(socket.AF_INET, host)
        return blake2b_256(packed[:_NETWORK_BYTES], key=self._key)[:16]

    def admit(self, place: bytes, now: float) -> str | None:
        """Return why a new connection is refused, or count it as open and return None."""
        if self._open >= self._limits.connections_max:
            return "connections"
        if self._by_place[place] >= self._limits.address_connections_max:
            return "address_connections"
        if self._rates.take(place, now):
            return "address_rate"
        self._by_place[place] += 1
        self._open += 1
        return None

    def entered(self, place: bytes, stranger: Stranger) -> Stranger | None:
        """Count one that was not refused as half-open; return who is to be cut where that is one too many.

        It is the oldest one of the place that has most of them: a handshake takes a moment, holding a place does not
        end, and whoever were refused instead would be the honest, since who floods comes again at once.
        """
        gone = None
        if self._half_open >= self._limits.half_open_max:
            crowded = next(iter(self._crowds[max(self._crowds)]))
            gone = next(iter(self._strangers[crowded]))
            self.shown(crowded, gone)
        self._half_open += 1
        strangers = self._strangers.setdefault(place, {})
        strangers[stranger] = None
        self._crowd(place, len(strangers) - 1, len(strangers))
        return gone

    def left(self, place: bytes, stranger: Stranger | None) -> None:
        """One is gone; None: it never entered."""
        if stranger is not None:
            self.shown(place, stranger)
        self._open -= 1
        self._by_place[place] -= 1
        if not self._by_place[place]:
            del self._by_place[place]

    def shown(self, place: bytes, stranger: Stranger) -> None:
        """One that was half-open, if it still is, has shown who it is."""
        strangers = self._strangers.get(place, {})
        if stranger in strangers:
            del strangers[stranger]
            self._half_open -= 1
            self._crowd(place, len(strangers) + 1, len(strangers))
            if not strangers:
                del self._strangers[place]

    def _crowd(self, place: bytes, before: int, now: int) -> None:
        """Keep a place among those that have as many half-open connections."""
        if before:
            places = self._crowds[before]
            del places[place]
            if not places:
                del self._crowds[before]
        if now:
            self._crowds.setdefault(now, {})[place] = None
