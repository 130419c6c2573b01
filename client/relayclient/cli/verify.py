"""relay verify: two people make sure that nobody stands between them (spec 55 §4)."""

import re
import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import home, terminal
from relayclient.cli.lookup import find
from relayclient.errors import NumbersDiffer
from relayproto.ids import Address
from relayproto.primitives import equal

DESCRIPTION: Final = """\
Show the 60 digits and the QR code of your conversation with somebody. Both of you see the same digits if and only if
nobody stands between you. Compare them in person or in a call, then confirm them.
"""
EPILOG: Final = """\
examples:
  relay verify bob@office.example
  relay verify bob@office.example --confirm '12345 67890 ...'   they are equal: mark bob as verified
  relay verify bob@office.example --accept                      bob has a new account, and you know that it is him
  relay verify bob@office.example --accept --confirm '...'      the same, only if the new account's digits are these
"""
DIGITS: Final = 60
_GROUP: Final = 5
_GROUPS_A_LINE: Final = 4


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("address", metavar="ADDRESS", help="whom to verify")
    parser.add_argument("--confirm", metavar="DIGITS", help="the 60 digits as the other person reads them to you")
    parser.add_argument("--accept", action="store_true", help="let the address name the account that is offered for it")
    parser.add_argument("--no-qr", action="store_true", help="draw no QR code")


def run(arguments: Namespace) -> int:
    """Show the digits, or confirm them."""
    with home.open_device(arguments) as device:
        contact = find(device, arguments)
        account = contact.offered if arguments.accept and contact.offered is not None else contact.account
        digits, code = device.safety_number(account), device.verification_code(account)
        verified = device.contact(account).verified
        if arguments.confirm is not None:
            given = re.sub(r"\s", "", arguments.confirm)
            if not equal(given.encode(), digits.encode()):
                raise NumbersDiffer
            verified = device.verify(account)
        if account == contact.offered:
            device.accept_identity(Address(arguments.address.strip().lower()), account)
            offered = None
        else:
            offered = None if contact.offered is None else device.safety_number(contact.offered)
        begun_anew = device.contact(account).begun_anew
    if arguments.json:
        terminal.say_json(
            {"address": contact.address, "account": account.hex(), "digits": digits, "verified": verified,
             "offered_digits": offered,
             "begun_anew": [{"device": each, "at_ms": at_ms} for each, at_ms in begun_anew]}
        )  # fmt: skip
    elif arguments.confirm is not None:
        terminal.say(f"{terminal.harmless(arguments.address)} is verified.")
    else:
        _show(digits, code, arguments, verified=verified)
        for each, at_ms in begun_anew:
            terminal.note(f"Device {each} began a new session beside one in use on {terminal.when(at_ms)}.")
        if offered is not None:
            terminal.note("The address names another account now. Its digits, to be compared before you --accept it:")
            terminal.note("\n".join(_lines(offered)))
    return 0


def _lines(digits: str) -> list[str]:
    groups = [digits[at : at + _GROUP] for at in range(0, DIGITS, _GROUP)]
    return [" ".join(groups[at : at + _GROUPS_A_LINE]) for at in range(0, len(groups), _GROUPS_A_LINE)]


def _show(digits: str, code: bytes, arguments: Namespace, *, verified: bool) -> None:
    for line in _lines(digits):
        terminal.say(line)
    if not arguments.no_qr and sys.stdout.isatty():
        import segno  # noqa: PLC0415 - 70 ms that no other verb should wait for

        segno.make_qr(code).terminal(out=sys.stdout, compact=True)
    terminal.note(
        "verified" if verified else "Not verified yet. If both of you see this: relay verify --confirm DIGITS"
    )
