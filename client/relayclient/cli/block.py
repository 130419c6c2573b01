"""relay block: take nothing more from somebody."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import home, online, terminal, wording
from relayclient.cli.lookup import find
from relayclient.device import Device
from relayclient.errors import BlockRefused, NotYetTold, ToYourself
from relayproto.ids import AccountId

DESCRIPTION: Final = """\
Show nothing more of an account, and have the relay refuse its messages. Whoever is blocked is not told: to them it
looks as if the address did not exist. What is still on its way is not shown; what is in the inbox stays. Without
ADDRESS: whom you have blocked.
"""
EPILOG: Final = """\
examples:
  relay block mallory@office.example
  relay block                          whom you have blocked
  relay unblock mallory@office.example

Exit status 75: it holds on this device already, and the relay is told when it can be reached.
"""


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("address", metavar="ADDRESS", nargs="?", help="whom to block")


def run(arguments: Namespace) -> int:
    """Block, or list."""
    with home.open_device(arguments) as device:
        if arguments.address is None:
            _list(device, as_json=arguments.json)
        else:
            settle(device, arguments, blocked=True)
    return 0


def _list(device: Device, *, as_json: bool) -> None:
    for contact in device.contacts():
        if not contact.blocked:
            continue
        if as_json:
            terminal.say_json({"address": contact.address, "account": contact.account.hex(), "blocked": True})
        else:
            terminal.say(f"{terminal.harmless(contact.address or '(no address)')}  account {contact.account.hex()}")


def settle(device: Device, arguments: Namespace, *, blocked: bool) -> None:
    """Block or unblock whom the arguments name, and print it; raise what there is to tell beside that."""
    account = find(device, arguments).account
    if account == device.identity.account:
        raise ToYourself
    device.block(account, blocked=blocked)
    why = _tell_relay(device, arguments, account)
    contact = device.contact(account)
    if arguments.json:
        terminal.say_json(
            {"address": contact.address, "account": account.hex(), "blocked": blocked,
             "relay_told": not contact.block_due, "code": contact.block_code}
        )  # fmt: skip
    else:
        terminal.say(f"{terminal.harmless(arguments.address)} is {'blocked' if blocked else 'no longer blocked'}.")
    if contact.block_due:
        raise NotYetTold(why)
    if contact.block_code is not None:
        raise BlockRefused(wording.of(contact.block_code))


def _tell_relay(device: Device, arguments: Namespace, account: AccountId) -> str:
    def told() -> bool:
        return not device.contact(account).block_due

    waiting = online.reach(device, arguments.home, told, timeout_s=online.ANSWER_TIMEOUT_S, patient=False)
    return online.run(waiting)
