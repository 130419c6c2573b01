"""relay listen: messages as they come. Holds the device's one connection, and sends what other processes queue.

Events enter; lines leave. The rule of this file: a message is printed after it has been stored and acknowledged only
once, and one that came while nobody listened waits in the inbox (--unread prints those first).
"""

import asyncio
import contextlib
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

from relayclient.cli import home, online, terminal, wording
from relayclient.cli.inbox import show
from relayclient.cli.send import seconds
from relayclient.client import Client
from relayclient.device import Device
from relayclient.errors import NotYet, RelayAway
from relayclient.events import (
    BlockSettled,
    Connected,
    ContentUnknown,
    DevicesRefused,
    Disconnected,
    Drained,
    EnvelopeFailed,
    Event,
    GapSeen,
    IdentityChanged,
    MessageReceived,
    OrganisationRefused,
    QuotaRefused,
    RelayKeyChanged,
    RelayRestored,
    ReportHeldUp,
    ReportSettled,
    RolledBack,
    SessionBegunAnew,
    StateChanged,
)

DESCRIPTION: Final = """\
Stay connected and print messages as they come; the relay keeps what comes while nobody listens. Ctrl-C ends it. What
happens to the connection is told on standard error.

A home has one connection. Beside relay listen, relay send, block, unblock and report work, which it takes along, and
all that work offline. Those that ask the relay themselves need it stopped: lookup, link, org, unit, role, proposal,
office, policy and audit.
"""
EPILOG: Final = """\
examples:
  relay listen
  relay listen --drain                     what is waiting, then end
  relay listen --once --timeout 60         the next message, or status 75 after a minute
  relay listen --unread --read --json | process
        every message once, also those that came to another process; each is marked as read when it is printed

--json prints message, sender, address, device, text, sent_ms, number, class, verified, forwarded. The text is exact.
"""
SETTLE_S: Final = 10.0
"""How long an ending listen waits for the relay to take receipts and what other processes have queued."""
_UNREAD_MAX: Final = 1 << 31


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 31:
        raise ArgumentTypeError(f"{text!r} is not a number of messages")
    return int(text)


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--once", action="store_const", const=1, dest="count", help="end after one message")
    end.add_argument("--count", type=_count, metavar="N", help="end after N messages")
    end.add_argument("--drain", action="store_true", help="end when everything that was waiting has come")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="end after so long, with status 69 or 75")
    parser.add_argument("--read", action="store_true", help="tell the senders that their messages were read")
    parser.add_argument("--unread", action="store_true", help="print what is unread in the inbox first")


def run(arguments: Namespace) -> int:
    """Listen until what was asked for has come."""
    with home.open_device(arguments) as device:
        listener = Listener(device, arguments)
        online.run(listener.listen(arguments.home))
    return 0


class Listener:
    """Prints, counts, and knows when it is enough."""

    def __init__(self, device: Device, arguments: Namespace) -> None:
        """Take the device and what was asked for."""
        self._device = device
        self._count: int | None = arguments.count
        self._drain: bool = arguments.drain
        self._timeout_s: float | None = arguments.timeout
        self._read: bool = arguments.read
        self._unread: bool = arguments.unread
        self._json: bool = arguments.json
        self._printed = 0
        self._why: str | None = "no connection in time"

    async def listen(self, place: Path) -> None:
        """Print messages until there were enough. Raises RelayAway or NotYet when the time is over before that."""
        async with online.client(self._device, place) as client:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._print_all(client)
            except TimeoutError:
                if self._count is not None or self._drain:
                    raise (NotYet() if self._why is None else RelayAway(self._why)) from None
            await client.settle(SETTLE_S)

    async def _print_all(self, client: Client) -> None:
        if self._unread:
            for message in reversed(self._device.inbox(_UNREAD_MAX, unread=True)):
                self._print(message, client)
                if self._enough():
                    return
        async with contextlib.aclosing(client.events()) as events:
            async for event in events:
                if isinstance(event, MessageReceived):
                    self._print(event, client)
                else:
                    self._note(event)
                if self._enough() or (self._drain and isinstance(event, Drained)):
                    return

    def _enough(self) -> bool:
        return self._count is not None and self._printed >= self._count

    def _print(self, message: MessageReceived, client: Client) -> None:
        show(message, self._device.badge(message.sender, client.now_ms()), as_json=self._json)
        self._printed += 1
        if self._read:
            self._device.mark_read([message.message], client.now_ms())
            client.soon()

    def _note(self, event: Event) -> None:
        match event:
            case Connected():
                if self._why is not None:
                    terminal.progress("Connected. Ctrl-C ends.")
                self._why = None
            case Disconnected(reason, retry_in_s):
                again = "" if retry_in_s is None else f"; trying again in {retry_in_s:.1f} s"
                if self._why is None or self._why != reason:
                    terminal.note(f"relay: {reason}{again}")
                self._why = reason
            case _:
                if (line := worth_telling(event)) is not None:
                    terminal.note(f"relay: {terminal.harmless(line)}")


def worth_telling(event: Event) -> str | None:
    """Return the sentence for what a person should know of, None for the rest."""
    line: str | None = None
    match event:
        case GapSeen(lane, first, last, reason):
            what = "nobody says why" if reason is None else reason.name.lower()
            line = f"{last - first + 1} message(s) will not come: {what} ({lane.name.lower()} {first} to {last})"
        case EnvelopeFailed(sender, device, failure):
            line = f"a message of account {sender.hex()[:16]}, device {device}, is not shown: {failure}"
        case ContentUnknown(sender):
            line = f"a message of account {sender.hex()[:16]} needs a newer version of this program"
        case IdentityChanged(address, _, offered):
            line = f"{address} now names another account, {offered.hex()[:16]}: compare numbers (relay verify)"
        case DevicesRefused(account, detail):
            line = f"the relay showed a false device list of account {account.hex()[:16]}: {detail}"
        case RelayKeyChanged(key_id):
            line = f"the relay has a new key, {key_id}, signed by its root"
        case RolledBack():
            line = "this store is an old copy: what came after it was made is not in it; ask its senders for it"
        case RelayRestored():
            line = "the relay came back from a backup; what it may have lost is sent again"
        case SessionBegunAnew(account, device):
            line = (
                f"device {device} of account {account.hex()[:16]} began a new session: it could not open something, was"
                " restored, or somebody else has its key; where nothing explains it, ask its owner"
            )
        case _:
            line = _of_messages(event)
    return line


def _of_messages(event: Event) -> str | None:
    """Return the sentence for what the relay did with something that was sent, or asked for."""
    match event:
        case QuotaRefused(refused):
            return f"your mailbox was full: the relay refused {refused} message(s) to you; their senders try again"
        case ReportSettled(message) | ReportHeldUp(message):
            return f"the report of message {message.hex()[:8]} {_became_of_report(event)}"
        case OrganisationRefused(unit):
            return f"the record of organisation {unit} is not what its keys lead to: the old one counts"
        case StateChanged(message, state, code) if code is not None:
            return f"message {message.hex()} is {state}: {wording.of(code)}"
        case BlockSettled(account, _, code) if code is not None:
            return f"account {account.hex()[:16]} is hidden here, but not refused by the relay: {wording.of(code)}"
        case _:
            return None


def _became_of_report(event: ReportSettled | ReportHeldUp) -> str:
    if event.code is None:
        return "is handed in"
    return f"{'waits' if isinstance(event, ReportHeldUp) else 'is refused'}: {wording.of(event.code)}"
