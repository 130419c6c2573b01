"""relay join: an invitation becomes a device in this home."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Final

from relayclient import enrol
from relayclient.cli import home, online, terminal
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import LinkOnCommandLine
from relayproto.invitation import from_link

DESCRIPTION: Final = """\
Make the keys of a new account in this home and enrol it with an invitation link, once. The keys stay here; the relay
gets their public halves. A join that was cut off is repeated with the same link.
"""
EPILOG: Final = """\
The link is read from standard input, never from the command line: until it is used it is as good as a password, and
everybody on this machine can read a command line.

examples:
  relay join                              asks for the link
  relay join < invitation.txt
  relay join --protect                    asks for a passphrase too, that the store is locked with
"""
_LINK_CHARS_MAX: Final = 2048
"""A link with the longest address and host has under 900 characters."""


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("link", nargs="?", help=SUPPRESS)
    parser.add_argument("--protect", action="store_true", help="ask for a passphrase for this device's store")


def run(arguments: Namespace) -> int:
    """Enrol, and say what to do next."""
    if arguments.link is not None:
        raise LinkOnCommandLine
    invitation = from_link(terminal.ask_line("Invitation link: ", _LINK_CHARS_MAX))
    passphrase = home.passphrase_from(arguments.passphrase_file)
    if arguments.protect and passphrase is None:
        passphrase = home.new_passphrase()
    clock = RelayClock()
    with Device.create(arguments.home, invitation, now_ms=clock.now_ms(), passphrase=passphrase) as device:
        online.run(enrol.join(device, clock=clock))
        identity = device.identity
    return home.told_who(arguments, identity)
