"""relay inbox: what has come, from this device's store. Works offline."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient import holder
from relayclient.badges import Badge
from relayclient.cli import badge, home, terminal
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import UnknownMessage
from relayclient.events import MessageReceived

DESCRIPTION: Final = """\
Show the messages in this device's store, oldest first, or one of them in full. Works offline; new ones come with relay
listen. A message is named by its id or the beginning of it.
"""
EPILOG: Final = """\
examples:
  relay inbox                              the last 20
  relay inbox --unread --mark-read         what is new; the senders are told that it was read
  relay inbox 3f9a                         one message
  relay inbox 3f9a --raw > circular.txt    its text, byte for byte
"""
ALL: Final = 1 << 31
_RAW_OF_ONE: Final = "--raw needs the id of one message"


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("message", metavar="MESSAGE", nargs="?", help="the id of one message, or its beginning")
    parser.add_argument("--unread", action="store_true", help="only what is unread")
    parser.add_argument("--mark-read", action="store_true", help="mark what is shown as read and tell its senders")
    parser.add_argument("--raw", action="store_true", help="write the text of MESSAGE alone, byte for byte")
    parser.add_argument("--limit", type=int, metavar="N", default=20, help="show at most N (default: 20)")


def run(arguments: Namespace) -> int:
    """Print from the store."""
    with home.open_device(arguments) as device:
        messages = _chosen(device, arguments)
        for message in messages:
            if arguments.raw:
                _raw(message)
            else:
                badge_of = device.badge(message.sender, RelayClock().now_ms())
                show(message, badge_of, as_json=arguments.json)
        if arguments.mark_read and messages:
            device.mark_read([message.message for message in messages], RelayClock().now_ms())
            if not holder.poke(arguments.home):
                terminal.progress("The senders are told with the next relay send or relay listen.")
    return 0


def _chosen(device: Device, arguments: Namespace) -> list[MessageReceived]:
    if arguments.message is not None:
        return [named(device.inbox(ALL, unread=arguments.unread), arguments.message)]
    if arguments.raw:
        raise UnknownMessage(_RAW_OF_ONE)
    return device.inbox(max(0, min(arguments.limit, ALL)), unread=arguments.unread)[::-1]


def named(messages: list[MessageReceived], prefix: str) -> MessageReceived:
    """Return the one message whose id begins so. Raises UnknownMessage for none and for more than one."""
    found = [message for message in messages if prefix and message.message.hex().startswith(prefix.lower())]
    if len(found) != 1:
        raise UnknownMessage(prefix if not found else f"{len(found)} begin with {prefix}")
    return found[0]


def _raw(message: MessageReceived) -> None:
    if sys.stdout.isatty() and terminal.commands_a_terminal(message.text):
        raise UnknownMessage("its text would command this terminal: write it into a file instead, with > FILE")
    terminal.say_raw(message.text.encode())


def show(message: MessageReceived, badge_of: Badge | None, *, as_json: bool) -> None:
    """Print one message with its sender's badge: a JSON object with the exact text, or a line for a person."""
    if as_json:
        terminal.say_json(
            {"message": message.message.hex(), "sender": message.sender.hex(), "address": message.address,
             "device": message.device, "text": message.text, "sent_ms": message.sent_ms, "number": message.number,
             "class": message.class_.name.lower(), "verified": message.verified, "forwarded": message.forwarded,
             **badge.fields(badge_of)}
        )  # fmt: skip
        return
    # Who hides his address is answered by all digits of his account.
    sender = message.address or f"account {message.sender.hex()}"
    mark = (" (verified)" if message.verified else "") + badge.mark(badge_of)
    forwarded = " forwarded" if message.forwarded else ""
    head = (
        f"{terminal.when(message.sent_ms)}  {message.message.hex()[:8]}  {terminal.harmless(sender)}{mark}{forwarded}: "
    )
    terminal.say(terminal.indented(head + message.text.removesuffix("\n"), "    ", terminal.columns()))
