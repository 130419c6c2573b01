"""relay send: texts into the outbox, and out as far as was asked for.

An argument, standard input or a file enters, is checked whole, and is queued before anything is sent; states leave.
The rule of this file: what was queued goes sooner or later whatever happens to this process, and the exit status says
how far it has come.
"""

import collections
import contextlib
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from relayclient.administration import is_named
from relayclient.cli import home, online, terminal, wording
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import (
    AddressChanged,
    AddressUnknown,
    NotUtf8,
    NotYet,
    SendingFailed,
    StillQueued,
    TextEmpty,
    TextTooLong,
    UnknownContact,
)
from relayclient.events import MessageState
from relayproto.codes import Code
from relayproto.ids import AccountId, Address, MessageId
from relayproto.limits import TEXT_BYTES_MAX

DESCRIPTION: Final = f"""\
Send a text. It is queued on this device first, so it is not lost when the relay is away: it goes with the next relay
send or relay listen. A message holds at most {TEXT_BYTES_MAX:,} bytes of UTF-8; a longer text is refused, never cut.
"""
EPILOG: Final = """\
examples:
  relay send bob@office.example 'The files are ready.'
  relay send bob@office.example --file circular.txt      the file's text, byte for byte
  dmesg | tail | relay send ops@office.example -
  relay send bob@office.example --lines --file names.txt each line a message of its own
  relay send bob@office.example 'Approved?' --wait read --timeout 600

--wait accepted: the relay has it on disk. delivered: a device of the recipient has it. read: a person has seen it.
Exit status 75: it has not come so far within --timeout; it is queued or under way and nothing is lost.
"""
_ORDER: Final = (MessageState.QUEUED, MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.READ)
_ENDS: Final = {MessageState.REFUSED, MessageState.EXPIRED, MessageState.UNDECRYPTABLE, MessageState.PURGED}


def seconds(text: str) -> float:
    """Read a time limit in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:  # noqa: PLR2004 - eleven days
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        help="whom to send it to; or the 64 digits of an account, where no address is shown",
    )
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the text; - reads it from standard input")
    parser.add_argument("--file", type=Path, metavar="FILE", help="send the text of this UTF-8 file")
    parser.add_argument("--lines", action="store_true", help="send each line as a message of its own, empty ones not")
    parser.add_argument(
        "--wait",
        choices=[str(state) for state in _ORDER],
        default="accepted",
        help="how far to wait (default: accepted)",
    )
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", default=30.0, help="how long to wait (default: 30)"
    )


def run(arguments: Namespace) -> int:
    """Queue everything, then wait as far as asked."""
    texts = _texts(arguments)
    clock = RelayClock()
    address = is_named(arguments.address) or Address(arguments.address)
    with home.open_device(arguments) as device:
        _refuse_changed(device, address)
        messages = []
        for count, text in enumerate(texts, 1):
            messages.append(device.queue(address, text, now_ms=clock.now_ms()))
            if arguments.lines:
                terminal.progress(f"\rqueued {count:,} of {len(texts):,}", end="")
        wait = Wait(device, arguments, messages)
        try:
            online.run(wait.reach(arguments.timeout))
        finally:
            _print(wait, arguments)
        failure = wait.failure()
    if failure is not None:
        raise failure
    return 0


def _texts(arguments: Namespace) -> list[str]:
    if (arguments.text is None) == (arguments.file is None):
        raise TextEmpty("give TEXT, or - for standard input, or --file FILE")
    if arguments.file is not None:
        text = terminal.decoded(terminal.read_file(arguments.file), str(arguments.file))
    else:
        text = terminal.read_text() if arguments.text == "-" else arguments.text
    texts = [line for line in text.split("\n") if line] if arguments.lines else [text]
    if not any(texts):
        raise TextEmpty
    for number, each in enumerate(texts, 1):
        try:
            length = len(each.encode())
        except UnicodeEncodeError:
            raise NotUtf8("the argument") from None
        if length > TEXT_BYTES_MAX:
            where = f"line {number}: " if arguments.lines else ""
            raise TextTooLong(f"{where}{length:,} bytes; a message holds {TEXT_BYTES_MAX:,}. Nothing was sent")
    return texts


def _refuse_changed(device: Device, address: Address | AccountId) -> None:
    """Raise AddressChanged where the address names another account than the one that is known."""
    with contextlib.suppress(UnknownContact):
        contact = device.contact(address)
        if contact.offered is not None:
            raise AddressChanged(f"account {contact.account.hex()[:16]} is now {contact.offered.hex()[:16]}")


def _print(wait: "Wait", arguments: Namespace) -> None:
    if arguments.lines:
        terminal.progress("")
    for message, (state, code) in wait.states().items():
        if arguments.json:
            terminal.say_json({"message": message.hex(), "to": arguments.address, "state": state, "code": code})
        else:
            terminal.say(f"{message.hex()} {state}")


class Wait:
    """Waits until messages have come as far as was asked, through our own connection or beside another's."""

    def __init__(self, device: Device, arguments: Namespace, messages: Iterable[MessageId]) -> None:
        """Take the device, the verb's arguments, and the messages in the order in which they were queued."""
        self._device = device
        self._address: str = arguments.address
        self._home: Path = arguments.home
        self._messages = list(messages)
        self._pending = collections.deque(self._messages)
        self._wanted = MessageState(arguments.wait)
        self._progress: bool = arguments.lines
        self._why = ""

    def states(self) -> dict[MessageId, tuple[MessageState, int | None]]:
        """Return where each message is now."""
        found = {message: self._device.state_of(message) for message in self._messages}
        return {message: state for message, state in found.items() if state is not None}

    async def reach(self, timeout_s: float) -> None:
        """Return when every message has come so far, or has ended, or the time is over."""
        self._why = await online.reach(self._device, self._home, self._reached, timeout_s=timeout_s)

    def failure(self) -> Exception | None:
        """Return what is to be told where not every message has come so far."""
        states = self.states().values()
        for state, code in states:
            if state in _ENDS:
                if code == Code.NOT_AVAILABLE:
                    return AddressUnknown(self._address)
                return SendingFailed(str(state) if code is None else f"{state}: {wording.of(code)}")
        if any(state.rank < self._wanted.rank for state, _ in states):
            queued = [code for state, code in states if state is MessageState.QUEUED]
            if not queued:
                return NotYet()
            return StillQueued(self._why or next((wording.of(code) for code in queued if code is not None), ""))
        return None

    def _reached(self) -> bool:
        while self._pending:
            found = self._device.state_of(self._pending[0])
            if found is not None and found[0] not in _ENDS and found[0].rank < self._wanted.rank:
                break
            self._pending.popleft()
        if self._progress:
            done = len(self._messages) - len(self._pending)
            terminal.progress(f"\r{self._wanted} {done:,} of {len(self._messages):,}", end="")
        return not self._pending
