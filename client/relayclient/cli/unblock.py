"""relay unblock: take messages from somebody again."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import block, home

DESCRIPTION: Final = """\
Take messages again from an account that you have blocked. What it tried to send meanwhile was refused or not shown, and
does not come.
"""
EPILOG: Final = """\
examples:
  relay unblock mallory@office.example
"""


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("address", metavar="ADDRESS", help="whom to unblock")


def run(arguments: Namespace) -> int:
    """Unblock."""
    with home.open_device(arguments) as device:
        block.settle(device, arguments, blocked=False)
    return 0
