"""The command line: the home directory, its passphrase, and the device in it.

Parsed arguments enter; an open device leaves, or an error that says what is missing.
The rule of this file: a passphrase comes from a file or from a terminal without echo, never from an argument or the
environment.
"""

import getpass
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from relayclient.cli import terminal
from relayclient.device import Device
from relayclient.errors import FileUnusable, PassphraseNeeded, WrongPassphrase
from relayclient.membership import Identity

T = TypeVar("T")


def passphrase_from(path: Path | None) -> str | None:
    """Return the first line of the passphrase file, or None where there is none."""
    if path is None:
        return None
    try:
        return path.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnusable(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def ask_passphrase(prompt: str) -> str:
    """Ask the person at the terminal, without echo; PassphraseNeeded where nobody is there."""
    if not sys.stdin.isatty():
        raise PassphraseNeeded
    return getpass.getpass(prompt)


def open_device(arguments: Namespace) -> Device:
    """Open the device of the home, asking for its passphrase where it has one that no file gave."""
    return unlocked(
        passphrase_from(arguments.passphrase_file), lambda given: Device.open(arguments.home, passphrase=given)
    )


def unlocked(passphrase: str | None, use: Callable[[str | None], T]) -> T:
    """Use a home's store with the passphrase that a file gave; where there is none and it has one, ask for it."""
    try:
        return use(passphrase)
    except PassphraseNeeded:
        if passphrase is not None:
            raise
        return use(ask_passphrase("Passphrase of this device: "))


def new_passphrase() -> str:
    """Ask for a new passphrase, twice. Raises WrongPassphrase where the two differ."""
    chosen = ask_passphrase("New passphrase for this device: ")
    if chosen != ask_passphrase("The same again: "):
        raise WrongPassphrase("the two differ; nothing was made")
    return chosen


def told_who(arguments: Namespace, identity: Identity) -> int:
    """Say who a device has just become; return the exit status."""
    if arguments.json:
        terminal.say_json(
            {"address": identity.address, "account": identity.account.hex(), "device": identity.device,
             "home": str(arguments.home)}
        )  # fmt: skip
        return 0
    terminal.say(f"You are {terminal.harmless(identity.address)}. Your keys are in {arguments.home}.")
    terminal.note("Next: relay send ADDRESS TEXT, or relay listen.")
    return 0
