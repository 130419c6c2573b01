"""A leaf of the relay: what is our own mistake.

An exception enters; an incident's id and its traceback go to the log and a counter goes up. The rule of this file: the
peer hears INTERNAL and nothing else.
"""

from typing import Protocol

from relayd.logs import get_logger
from relayd.metrics import Counters
from relayproto.primitives import Entropy

_log = get_logger("relay")


class Reporter(Protocol):
    """``report`` with all but the mistake itself."""

    def __call__(self, error: Exception, *, where: str) -> None:
        """Report a mistake of ours."""


def report(error: Exception, *, where: str, counters: Counters, entropy: Entropy) -> None:
    """Log a mistake of ours with its traceback and an id of its own."""
    counters.internal_errors += 1
    _log.error("incident", incident=entropy(8).hex(), where=where, exc_info=error)
