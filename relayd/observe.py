"""A leaf of the relay: its own state, looked at every few seconds for the operator's graphs.

Figures of the store, of the connections and of the last backup enter; the counters that /metrics tells leave. The
rules of this file: nothing here is on a message's way; a figure that cannot be had keeps its last value, and a backup
that nobody can read counts as none.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from relayd.logs import get_logger
from relayd.metrics import Counters

LOOK_EVERY_S: Final = 10.0
"""Prometheus asks every 15 s by default; a look costs some milliseconds of the reading thread."""
CENSUS_EVERY: Final = 30
"""So many looks, five minutes, to one that counts accounts and mailboxes."""
STAMP: Final = "backup.json"
"""The file of the state directory in which a backup says when it was finished."""
_STAMP_BYTES_MAX: Final = 4096

_log = get_logger("observe")


class _Stamp(msgspec.Struct, frozen=True):
    finished_ms: int


def backup_finished_ms(state: Path) -> int:
    """Return when the last backup was finished, ms since 1970; 0 where there is none or nobody can read it."""
    try:
        with (state / STAMP).open("rb") as file:
            return max(0, msgspec.json.decode(file.read(_STAMP_BYTES_MAX), type=_Stamp).finished_ms)
    except (OSError, msgspec.DecodeError):
        return 0


async def observe_forever(
    looks: Callable[[bool], Awaitable[None]],
    *,
    state: Path,
    counters: Counters,
    passing: tuple[type[Exception], ...],
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Look until cancelled.

    ``looks`` is told whether to make the census too; ``passing`` is what it raises where the store fails for now.
    """
    turn = 0
    while True:
        counters.backup_finished_ms = backup_finished_ms(state)
        try:
            await looks(turn % CENSUS_EVERY == 0)
        except passing as error:
            # What is graphed stands still meanwhile; that commits fail has metrics and a log line of its own.
            _log.debug("the store cannot be looked at for now", error=repr(error))
        turn += 1
        await asyncio.sleep(every_s)
