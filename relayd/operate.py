"""The command line's room: the local operator's side of the Unix socket.

A command enters; the running relay's reply leaves, or ``RelayAway``. The rule of this file: it makes an invitation
link from what the relay answered, so the ticket is in memory only, on its way to the terminal.
"""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from relayd.config import endpoint
from relayd.exits import CannotGoOn, Exit, Expected
from relayproto import descriptor, frame, message
from relayproto.codes import Code, CodeRange, Kind, range_of
from relayproto.errors import Malformed
from relayproto.ids import Address, KeyId
from relayproto.invitation import Invitation, to_link
from relayproto.limits import LOCAL_REASON_CHARS_MAX
from relayproto.message import M, Message
from relayproto.replies import Invited, Refused

TIMEOUT_S: Final = 10.0
"""How long a command line waits for the running relay."""

_SAID: Final[dict[int, str]] = {
    Code.BAD_ADDRESS: "that is not an address; one looks like officer@office.example",
    Code.ADDRESS_TAKEN: "somebody has that address already",
    Code.NOT_AVAILABLE: "there is no such account or device; an account has to be there first (relayd invite)",
    Code.CONFLICT: "it is so already, or that account can hold no such role; nothing was done",
    Code.UNSUPPORTED: "the running relay does not know this command; it is of another version",
    Code.LIMIT: "there are too many open invitations; wait until some are used or have expired",
    Code.DISK: "the relay's disk is nearly full",
}


class RelayAway(Expected):
    """Nobody answers on the operator's socket, or not in order; the text is one line."""

    status = Exit.UNAVAILABLE


class NotAllowed(Expected):
    """The operator's socket is not for this user."""

    status = Exit.PERMISSION


class RelayRefused(Expected):
    """The relay said no; the text says why, ``later`` whether trying again may help."""

    def __init__(self, code: int) -> None:
        """Find the words for a code."""
        super().__init__(_SAID.get(code, f"the relay refused, code {code}; see its log"))
        self.code = code
        self.later = range_of(code) is CodeRange.RETRY_LATER
        self.status = Exit.LATER if self.later else Exit.REFUSED


def ask(path: Path, command: Message, expected: type[M], *, timeout_s: float | None = None) -> M:
    """Return the relay's reply, which is an ``expected``. Raises RelayAway, NotAllowed, RelayRefused."""
    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            asked = message.encode(command, 1)
            connection.sendall(len(asked).to_bytes(2) + asked)
            return _reply(_exactly(connection, int.from_bytes(_exactly(connection, 2))), expected)
    except PermissionError:
        raise NotAllowed(f"{path}: only root and the relay's own user may ask; try sudo") from None
    except (FileNotFoundError, ConnectionError, NotADirectoryError):
        raise RelayAway(f"no relay is running here ({path}); start it with relayd serve") from None
    except TimeoutError:
        raise RelayAway(f"the relay did not answer within {timeout_s:.0f} s ({path}); see its log") from None
    except Malformed:
        raise RelayAway(f"what answers at {path} is not a relay of this version") from None


def _reply(octets: bytes, expected: type[M]) -> M:
    kind, _, _ = frame.decode(octets)
    if kind == Kind.REFUSED:
        raise RelayRefused(message.read(Refused, octets).code)
    if kind != expected.KIND:
        raise Malformed("another reply")
    return message.read(expected, octets)


def _exactly(connection: socket.socket, count: int) -> bytes:
    octets = bytearray()
    while len(octets) < count:
        part = connection.recv(count - len(octets))
        if not part:
            raise RelayAway("the relay closed the connection without an answer; see its log")
        octets += part
    return bytes(octets)


def link(invited: Invited) -> str:
    """Return the invitation link that a reply makes, with the relay's key as its root signed it."""
    root_fingerprint = descriptor.root_fingerprint(invited.descriptor)
    keys = descriptor.read(invited.descriptor, root_fingerprint)
    host, port = endpoint(invited.endpoint)
    return to_link(
        Invitation(
            address=Address(invited.address),
            host=host,
            port=port,
            key_id=KeyId(keys.key_id),
            relay_key=keys.x25519,
            root_fingerprint=root_fingerprint,
            ticket=invited.ticket,
        )
    )


def reason(said: str, source: TextIO) -> str:
    """Return why something is done: what was said, or, for a dash, what stands in ``source``. Raises CannotGoOn."""
    text = source.read(LOCAL_REASON_CHARS_MAX + 2).strip() if said == "-" else said.strip()
    if not 0 < len(text) <= LOCAL_REASON_CHARS_MAX:
        raise CannotGoOn(f"a reason has 1 to {LOCAL_REASON_CHARS_MAX} characters; nothing was done", Exit.REFUSED)
    return text


def confirm(question: str, expected: str, source: TextIO, terminal: TextIO) -> None:
    """Return if the person at the terminal types what is expected, else raise CannotGoOn."""
    if not source.isatty():
        raise CannotGoOn("nobody is there to confirm it; say --yes if it is meant", Exit.REFUSED)
    terminal.write(question)
    terminal.flush()
    if source.readline().strip() != expected:
        raise CannotGoOn("that is not the same; nothing was done", Exit.REFUSED)


def moment(unix_ms: int) -> str:
    """Return a moment as people write it, in UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
