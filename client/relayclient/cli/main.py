"""The command line's top: the parser, and the border where an error becomes one line and an exit status.

Arguments enter; an exit status leaves. The rules of this file: no error of ours or of the world shows a traceback, and
the line that is shown names the cause and the next step.
"""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from relayclient.cli import terminal, verbs
from relayclient.errors import ClientError, FileUnwritable
from relayproto import __version__

if TYPE_CHECKING:
    from relayclient.cli.group import Verb

INTERRUPTED: Final = 130
"""What shells give to a program that Ctrl-C ended: 128 and SIGINT's number."""
BAD_INPUT: Final = 65
STORE_FAILED: Final = 74

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


class _Verb(_Parser):
    """The parser of a verb, made when it is first looked at: by whoever parses, or walks through them all."""

    def __init__(self, *, prog: str, make: Callable[["_Verb"], None]) -> None:
        """Keep how it is made; ``make`` begins it."""
        self._make = functools.partial(make, self)
        self._prog = prog

    def __getattr__(self, name: str) -> Any:
        """Make the parser: all that it has is still missing."""
        make = self.__dict__.pop("_make", None)
        if make is None:
            raise AttributeError(name)
        make()
        return getattr(self, name)

    def begin(self, description: str, epilog: str) -> None:
        """Become a parser, with what stands everywhere."""
        super().__init__(
            prog=self._prog, description=description, epilog=epilog, parents=[_shared(top=False)],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; man pages and completion are made from it."""
    made = _Parser(
        prog="relay", description=_DESCRIPTION, epilog=_EPILOG, parents=[_shared(top=True)],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("--version", action="version", version=f"relay {__version__}")
    added = made.add_subparsers(metavar="VERB", required=True, title="verbs", parser_class=_Verb)
    for name, short in verbs.VERBS.items():
        added.add_parser(name, help=short, make=functools.partial(_make_verb, name))
    for name, short in verbs.GROUPS.items():
        added.add_parser(name, help=short, make=functools.partial(_make_group, name))
    return made


def _make_verb(name: str, made: _Verb) -> None:
    verb = verbs.verb(name)
    made.begin(verb.DESCRIPTION, verb.EPILOG)
    verb.add(made)
    made.set_defaults(run=verb.run)


def _make_group(name: str, made: _Verb) -> None:
    group = verbs.group(name)
    made.begin(group.DESCRIPTION, group.EPILOG)
    added = made.add_subparsers(metavar="VERB", required=True, title="verbs", parser_class=_Verb)
    for part in group.VERBS:
        added.add_parser(part.name, help=part.help, make=functools.partial(_make_part, part))


def _make_part(part: "Verb", made: _Verb) -> None:
    made.begin(part.description or part.help, part.epilog)
    part.add(made)
    made.set_defaults(run=part.run)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    terminal.speak_utf8()
    arguments = argparse.Namespace(json=False)
    try:
        arguments = _read(argv)
        status_: int = arguments.run(arguments)
        with terminal.written():
            sys.stdout.flush()
    except BrokenPipeError:
        terminal.give_up()  # whoever read our output has ended
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        expected = _expected(error, arguments)
        if expected is None:
            raise
        return _fail(*expected, as_json=arguments.json)
    return status_


def _read(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the arguments say. Raises SystemExit for help and wrong usage; FileUnwritable, BrokenPipeError."""
    with terminal.written():
        try:
            return parser().parse_args(argv)
        except SystemExit:
            sys.stdout.flush()
            raise


def _expected(error: Exception, arguments: argparse.Namespace) -> tuple[str, int] | None:
    """Return the sentence and the exit status of an error of the world's or of a person's, None for a bug."""
    if isinstance(error, ClientError):
        return str(error), error.exit_status
    import sqlite3

    from relayproto.invitation import InvitationError

    if isinstance(error, InvitationError):
        return str(error), BAD_INPUT
    if isinstance(error, sqlite3.Error):
        return f"The device's store failed: {error}. Check the disk under {arguments.home}.", STORE_FAILED
    return None


def _fail(sentence: str, exit_status: int, *, as_json: bool) -> int:
    with contextlib.suppress(BrokenPipeError, FileUnwritable):
        if as_json:
            terminal.say_json({"error": sentence, "exit_status": exit_status}, to=sys.stderr)
        else:
            terminal.note(f"relay: {terminal.harmless(sentence)}")
    return exit_status


if __name__ == "__main__":
    sys.exit(main())
