"""The command line's top: the parser, and the border where an error becomes one line and an exit status.

Arguments enter; an exit status leaves. The rules of this file: no error of ours or of the world shows a traceback, and
the line that is shown names the cause and the next step.
"""

import argparse
import contextlib
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from relayclient.cli import (
    audit,
    block,
    claim,
    inbox,
    join,
    link,
    listen,
    lookup,
    member,
    office,
    org,
    policy,
    profile,
    proposal,
    register,
    report,
    role,
    send,
    stats,
    status,
    terminal,
    unblock,
    unit,
    verify,
    warrant,
    whoami,
)
from relayclient.errors import ClientError, FileUnwritable
from relayproto import __version__
from relayproto.invitation import InvitationError

INTERRUPTED: Final = 130
"""What shells give to a program that Ctrl-C ended: 128 and SIGINT's number."""
BAD_INPUT: Final = 65
STORE_FAILED: Final = 74
_VERBS: Final = (join, register, whoami, lookup, send, listen, inbox, status, verify, block, unblock, report)
_GROUPS: Final = (link, claim, org, warrant, unit, member, role, proposal, office, policy, profile, audit, stats)
"""Verbs with verbs of their own; all but the first two are for officers."""

_DESCRIPTION: Final = "Send and receive end-to-end encrypted messages through a relay."
_EPILOG: Final = """\
examples:
  relay join                                          become a member, once; asks for the invitation link
  relay send bob@office.example 'The files are ready.'
  relay listen                                        show messages as they come
  relay inbox --unread                                read what has come, also offline

Every verb has its own help: relay send --help, relay org --help, relay unit add --help

exit statuses:
  0 done                       2 usage                       64 not confirmed, or usage
  65 bad input, or refused     66 a file cannot be read      69 the relay is away
  70 a bug                     73 cannot create or write     74 the store failed
  75 not yet: queued, or held  77 no permission or trust     78 not joined, or removed
"""


def default_home() -> Path:
    """Return $RELAY_HOME, or ~/.local/share/relay."""
    named = os.environ.get("RELAY_HOME")
    return Path(named) if named else Path.home() / ".local" / "share" / "relay"


def _shared(*, top: bool) -> "_Parser":
    """Return the options that may stand before the verb and after it; only the first place has their defaults."""
    shared = _Parser(add_help=False)
    group = shared.add_argument_group("everywhere")
    group.add_argument(
        "--home", type=Path, metavar="DIR", default=default_home() if top else argparse.SUPPRESS,
        help="where this device lives (default: $RELAY_HOME or ~/.local/share/relay)",
    )  # fmt: skip
    group.add_argument(
        "--json", action="store_true", default=False if top else argparse.SUPPRESS,
        help="print JSON, one object a line",
    )  # fmt: skip
    group.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", default=None if top else argparse.SUPPRESS,
        help="take the passphrase of the device's store from the first line of FILE",
    )  # fmt: skip
    return shared


class _Parser(argparse.ArgumentParser):
    """Takes options between the arguments of a verb too: ``relay send bob@office.example --lines -``."""

    _mixed = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse intermixed; argparse does that by two calls of this method."""
        if self._mixed or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixed = True
        try:
            read, over = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixed = False
        if over:
            self.error(f"unrecognized arguments: {' '.join(over)}")  # here, where the usage is the verb's own
        return read, over


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; man pages and completion are made from it."""
    made = _Parser(
        prog="relay", description=_DESCRIPTION, epilog=_EPILOG, parents=[_shared(top=True)],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("--version", action="version", version=f"relay {__version__}")
    verbs = made.add_subparsers(metavar="VERB", required=True, title="verbs")
    for verb in _VERBS:
        verb_parser = _verb(verbs, verb.NAME, verb.HELP, verb.DESCRIPTION, verb.EPILOG)
        verb.add(verb_parser)
        verb_parser.set_defaults(run=verb.run)
    for group in _GROUPS:
        group_parser = _verb(verbs, group.NAME, group.HELP, group.DESCRIPTION, group.EPILOG)
        parts = group_parser.add_subparsers(metavar="VERB", required=True, title="verbs")
        for part in group.VERBS:
            part_parser = _verb(parts, part.name, part.help, part.description or part.help, part.epilog)
            part.add(part_parser)
            part_parser.set_defaults(run=part.run)
    return made


def _verb(verbs: Any, name: str, short: str, description: str, epilog: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(
        name, help=short, description=description, epilog=epilog, parents=[_shared(top=False)],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    terminal.speak_utf8()
    arguments = argparse.Namespace(json=False)
    try:
        arguments = _read(argv)
        status_: int = arguments.run(arguments)
        with terminal.written():
            sys.stdout.flush()
    except ClientError as error:
        return _fail(str(error), error.exit_status, as_json=arguments.json)
    except InvitationError as error:
        return _fail(str(error), BAD_INPUT, as_json=arguments.json)
    except sqlite3.Error as error:
        return _fail(f"The device's store failed: {error}. Check the disk under {arguments.home}.", STORE_FAILED,
                     as_json=arguments.json)  # fmt: skip
    except BrokenPipeError:
        terminal.give_up()  # whoever read our output has ended
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return status_


def _read(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the arguments say. Raises SystemExit for help and wrong usage; FileUnwritable, BrokenPipeError."""
    with terminal.written():
        try:
            return parser().parse_args(argv)
        except SystemExit:
            sys.stdout.flush()
            raise


def _fail(sentence: str, exit_status: int, *, as_json: bool) -> int:
    with contextlib.suppress(BrokenPipeError, FileUnwritable):
        if as_json:
            terminal.say_json({"error": sentence, "exit_status": exit_status}, to=sys.stderr)
        else:
            terminal.note(f"relay: {terminal.harmless(sentence)}")
    return exit_status


if __name__ == "__main__":
    sys.exit(main())
