"""relay whoami: who this device is, and how it stands. Works offline."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import home, terminal
from relayclient.cli.columns import word

DESCRIPTION: Final = """\
Show who this device is, which relay and which unit of an organisation it belongs to, and what is waiting.
Works offline: standing and unit are what the relay said at the last connection.
"""
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
        root, belonging = device.administration.root(), device.administration.belonging()
    shown = {
        "address": identity.address,
        "account": identity.account.hex(),
        "device": identity.device,
        "standing": None if belonging is None else word(belonging[0]),
        "unit": None if belonging is None else belonging[1] or None,
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
        terminal.say(f"{name.replace('_', ' '):<10} {terminal.harmless('-' if value is None else str(value))}")
    return 0
