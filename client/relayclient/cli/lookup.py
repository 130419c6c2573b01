"""relay lookup: which account an address names."""

import contextlib
from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import badge, home, online, terminal
from relayclient.clock import RelayClock
from relayclient.device import Contact, Device
from relayclient.errors import AddressUnknown, ConnectionHeld, RelayRefused, UnknownContact
from relayproto.codes import Code
from relayproto.commands import Lookup
from relayproto.ids import Address
from relayproto.replies import Refused

DESCRIPTION: Final = """\
Ask the relay which account an address names; exact match only. The account is remembered, so that a later change of it
is shown and not followed. Beside a running relay listen only addresses that are known already can be looked up.
"""
EPILOG: Final = """\
examples:
  relay lookup bob@office.example
  relay lookup bob@office.example --json
"""


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("address", metavar="ADDRESS", help="the whole address")


def run(arguments: Namespace) -> int:
    """Ask, and print the account."""
    with home.open_device(arguments) as device:
        contact = find(device, arguments, fresh=True)
        shown = device.badge(contact.account, RelayClock().now_ms())
    devices = () if contact.devices is None else contact.devices.devices
    if arguments.json:
        terminal.say_json(
            {"address": contact.address, "account": contact.account.hex(),
             "devices": [entry.device for entry in devices], "verified": contact.verified, "blocked": contact.blocked,
             "offered": contact.offered.hex() if contact.offered else None, "about": contact.about,
             **badge.fields(shown)}
        )  # fmt: skip
        return 0
    verified = "verified" if contact.verified else "not verified: relay verify"
    if contact.blocked:
        verified += ", blocked: relay unblock"
    count = f"{len(devices)} device{'' if len(devices) == 1 else 's'}"
    terminal.say(f"{terminal.harmless(arguments.address)}  account {contact.account.hex()}  {count}  ({verified})")
    terminal.say(f"  {badge.line(shown)}")
    if contact.about:
        terminal.say(terminal.harmless(f"  They say of themselves: {contact.about}"))
    if contact.offered is not None:
        terminal.note(f"The relay now names another account, {contact.offered.hex()}. Nothing is sent to it. Compare "
                      "numbers in person, then: relay verify --accept ADDRESS")  # fmt: skip
    return 0


def find(device: Device, arguments: Namespace, *, fresh: bool = False) -> Contact:
    """Return the contact of the address, asked of the relay where it is not known or is to be fresh.

    Raises AddressUnknown, RelayAway, and ConnectionHeld where another process is connected and it is not known.
    """
    address = Address(arguments.address.strip().lower())
    known = None
    with contextlib.suppress(UnknownContact):
        known = device.contact(address)
    if known is not None and not fresh:
        return known
    try:
        reply = online.run(online.ask(device, arguments.home, Lookup(address)))
    except ConnectionHeld:
        if known is None:
            raise
        terminal.note("relay: Another process holds the connection; this is what is known already.")
        return known
    if isinstance(reply, Refused):
        if reply.code in {Code.NOT_AVAILABLE, Code.BAD_ADDRESS}:
            raise AddressUnknown(address)
        raise RelayRefused(f"code {reply.code}")
    return device.contact(address)
