"""The command line's room: backup, backup-key, restore, verify and chosen.

Arguments enter; one command runs, and its exit status leaves. The rules of this file: rooms are imported when a
command runs; how far it is, is told to a person at a terminal and to nobody else; standard output has the result.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from relayd.exits import CannotGoOn, Exit

if TYPE_CHECKING:
    from relayd.backups.bringing_back import Looked
    from relayd.config import Config

KEEP: Final = 14
"""Two weeks of nights."""
_KEEP_MAX: Final = 1_000
CHOSEN_MAX: Final = 100
"""Accounts in one list of chosen names: each is suspended by itself, with a reason, and the list is asked for again."""


class Adds(Protocol):
    """``relayd.main``'s way to add a command that works on a relay's configuration or state."""

    def __call__(
        self,
        commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
        name: str,
        run: Callable[[argparse.Namespace], Exit],
        help_: str,
        examples: str,
    ) -> argparse.ArgumentParser:
        """Return the parser of a new command."""


def _keep(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _KEEP_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 to {_KEEP_MAX}")
    return int(text)


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    adds: Adds,
    config_of: "Callable[[argparse.Namespace], Config]",
) -> None:
    """Add the commands to the command line; ``config_of`` loads the configuration that arguments name."""
    key = commands.add_parser(
        "backup-key", help="make the key pair that backups are sealed to",
        description="Make the key pair that backups are sealed to. Do this on another machine: the file with .pub goes "
        "to the relay's, the other one never.",
        epilog="examples:\n  relayd backup-key backup.key", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    key.add_argument("file", metavar="FILE", help="where the secret half goes; the public one goes to FILE.pub")
    key.set_defaults(run=_backup_key)
    backup = adds(
        commands, "backup", lambda arguments: _backup(arguments, config_of(arguments)),
        "make a backup of a relay, which may run meanwhile, sealed to a public key",
        "  relayd backup --to /srv/backups --recipient /etc/relayd/backup.key.pub\n"
        "  relayd backup --state /srv/relay --to /srv/backups --recipient backup.key.pub --keep 30",
    )  # fmt: skip
    backup.add_argument("--to", metavar="DIR", required=True, help="where the backups are kept, on another disk")
    backup.add_argument("--recipient", metavar="FILE", required=True, help="the public half that backup-key made")
    backup.add_argument(
        "--keep", metavar="N", type=_keep, default=KEEP, help=f"how many backups are kept (default: {KEEP})"
    )
    backup.add_argument("--json", action="store_true", help="print JSON")
    _add_restore(commands)
    verify = adds(
        commands, "verify", lambda arguments: _verify(arguments, config_of),
        "tell in numbers whether a database is whole; a relay may run meanwhile",
        "  relayd verify\n  relayd verify --state /srv/copy-of-a-state --json",
    )  # fmt: skip
    verify.add_argument("--json", action="store_true", help="print JSON")
    chosen = adds(
        commands, "chosen", lambda arguments: _chosen(arguments, config_of(arguments)),
        "list the accounts that chose their names themselves under a domain, and are not suspended",
        "  relayd chosen gad.example",
    )  # fmt: skip
    chosen.add_argument("domain", metavar="DOMAIN", help="what stands behind the @; what looks like it counts too")
    chosen.add_argument("--json", action="store_true", help="print JSON")


def _add_restore(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    restore = commands.add_parser(
        "restore", help="bring a backup back into a state directory without a database, or only check backups",
        description="Bring a backup back into a state directory without a database, or only check backups.",
        epilog="examples:\n"
        "  relayd restore --from /srv/backups --key backup.key --state /var/lib/relayd\n"
        "  relayd restore --from /srv/backups --key backup.key --check\n"
        "  relayd restore --from /srv/backups --check      # without the key: is what lies there unchanged?",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    restore.add_argument("--from", metavar="DIR", required=True, dest="shelf", help="where the backups are kept")
    restore.add_argument("--key", metavar="FILE", help="the secret half that backup-key made")
    what = restore.add_mutually_exclusive_group(required=True)
    what.add_argument("--state", metavar="DIR", help="the state directory; its keys/ may be there already")
    what.add_argument("--check", action="store_true", help="only check all backups; with --key, by opening them")
    restore.add_argument("--backup", metavar="NAME", help="which backup (default: the newest)")
    restore.add_argument("--json", action="store_true", help="print JSON")
    restore.set_defaults(run=_restore)


def _print_json(value: object) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


class _Telling:
    """Tells a person at a terminal how far it is, each per cent once."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        said = f"{what}, {min(100, done * 100 // max(1, total))} %"
        if said != self._said:
            self._said = said
            sys.stderr.write(f"\r\x1b[K{said}")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave an empty line to whoever writes next."""
        if self._said:
            sys.stderr.write("\r\x1b[K")


def _backup_key(arguments: argparse.Namespace) -> Exit:
    from relayd.backups import recipient
    from relayd.entropy import system_entropy

    path = Path(arguments.file)
    recipient.make(path, system_entropy)
    public = path.with_name(path.name + recipient.PUBLIC_SUFFIX)
    sys.stdout.write(
        f"The secret half is in {path}. Keep it, and a copy, away from the relay: without it no backup opens.\n"
        f"The public half is in {public}. Put it on the relay's machine, and name it with --recipient.\n"
    )
    return Exit.OK


def _backup(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayd import keyring
    from relayd.backups import making, recipient
    from relayd.clock import SystemClock

    clock, telling = SystemClock(), _Telling()
    job = making.Job(
        config=config,
        keys=keyring.load(config.state_directory, clock.now_ms()),
        recipient=recipient.read_recipient(Path(arguments.recipient)),
        keep=arguments.keep,
        now_ms=clock.now_ms,
        told=telling,
    )
    try:
        made = making.make(job, Path(arguments.to))
    finally:
        telling.end()
    if arguments.json:
        _print_json(made)
    else:
        sys.stdout.write(
            f"{made.name}: {made.octets:,} bytes of the database; {made.new_chunks:,} of {made.chunks:,} chunks were "
            f"new, {made.new_octets:,} bytes. Kept: {made.kept}.\n"
            f"Not in it, and needed to bring the relay back: a copy of {config.state_directory / keyring.KEYS}.\n"
        )
    return Exit.OK


def _restore(arguments: argparse.Namespace) -> Exit:
    from relayd.backups import bringing_back, recipient
    from relayd.backups.shelf import Shelf
    from relayd.entropy import system_entropy

    if arguments.key is None and not arguments.check:
        raise CannotGoOn("name the secret key with --key; without it no backup opens", Exit.CONFIG)
    opener = recipient.read_opener(Path(arguments.key)) if arguments.key is not None else None
    telling = _Telling()
    try:
        with Shelf.to_read(Path(arguments.shelf)) as shelf:
            if opener is None or arguments.check:
                return _checked(bringing_back.check(shelf, opener, telling), as_json=arguments.json)
            backup = bringing_back.pick(shelf, opener, arguments.backup)
            state = Path(arguments.state)
            done = bringing_back.bring_back(shelf, opener, backup, state, system_entropy, telling)
    finally:
        telling.end()
    lacking = _lacking(state)
    if arguments.json:
        _print_json({
            "backup": done.name, "database": str(done.database), "devices": done.devices,
            "high_water_ms": done.high_water_ms, "root": done.root_fingerprint.hex(), "lacking": lacking,
        })  # fmt: skip
        return Exit.OK
    sys.stdout.write(
        f"{done.name} is in {state}: {done.devices:,} mailboxes have new epochs. It is the relay of the root "
        f"{done.root_fingerprint.hex()}; if yours is another, somebody made this backup up.\n"
        + (f"Before it starts: {lacking}\n" if lacking else f"Next: relayd verify --state {state}\n")
    )
    return Exit.OK


def _lacking(state: Path) -> str:
    """Return what is wrong with the keys, which no backup has; nothing where they are there."""
    from relayd import keyring
    from relayd.clock import SystemClock

    try:
        keyring.load(state, SystemClock().now_ms())
    except keyring.BadKeys as error:
        # Its own next step is for a new relay.
        found = str(error).partition(";")[0]
        return f"put the relay's keys back, from the copy that was made when it was set up ({found})"
    return ""


def _checked(found: "list[Looked]", *, as_json: bool) -> Exit:
    if as_json:
        _print_json([{
            "backup": one.name, "chunks": one.chunks, "octets": one.octets, "root": one.root_fingerprint.hex(),
            "opened": one.opened,
        } for one in found])  # fmt: skip
        return Exit.OK
    for one in found:
        how = "opened and whole" if one.opened else "unchanged; not opened, there was no --key"
        sys.stdout.write(f"{one.name}: {how}; {one.chunks:,} chunks, {one.octets:,} bytes\n")
    sys.stdout.write(f"Made by the relay of the root {found[-1].root_fingerprint.hex()}.\n")
    return Exit.OK


def _verify(arguments: argparse.Namespace, config_of: "Callable[[argparse.Namespace], Config]") -> Exit:
    from relayd import verify
    from relayd.config import StoreSection

    alone = arguments.state is not None and not (Path(arguments.state) / "relayd.toml").exists()
    if alone:
        # A copy of a database alone, which has no configuration.
        path = Path(arguments.state) / StoreSection().file
    else:
        config = config_of(arguments)
        path = config.state_directory / config.store.file
    report = verify.verify(path)
    if arguments.json:
        _print_json({
            "whole": report.whole, "file": report.file, "version": report.version,
            "high_water_ms": report.high_water_ms, "notes": report.notes, "findings": report.findings,
        })  # fmt: skip
    else:
        sys.stdout.write(report.text())
    return Exit.OK if report.whole else Exit.NOT_WHOLE


def _chosen(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayd.store import chosen, whole

    path = config.state_directory / config.store.file
    if not path.is_file():
        raise CannotGoOn(f"{path}: there is no database", Exit.NO_INPUT)
    with whole.one_moment(path, alone=False) as db:
        found = chosen.first(db, arguments.domain.lower(), CHOSEN_MAX + 1)
    shown, more = found[:CHOSEN_MAX], len(found) > CHOSEN_MAX
    if arguments.json:
        _print_json({"domain": arguments.domain, "addresses": shown, "more": more})
        return Exit.OK
    sys.stdout.writelines(f"{address}\n" for address in shown)
    sys.stderr.write(
        "and more\n" if more else "" if shown else f"nobody chose a name under {arguments.domain} himself\n"
    )
    return Exit.OK
