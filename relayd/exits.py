"""A leaf of the relay: how it ends, as a number.

The rule of this file: the numbers are sysexits.h's, so that systemd's RestartPreventExitStatus= and scripts can tell
them apart; argparse's own for wrong usage is 2.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses. systemd does not restart after FATAL and CONFIG: a restart cures neither."""

    OK = 0
    NOT_WHOLE = 1
    REFUSED = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_CREATE = 73
    FATAL = 74
    LATER = 75
    PERMISSION = 77
    CONFIG = 78


class Expected(Exception):  # noqa: N818 - reads better where it is raised
    """What the command line ends with in order: the text is one line for the operator, ``status`` how it ends.

    It stands here, and not in a list of all such errors at the border: that list would import every room to tell that
    nobody answers.
    """

    status: Exit


class CannotGoOn(Expected):
    """A command of the operator's ends here; the text says why and what to do next, in one line."""

    def __init__(self, said: str, status: Exit) -> None:
        """Take the line and the status that it ends with."""
        super().__init__(said)
        self.status = status
