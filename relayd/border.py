"""The command line's border: wrong usage and what goes wrong, each as one line and an exit status.

Arguments and exceptions enter; a line on standard error and a status leave. The rule of this file: what is expected
has words and no traceback, and our own bugs are not dressed up.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence

from relayd.exits import CannotGoOn, Exit, Expected


class Parser(argparse.ArgumentParser):
    """Tells of an option that a command does not know by that command's own usage."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Leave nothing over for the parser above."""
        read, over = super().parse_known_args(args, namespace)
        if over and self._subparsers is None:
            self.error(f"unrecognized arguments: {' '.join(over)}")
        return read, over


def status_of(error: Exception) -> Exit | None:
    """Return the exit status of an expected error, or None where it is our bug."""
    from relayd.domain.refusals import Fatal

    match error:
        case Expected():
            return error.status
        case Fatal():
            return Exit.FATAL
        case _:
            return None


def flush() -> None:
    """Write what is left to standard output. Raises CannotGoOn where it cannot be written, BrokenPipeError."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        raise CannotGoOn(f"standard output cannot be written: {error.strerror}", Exit.CANNOT_CREATE) from None


def tell(error: Exception, status: Exit, *, as_json: bool) -> None:
    """Say on standard error what went wrong; as JSON where that is asked for, as ``relay`` does."""
    line = json.dumps({"error": str(error), "exit_status": int(status)}) if as_json else f"relayd: {error}"
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
