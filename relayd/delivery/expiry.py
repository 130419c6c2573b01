"""The delivery room: the loop that removes what has expired.

Time enters by the store's own clock; outcomes and holes leave through the store's commits. The rule of this file: each
pass is one bounded transaction, and between two of them everybody else's works go first (protocol.md §4).
"""

import asyncio
from typing import Final, Protocol

from relayd.domain.refusals import Fault
from relayd.logs import get_logger

IDLE_S: Final = 1.0
"""How late an outcome 'expired' may be; the pump checks the time itself, so nothing is delivered late."""
BUSY_S: Final = 0.02
"""Between two passes that found work: a pass takes about 5 ms, so expiry has at most a fifth of the writer."""

_log = get_logger("delivery")


class Sweeper(Protocol):
    """The part of the store that removes what has expired."""

    async def sweep(self) -> int:
        """Remove a bounded number of expired rows and return how many there were."""


async def expire_forever(store: Sweeper, *, idle_s: float = IDLE_S, busy_s: float = BUSY_S) -> None:
    """Sweep until cancelled. A fault of the disk is logged and the next pass tries again."""
    while True:
        try:
            removed = await store.sweep()
        except Fault as fault:
            _log.warning("sweep failed", code=fault.code)
            removed = 0
        await asyncio.sleep(busy_s if removed else idle_s)
