"""The highest room of the relay: its command line.

Arguments enter; one command runs and its exit status leaves. The rules of this file: a command's rooms are imported
when it runs, so that help is quick; what goes wrong is one line that names the cause and the next step; standard
output has what was asked for and nothing else.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relayd import border, intervene, reaching, rotation, safekeeping
from relayd.exits import Exit
from relayproto import __version__

if TYPE_CHECKING:
    from relayd.config import Config

DEFAULT_CONFIG: Final = Path("/etc/relayd/relayd.toml")
TTL_S_MIN: Final = 60
TTL_S_MAX: Final = 90 * 86_400
"""An invitation that nobody has used in a quarter of a year is forgotten by the person too."""


def _endpoint(text: str) -> str:
    from relayd.config import endpoint

    try:
        return str(endpoint(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _lifetime_s(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    ttl_s = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]] if match else 0
    if not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of 1m to 90d, for example 30m, 12h or 7d")
    return ttl_s


def _glass_s(text: str) -> int:
    from relayproto.limits import BREAK_GLASS_S_MAX

    duration_s = _lifetime_s(text)
    if duration_s > BREAK_GLASS_S_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than a day; by then a regular grant can be made")
    return duration_s


def _moderator(text: str) -> bytes:
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not 64 hexadecimal digits, as relayd moderator-key prints them")
    return bytes.fromhex(text)


def _config_path(arguments: argparse.Namespace) -> Path:
    if arguments.state is not None:
        return Path(arguments.state) / "relayd.toml"
    return Path(arguments.config) if arguments.config is not None else DEFAULT_CONFIG


def _config(arguments: argparse.Namespace) -> "Config":
    from relayd import config

    return config.load(_config_path(arguments))


def _init(arguments: argparse.Namespace) -> Exit:
    from relayd import config, initialise
    from relayd.clock import SystemClock
    from relayd.entropy import system_entropy

    moderators = tuple(arguments.moderator)
    if len(moderators) not in {0, 2} or len(set(moderators)) != len(moderators):
        raise initialise.CannotCreate("name two different moderators with --moderator, or none; nothing was made")
    path = _config_path(arguments)
    if arguments.state is not None:
        reached = arguments.endpoint or arguments.listen
        values = {"relay.state": ".", "relay.endpoint": reached, "listen.devices": arguments.listen}
        initialise.write_config(path, values)
    read = config.load(path)
    if arguments.once and initialise.begun(read.state_directory):
        return Exit.OK
    now_ms = SystemClock().now_ms()
    state = read.state_directory
    root_fingerprint = initialise.make_keys(state, system_entropy, now_ms, moderators, read.store.file)
    sys.stdout.write(initialise.report(path, read, root_fingerprint))
    if not arguments.once:
        sys.stdout.write(initialise.next_steps(path))
    return Exit.OK


def _moderator_key(arguments: argparse.Namespace) -> Exit:
    from relayd import initialise
    from relayd.entropy import system_entropy

    path = Path(arguments.file)
    sys.stdout.write(f"{initialise.make_moderator_key(path, system_entropy).hex()}\n")
    return Exit.OK


def _serve(arguments: argparse.Namespace) -> Exit:
    from relayd.entropy import system_entropy
    from relayd.incidents import report
    from relayd.metrics import Counters
    from relayd.notices import Notifier

    notifier = Notifier()
    try:
        read = _config(arguments)
        from relayd import app

        return app.serve(read, _config_path(arguments), notifier)
    except Exception as error:
        if border.status_of(error) is None:
            # Its traceback on standard error could have a person's values.
            report(error, where="serve", counters=Counters(), entropy=system_entropy)
            return Exit.SOFTWARE
        notifier.failed(error)
        raise
    finally:
        notifier.close()


def _check_config(arguments: argparse.Namespace) -> Exit:
    from relayd import config, keyring
    from relayd.clock import SystemClock
    from relayd.sample import sample

    if arguments.sample:
        sys.stdout.write(sample())
        return Exit.OK
    path = _config_path(arguments)
    try:
        read = config.load(path)
        keyring.load(read.state_directory, SystemClock().now_ms())
    except (config.BadConfig, keyring.BadKeys) as error:
        if not arguments.json:
            raise
        _print_json({"good": False, "file": str(path), "error": str(error)})
        return Exit.CONFIG
    if arguments.json:
        _print_json({"good": True, "file": str(path), "configuration": read})
    else:
        sys.stdout.write(f"{path} is good, and so are the keys in {read.state_directory}.\n")
    return Exit.OK


def _invite(arguments: argparse.Namespace) -> Exit:
    from relayd import operate
    from relayproto.commands import Invite
    from relayproto.replies import Invited

    command = Invite(arguments.address, arguments.ttl)
    invited = operate.ask(_config(arguments).operator_socket, command, Invited)
    link, expires = operate.link(invited), operate.moment(invited.expires_ms)
    if arguments.json:
        _print_json({"address": invited.address, "link": link, "expires_ms": invited.expires_ms})
    elif not sys.stdout.isatty():
        sys.stdout.write(f"{link}\n")
    else:
        sys.stdout.write(f"Invitation for {invited.address}, good once, until {expires}:\n\n  {link}\n\n")
        sys.stdout.write("On their machine, the link is asked for:\n\n  relay join\n")
    if arguments.qr:
        import segno

        segno.make_qr(link).terminal(out=sys.stdout, compact=True)
    return Exit.OK


def _status(arguments: argparse.Namespace) -> Exit:
    from relayd import keyring, operate
    from relayproto.commands import GetStatus
    from relayproto.replies import Status

    config = _config(arguments)
    status = operate.ask(config.operator_socket, GetStatus(), Status)
    root = keyring.root_fingerprint(config.state_directory)
    if arguments.json:
        named = None if root is None else root.hex()
        _print_json({"version": status.version, "root": named, "figures": dict(status.figures)})
        return Exit.OK
    width = max((len(name) for name, _ in status.figures), default=0)
    sys.stdout.write(f"relayd {status.version}\n")
    if root is not None:
        sys.stdout.write(f"root {root.hex()}\n")
    sys.stdout.writelines(f"{name:<{width}}  {figure:>12,}\n" for name, figure in status.figures)
    return Exit.OK


def _confirm_clock(arguments: argparse.Namespace) -> Exit:
    from relayd import operate
    from relayproto.commands import ConfirmClock
    from relayproto.replies import Done

    operate.ask(_config(arguments).operator_socket, ConfirmClock(), Done)
    sys.stdout.write("The relay goes by the machine's clock again.\n")
    return Exit.OK


def _break_glass(arguments: argparse.Namespace) -> Exit:
    from relayd import operate
    from relayd.clock import SystemClock
    from relayproto.administration import BreakGlass
    from relayproto.administration_replies import Acted

    socket = _config(arguments).operator_socket
    reason = operate.reason(arguments.reason, sys.stdin)
    if not arguments.yes:
        operate.confirm(
            f"This makes {arguments.address} a platform operator for {arguments.duration} s, at once. It is written to "
            f"the audit log and to the relay's log.\nType the address to go on: ",
            arguments.address, sys.stdin, sys.stderr,
        )  # fmt: skip
    acted = operate.ask(socket, BreakGlass(arguments.address, arguments.duration, reason), Acted)
    if arguments.json:
        _print_json({"address": arguments.address, "seconds": arguments.duration, "record": acted.record})
    else:
        end = operate.moment(SystemClock().now_ms() + arguments.duration * 1000)
        sys.stdout.write(f"{arguments.address} is a platform operator until {end}. Audit record {acted.record}.\n")
    return Exit.OK


def _restored(arguments: argparse.Namespace) -> Exit:
    from relayd import lifecycle, restore

    read = _config(arguments)
    held = lifecycle.claim(read.state_directory)
    try:
        devices = restore.renew(read.state_directory / read.store.file)
    finally:
        os.close(held)
    sys.stdout.write(f"{devices} mailboxes have new epochs. Start the relay: relayd serve\n")
    return Exit.OK


def _print_json(value: object) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], Exit],
    help_: str,
    examples: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help_,
        description=f"{help_[:1].upper()}{help_[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--config", metavar="FILE", help=f"the configuration file (default: {DEFAULT_CONFIG})")
    place.add_argument("--state", metavar="DIR", help="a state directory; its relayd.toml is the configuration")
    return parser


def _add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    init = _add(
        commands, "init", _init, "make the keys of a new relay and, with --state, its configuration",
        "  relayd init --state /srv/relay --listen 0.0.0.0:7443 --endpoint relay.example:7443\n"
        "  sudo -u relayd relayd init --config /etc/relayd/relayd.toml",
    )  # fmt: skip
    init.add_argument(
        "--listen", type=_endpoint, metavar="HOST:PORT", default="127.0.0.1:7443",
        help="where it listens for devices (default: 127.0.0.1:7443)",
    )  # fmt: skip
    init.add_argument(
        "--endpoint", type=_endpoint, metavar="HOST:PORT", help="what invitations name (default: where it listens)"
    )
    init.add_argument(
        "--moderator", type=_moderator, metavar="HEX", action="append", default=[],
        help="the public key of a moderator; twice or not at all, since it takes both to open a report",
    )  # fmt: skip
    init.add_argument("--once", action="store_true", help="do nothing where there are keys; for before each start")


def _add_rarely_needed(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    key = commands.add_parser(
        "moderator-key", help="make the key of a moderator and print its public half",
        description="Make the key of a moderator and print its public half, for relayd init --moderator.\n"
        "Each of the two moderators does this on a machine of their own and keeps the file.",
        epilog="example:\n  relayd moderator-key moderator.key", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    key.add_argument("file", metavar="FILE", help="where the private key goes; there must be no such file")
    key.set_defaults(run=_moderator_key)
    _add(
        commands, "confirm-clock", _confirm_clock, "tell the running relay that the clock that ran ahead is right",
        "  date; relayd confirm-clock",
    )  # fmt: skip
    glass = _add(
        commands, "break-glass", _break_glass, "make an account a platform operator for a day at most, loudly",
        "  relayd break-glass officer@gad.example --for 1h --reason 'nobody else can be reached'\n"
        "  relayd break-glass officer@gad.example --for 1h --reason - --yes < reason.txt",
    )  # fmt: skip
    glass.add_argument("address", metavar="ADDRESS", help="whose account it is; it has to be there already")
    glass.add_argument(
        "--for", dest="duration", type=_glass_s, metavar="TIME", required=True, help="for how long, 1m to 1d"
    )
    glass.add_argument("--reason", metavar="TEXT", required=True, help="why, for the auditors; - reads it from stdin")
    glass.add_argument("--yes", action="store_true", help="do not ask for the address again")
    glass.add_argument("--json", action="store_true", help="print JSON")
    _add(
        commands, "restored", _restored, "give a database that was put back from a copy new epochs, before it serves",
        "  relayd restored --state /srv/relay && relayd serve --state /srv/relay",
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; man pages and completion are made from it."""
    top: argparse.ArgumentParser = border.Parser(
        prog="relayd",
        description="A messaging relay that stores and forwards what it cannot read.",
        epilog="exit statuses: 0 done, 1 not whole, 2 usage, 65 refused, 66 nothing there, 69 no relay is running, "
        "70 a bug, 73 cannot create or start, 74 the store cannot be trusted any more, 75 try again later, "
        "77 not allowed, 78 configuration or keys",
    )
    top.add_argument("--version", action="version", version=f"relayd {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_init(commands)
    _add(commands, "serve", _serve, "run the relay in the foreground", "  relayd serve --state /srv/relay")
    check = _add(
        commands, "check-config", _check_config, "check the configuration and the keys",
        "  relayd check-config\n  relayd check-config --sample > relayd.toml",
    )  # fmt: skip
    check.add_argument("--json", action="store_true", help="print the result and every setting as JSON")
    check.add_argument("--sample", action="store_true", help="print a configuration file to start from")
    invite = _add(
        commands, "invite", _invite, "make an invitation link that binds an address, good once",
        "  relayd invite officer@gad.example\n  relayd invite officer@gad.example --ttl 12h --qr",
    )  # fmt: skip
    invite.add_argument("address", metavar="ADDRESS", help="the address that the invited person gets")
    invite.add_argument(
        "--ttl", type=_lifetime_s, metavar="TIME", default="7d", help="how long it is good, 1m to 90d (default: 7d)"
    )
    invite.add_argument("--qr", action="store_true", help="also draw the link as a QR code")
    invite.add_argument("--json", action="store_true", help="print JSON")
    status = _add(
        commands, "status", _status, "tell what the running relay is doing",
        "  relayd status\n  watch relayd status --state /srv/relay",
    )  # fmt: skip
    status.add_argument("--json", action="store_true", help="print JSON")
    safekeeping.add(commands, _add, _config)
    intervene.add(commands, _add, _config)
    reaching.add(commands)
    rotation.add(commands, lambda arguments: _config(arguments).state_directory)
    _add_rarely_needed(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = argparse.Namespace()
    try:
        try:
            arguments = parser().parse_args(argv)
            status: Exit = arguments.run(arguments)
        finally:
            border.flush()
    except BrokenPipeError:
        # Whoever reads us has enough, as `relayd status | head` has: nothing went wrong, and nothing more is written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        known = border.status_of(error)
        if known is None:
            raise
        border.tell(error, known, as_json=getattr(arguments, "json", False))
        return known
    return status


if __name__ == "__main__":
    sys.exit(main())
