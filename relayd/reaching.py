"""The command line's room: the units that may reach outside, where the relay may not (operations.md).

Arguments enter; a unit serves until a signal, and its exit status leaves. The rule of this file: a unit has one right
of its own and knows no key of the relay.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from relayd.exits import CannotGoOn, Exit

_LISTEN_HELP: Final = "the Unix socket to serve, where systemd hands none over"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the units to the command line."""
    carry = commands.add_parser(
        "carry", help="carry checkpoints of the audit log outside, as a unit of its own",
        description="Carry checkpoints of the audit log outside. The relay hands one over every hour in which "
        "something was done; what is outside can't be changed by whoever gets into the relay's machine. Name it in "
        "relayd.toml as audit.carrier.",
        epilog="examples:\n  relayd carry --listen /run/relayd/carrier.sock --directory /mnt/elsewhere/relayd\n"
        "  relayd carry --listen carrier.sock -- logger --tag relayd-checkpoint",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    carry.add_argument("--listen", metavar="SOCKET", type=Path, help=_LISTEN_HELP)
    carry.add_argument("--directory", metavar="DIR", type=Path, help="append each to a file of its month in DIR")
    carry.add_argument("command", metavar="COMMAND", nargs="*", help="give each, as a line of JSON, to this command")
    carry.set_defaults(run=_carry)


def _carry(arguments: argparse.Namespace) -> Exit:
    import asyncio

    from relayd import logs, unit
    from relayd.carrier import Carrier

    if arguments.directory is None and not arguments.command:
        raise CannotGoOn("name a --directory, a command, or both", Exit.CONFIG)
    if arguments.directory is not None and not arguments.directory.is_dir():
        raise CannotGoOn(f"{arguments.directory}: no such directory", Exit.CONFIG)
    logs.configure(sys.stdout, "info")
    carrier = Carrier(arguments.directory, arguments.command)
    asyncio.run(unit.serve(unit.sockets(arguments.listen), carrier.answer))
    return Exit.OK
