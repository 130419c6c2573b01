"""The domain room: what of the counters may be told (spec 87 §3).

Counts enter; a count that may be told leaves, or None. The rule of this file: nothing below ten leaves, and nothing
from which one could be computed.
"""

from relayproto.limits import STATISTICS_CELL_MIN


def own(count: int) -> int | None:
    """Return an organisation's count, None where it is below ten; zero is not told either."""
    return count if count >= STATISTICS_CELL_MIN else None


def total(shown: int, pool: int) -> int | None:
    """Return the total over all organisations: the truth, or up to nine below it.

    ``shown`` is the sum of the organisations' counts that are told; ``pool`` of those that are not, with the count of
    those who belong to none, which nobody is told. Whoever subtracts what he was told from the total has the pool,
    which is ten or more, or nothing.
    """
    return own(shown + (own(pool) or 0))
