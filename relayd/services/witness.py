"""The services' room: the relay signs how far its audit log has come, and has that carried outside (spec 80 §3).

Time enters; checkpoints leave through the unit that carries them. The rules of this file: the relay never waits for
that unit with anything else, and what could not be carried is carried later, the oldest first.
"""

import asyncio
from typing import Any, Final, Protocol

from relayd.domain.refusals import Fault
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayproto.administration_replies import Checkpoint

EVERY_S: Final = 3_600.0
RETRY_S: Final = 60.0
TOGETHER_MAX: Final = 100
"""Checkpoints of four days, so that a carrier which was away for long catches up within minutes."""

_log = get_logger("audit")


class Log(Protocol):
    """The part of the store that keeps the log."""

    async def check_in(self, relay: bytes, key_id: int) -> bool:
        """Sign how far the log has come."""

    async def to_carry(self, maximum: int) -> list[Checkpoint]:
        """Return checkpoints that are not outside yet."""

    async def carried(self, records: int) -> None:
        """Note that one is."""


class Carrier(Protocol):
    """The unit that carries."""

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return its answer. Raises Fault."""


class Witness:
    """Signs and hands over; ``relay`` is the fingerprint of the root, ``key_id`` names the present relay key."""

    __slots__ = ("_carrier", "_counters", "_key_id", "_log", "_relay")

    def __init__(self, log: Log, carrier: Carrier | None, counters: Counters, *, relay: bytes, key_id: int) -> None:
        self._log = log
        self._carrier = carrier
        self._counters = counters
        self._relay = relay
        self._key_id = key_id

    async def run(self, every_s: float = EVERY_S, retry_s: float = RETRY_S) -> None:
        """Sign once an hour, carry what is to be carried, try again sooner where that failed; until cancelled."""
        while True:
            complete = await self.turn()
            await asyncio.sleep(every_s if complete else retry_s)

    async def turn(self) -> bool:
        """Sign and carry; say whether everything that can be outside is."""
        try:
            await self._log.check_in(self._relay, self._key_id)
            if self._carrier is None:
                return True
            waiting = await self._log.to_carry(TOGETHER_MAX)
            self._counters.checkpoints_waiting = len(waiting)
            for checkpoint in waiting:
                if not await self._carry(self._carrier, checkpoint):
                    return False
                self._counters.checkpoints_waiting -= 1
        except Fault as fault:
            _log.warning("a checkpoint waits", code=fault.code, waiting=self._counters.checkpoints_waiting)
            return False
        return len(waiting) < TOGETHER_MAX

    async def _carry(self, carrier: Carrier, checkpoint: Checkpoint) -> bool:
        answer = await carrier.ask(
            {
                "relay": self._relay.hex(),
                "records": checkpoint.records,
                "head": checkpoint.head.hex(),
                "at_ms": checkpoint.at_ms,
                "key_id": checkpoint.key_id,
                "signature": checkpoint.signature.hex(),
            }
        )
        if answer.get("carried") != checkpoint.records:
            reason = answer.get("error")
            # Only what is text already: making text of whatever else it said could fail here, and end the relay.
            _log.warning("the carrier refused a checkpoint", reason=reason[:200] if isinstance(reason, str) else None)
            return False
        await self._log.carried(checkpoint.records)
        return True
