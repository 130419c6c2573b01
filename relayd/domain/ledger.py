"""The domain room: the ledger of one sending device (protocol.md §3).

A submission's number enters; what is to be done with it leaves. The rule of this file: a number that has a recorded
outcome never gets another one, and only the very next number may get its first.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from relayproto.limits import UNANSWERED_MAX


class Verdict(Enum):
    """What a submission's number says about it."""

    NEW = auto()
    REPEATED = auto()
    """Its outcome is recorded: refused where the number is in ``refused``, stored for every target else."""
    TOO_OLD = auto()
    """Its outcome is no longer known; it is never called stored."""
    GO_BACK = auto()
    """A number before it was not taken and has to come first."""
    TOO_FAR = auto()
    """No device that keeps the protocol has so many unanswered."""


@dataclass(slots=True)
class Ledger:
    """What the relay remembers of a device's submissions, in constant space.

    All up to ``floor`` has a recorded outcome; ``refused`` are those of the last 256 that were not stored for every
    target.
    """

    epoch: int
    floor: int = 0
    refused: set[int] = field(default_factory=set)

    def judge(self, submission: int) -> Verdict:
        """Say what the number means; changes nothing."""
        above = submission - self.floor
        if above == 1:
            return Verdict.NEW
        if above > UNANSWERED_MAX:
            return Verdict.TOO_FAR
        if above > 1:
            return Verdict.GO_BACK
        return Verdict.REPEATED if above > -UNANSWERED_MAX else Verdict.TOO_OLD

    def record(self, submission: int, *, refused: bool) -> None:
        """Record the outcome of a new number."""
        self.floor = submission
        if refused:
            self.refused.add(submission)
        if self.refused:
            self.refused.discard(submission - UNANSWERED_MAX)
