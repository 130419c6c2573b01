"""The command line's room: the units that may reach outside, where the relay may not (operations.md).

Arguments enter; a unit serves until a signal, and its exit status leaves. The rule of this file: a unit has one right
of its own and knows no key of the relay.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relayd.exits import CannotGoOn, Exit

if TYPE_CHECKING:
    from relayd.config import Endpoint

_LISTEN_HELP: Final = "the Unix socket to serve, where systemd hands none over"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the units to the command line."""
    carry = commands.add_parser(
        "carry", help="carry checkpoints of the audit log outside, as a unit of its own",
        description="Carry checkpoints of the audit log outside. The relay hands one over every hour in which "
        "something was done; what is outside can't be changed by whoever gets into the relay's machine. Name it in "
        "relayd.toml as outside.carrier.",
        epilog="examples:\n  relayd carry --listen /run/relayd/carrier.sock --directory /mnt/elsewhere/relayd\n"
        "  relayd carry --listen carrier.sock -- logger --tag relayd-checkpoint",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    carry.add_argument("--listen", metavar="SOCKET", type=Path, help=_LISTEN_HELP)
    carry.add_argument("--directory", metavar="DIR", type=Path, help="append each to a file of its month in DIR")
    carry.add_argument("command", metavar="COMMAND", nargs="*", help="give each, as a line of JSON, to this command")
    carry.set_defaults(run=_carry)

    codes = commands.add_parser(
        "code-sender", help="send codes to people who register, as a unit of its own",
        description="Send the codes by which people show that a mail address is theirs (the settings [registration]). "
        "COMMAND is run for each: the address is the first line of its standard input, the code the second; exit "
        "status 0 says that it was sent. Neither is in its arguments or its environment. Name this unit in "
        "relayd.toml as registration.unit.",
        epilog="examples:\n  relayd code-sender --listen /run/relayd/code-sender.sock -- "
        "/usr/local/lib/relayd/send-code",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    codes.add_argument("--listen", metavar="SOCKET", type=Path, help=_LISTEN_HELP)
    codes.add_argument("command", metavar="COMMAND", nargs="+", help="what sends a code")
    codes.set_defaults(run=_send_codes)

    resolve = commands.add_parser(
        "resolve", help="look up mail domains, as a unit of its own",
        description="Look up the record by which a mail domain names its organisation's root key: TXT at "
        "_relayd.<domain>. The relay asks before it lets an organisation in. Name it in relayd.toml as "
        "outside.resolver.",
        epilog="examples:\n  relayd resolve --listen /run/relayd/resolver.sock --server 127.0.0.1:53",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    resolve.add_argument("--listen", metavar="SOCKET", type=Path, help=_LISTEN_HELP)
    resolve.add_argument(
        "--server", metavar="IP:PORT", type=_server, help="whom to ask, instead of those of /etc/resolv.conf"
    )
    resolve.set_defaults(run=_resolve)


def _server(text: str) -> "Endpoint":
    from ipaddress import ip_address

    from relayd.config import endpoint

    try:
        found = endpoint(text)
        ip_address(found.host)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not IP:PORT, for example 127.0.0.1:53") from None
    return found


def _resolve(arguments: argparse.Namespace) -> Exit:
    import asyncio

    from dns.resolver import NoResolverConfiguration

    from relayd import logs, unit
    from relayd.resolver import Resolver

    try:
        resolver = Resolver(arguments.server)
    except NoResolverConfiguration:
        raise CannotGoOn("/etc/resolv.conf names nobody to ask; name one with --server", Exit.CONFIG) from None
    logs.configure(sys.stdout, "info")
    asyncio.run(unit.serve(unit.sockets(arguments.listen), resolver.answer))
    return Exit.OK


def _send_codes(arguments: argparse.Namespace) -> Exit:
    import asyncio
    import shutil

    from relayd import logs, unit
    from relayd.code_sender import CodeSender

    if shutil.which(arguments.command[0]) is None:
        raise CannotGoOn(f"{arguments.command[0]}: no such command, or not one that may be run", Exit.CONFIG)
    logs.configure(sys.stdout, "info")
    sender = CodeSender(arguments.command)
    asyncio.run(unit.serve(unit.sockets(arguments.listen), sender.answer))
    return Exit.OK


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
