"""The domain room: how long an envelope may wait (protocol.md §4).

What the operator has set enters; what holds leaves. The rule of this file: an organisation may
shorten what the protocol allows, never lengthen it.
"""

from typing import Protocol

from relayproto.codes import Class
from relayproto.limits import LIFETIME_S_MAX


class Lifetimes(Protocol):
    """What the operator has set (``relayd.config.LifetimesSection``)."""

    def longest_s(self, class_: Class) -> int:
        """Return the longest lifetime of a class, seconds."""


def longest_s(lifetimes: Lifetimes) -> dict[Class, int]:
    """Return how long an envelope of each class may live, seconds."""
    return {class_: min(lifetimes.longest_s(class_), LIFETIME_S_MAX[class_]) for class_ in Class}


def expires_ms(now_ms: int, ttl_s: int) -> int:
    """Return when an envelope that is taken in now expires, relay time in ms."""
    return now_ms + ttl_s * 1000


def day(at_ms: int) -> int:
    """Return the number of the day since 1970 (UTC) that a relay time lies in; rows are sealed by expiry day."""
    return at_ms // 86_400_000
