"""The device's room: how long to wait before the next connection.

How a connection ended enters; the seconds until the next try leave.
The rule of this file: full jitter (spec 20 §7). After a relay's restart a hundred thousand devices come back; what
spreads them is that each waits a random part of a growing ceiling, never the ceiling itself.
"""

from dataclasses import dataclass
from typing import Final

from relayproto.primitives import Entropy

FIRST_CEILING_S: Final = 1.0
"""A connection that broke once on a mobile network is back within a second."""
CEILING_S: Final = 60.0
"""A relay that was away for an hour has everybody back within a minute."""
_DOUBLINGS_MAX: Final = 6
_FRACTION_BITS: Final = 32


@dataclass(slots=True)
class Backoff:
    """Counts failed tries in a row; one a device."""

    entropy: Entropy
    tries: int = 0

    def next_s(self, after_ms: int = 0) -> float:
        """Return the seconds to wait before the next try: at least what GOAWAY asked for, plus the jitter."""
        ceiling_s = min(CEILING_S, FIRST_CEILING_S * (1 << min(self.tries, _DOUBLINGS_MAX)))
        self.tries += 1
        fraction = int.from_bytes(self.entropy(_FRACTION_BITS // 8), "big") / (1 << _FRACTION_BITS)
        return after_ms / 1000 + fraction * ceiling_s

    def reset(self) -> None:
        """Begin again at the first ceiling: the relay welcomed us."""
        self.tries = 0
