"""The domain room: a device that was told to wait, and whether it does (protocol.md §5).

The numbers of one connection's submissions enter; which of them come for nothing leaves. The rule of this file: nobody
who waits as long as he was told is ever early, whatever he had sent before he heard it.
"""

from typing import Final

from relayproto.codes import GoawayCode
from relayproto.errors import RemoteProtocolError
from relayproto.limits import UNANSWERED_MAX

SLACK_S: Final = 0.001
"""Devices count in whole milliseconds."""


class Pace:
    """One connection's submission that was over the rate: before it comes again nothing behind it can be taken."""

    __slots__ = ("_behind", "_held", "_until", "early")

    def __init__(self) -> None:
        self._held: int | None = None
        self._until = 0.0
        self._behind = 0
        self.early = False
        """Whether the number that came last was said before its time, or behind one that was, or again and again."""

    def hold(self, number: int, until: float) -> None:
        """Note the number that was not taken, and when it may come again, seconds of the steady clock."""
        self._held, self._until, self._behind = number, until, 0

    def answered(self, number: int) -> None:
        """Note that a number was recorded: if it is the one that is held, it came twice, and nobody waits for it."""
        if self._held is not None and number >= self._held:
            self._held = None

    def is_behind(self, number: int, now: float) -> bool:
        """Say whether a number is behind the one that is held; if it is not, nothing is held any more.

        Raises RemoteProtocolError where it is so far behind that the device did not wait for an answer.
        """
        held = self._held
        if held is None:
            self.early = False
            return False
        if number > held:
            if number - held >= UNANSWERED_MAX:
                raise RemoteProtocolError(GoawayCode.BAD_SUBMISSION, "a submission far above the lowest unanswered")
            self._behind += 1
            # Before it hears that one was not taken a device has at most the others of its 256 under way.
            self.early |= self._behind >= UNANSWERED_MAX
            return True
        self._held = None
        self.early = number == held and now < self._until - SLACK_S
        return False
