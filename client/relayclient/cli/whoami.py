"""relay whoami: who this device is, and how it stands. Works offline."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import home, terminal

NAME: Final = "whoami"
HELP: Final = "show this device's address, account and relay"
DESCRIPTION: Final = "Show who this device is, which relay it belongs to and what is waiting. Works offline."
EPILOG: Final = """\
examples:
  relay whoami
  relay --home /srv/desk whoami --json
"""


def add(parser: ArgumentParser) -> None:
    """Take nothing but what every verb takes."""
    del parser


def run(arguments: Namespace) -> int:
    """Print the identity and the counts."""
    with home.open_device(arguments) as device:
        identity, endpoint, summary = device.identity, device.endpoint(), device.summary()
        root = device.administration.root()
    shown = {
        "address": identity.address,
        "account": identity.account.hex(),
        "device": identity.device,
        "relay": f"{endpoint.host}:{endpoint.port}",
        "relay_key": endpoint.key_id,
        "root": root.hex(),
        "waiting": summary.waiting,
        "under_way": summary.under_way,
        "unread": summary.unread,
        "contacts": summary.contacts,
    }
    if arguments.json:
        terminal.say_json(shown)
        return 0
    for name, value in shown.items():
        terminal.say(f"{name.replace('_', ' '):<10} {terminal.harmless(str(value))}")
    return 0
