"""relay register: a mail address becomes a device in this home, where a relay takes people in without invitation."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Coroutine
from typing import Any, Final

from relayclient import registering
from relayclient.cli import home, online, terminal
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.membership import Shown

DESCRIPTION: Final = """\
Make the keys of a new account in this home and have a code sent to a mail address; who shows it is a member. Not every
relay takes in people who were not invited, nor every address; whether a code was sent is told by the mail alone. Where
something was cut off, the same command goes on.
"""
EPILOG: Final = """\
The code is read from standard input, never from the command line. The relay's operator publishes where it is and its
root's fingerprint: 64 digits, by which you know that it is that relay and no other.

examples:
  relay register alice@mail.example --relay relay.example:7443 --root 5c8d...
  relay register alice@mail.example --address alice@city.example --relay relay.example:7443 --root 5c8d...
  relay register alice@mail.example --relay relay.example:7443 --root 5c8d... --have-code
"""
_CODE_BYTES_MAX: Final = 64
_PORT_MAX: Final = 65_535


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("contact", metavar="MAIL", help="your mail address; the code goes there")
    parser.add_argument("--relay", metavar="HOST:PORT", type=_place, required=True, help="where the relay is")
    parser.add_argument(
        "--root", metavar="HEX", type=_root, required=True, help="the fingerprint of the relay's root, 64 digits"
    )
    parser.add_argument("--address", metavar="ADDRESS", help="the address you want (default: your mail address)")
    parser.add_argument("--have-code", action="store_true", help="a code has come already: do not have another sent")
    parser.add_argument("--protect", action="store_true", help="ask for a passphrase for this device's store")


def _place(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
    if match is None or not 0 < int(match[3]) <= _PORT_MAX:
        raise ArgumentTypeError(f"{text!r} is not HOST:PORT, for example relay.example:7443")
    return match[1] or match[2], int(match[3])


def _root(text: str) -> bytes:
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text) is None:
        raise ArgumentTypeError("a root's fingerprint has 64 digits, 0-9 and a-f")
    return bytes.fromhex(text)


def run(arguments: Namespace) -> int:
    """Have a code sent, ask for it, and become a member."""
    contact = registering.in_one_form(arguments.contact)
    address = registering.in_one_form(arguments.address) if arguments.address else contact
    host, port = arguments.relay
    invitation = registering.place(contact, host, port, arguments.root)
    passphrase = home.passphrase_from(arguments.passphrase_file)
    if arguments.protect and passphrase is None:
        passphrase = home.new_passphrase()
    clock = RelayClock()
    with Device.create(arguments.home, invitation, now_ms=clock.now_ms(), passphrase=passphrase) as device:
        if not arguments.have_code:
            _tell_when(registering.ask_for_code(device, contact, clock=clock))
            terminal.note(
                f"If {terminal.harmless(contact)} may register here, a code comes there, good for 10 minutes."
            )
        code = terminal.ask_line("Code: ", _CODE_BYTES_MAX)
        if not registering.is_code(code):
            raise registering.CodeMistyped
        _tell_when(registering.register(device, Shown(contact, code, address), clock=clock))
        identity = device.identity
    return home.told_who(arguments, identity)


def _tell_when(asked: Coroutine[Any, Any, None]) -> None:
    """Ask; where there were too many codes, say in words when there may be another."""
    try:
        online.run(asked)
    except registering.CodesExhausted as no:
        again = f"in {terminal.lasting(no.retry_after_ms)}" if no.retry_after_ms else ""
        raise registering.CodesExhausted(again) from None
