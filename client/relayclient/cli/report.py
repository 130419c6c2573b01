"""relay report: give a message to the moderators, with the proof of who wrote it."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import home, online, terminal, wording
from relayclient.cli.inbox import ALL, named, show
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import NoModerators, NotConfirmed, ReportRefused, ReportWaits
from relayclient.events import MessageReceived

DESCRIPTION: Final = """\
Give one message of the inbox to the moderators of your relay. It is sealed to both of them: only together can they open
it. They learn its text, who wrote it first, and when. They learn nothing of any other message, not who passed it on to
you, and not from the report that it was you. The relay itself learns that you report something, not what.
"""
EPILOG: Final = """\
examples:
  relay report 3f9a            shows what is revealed, and asks
  relay report 3f9a --yes      for scripts

Exit status 75: the report is sealed and goes with the next relay send or relay listen.
"""
_REVEALED: Final = """\
This gives the two moderators of your relay, who can open it only together: the text above, who wrote it {first}and
when. They learn nothing of any other message. The relay learns that you report something, not what. It cannot be taken
back."""
_ANSWER_MAX: Final = 16


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("message", metavar="MESSAGE", help="the id of the message, or its beginning")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: Namespace) -> int:
    """Show what is revealed, ask, and hand it in."""
    clock = RelayClock()
    with home.open_device(arguments) as device:
        message = named(device.inbox(ALL), arguments.message)
        if not device.moderated(clock.now_ms()):
            raise NoModerators
        if not arguments.yes:
            _confirm(message)
        number = device.report(message, clock.now_ms())
        _hand_in(device, arguments, number, message)
    return 0


def _confirm(message: MessageReceived) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed
    show(message, None, as_json=False)
    terminal.note(_REVEALED.format(first="first, " if message.forwarded else ""))
    if terminal.ask_line("Report it? Type yes: ", _ANSWER_MAX).lower() != "yes":
        raise NotConfirmed


def _hand_in(device: Device, arguments: Namespace, number: int, message: MessageReceived) -> None:
    def answered() -> bool:
        waits, code = device.report_state(number)
        return not waits or code is not None

    why = online.run(
        online.reach(device, arguments.home, answered, timeout_s=online.ANSWER_TIMEOUT_S, patient=False)
    )  # fmt: skip
    waits, code = device.report_state(number)
    if arguments.json:
        terminal.say_json({"message": message.message.hex(), "handed_in": not waits and code is None, "code": code})
    if waits:
        raise ReportWaits(why if code is None else wording.of(code))
    if code is not None:
        raise ReportRefused(wording.of(code))
    if not arguments.json:
        terminal.say(f"The relay keeps your report of message {message.message.hex()[:8]} for the moderators.")
