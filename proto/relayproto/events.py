"""The contract: what a connection tells the one who drives it. Nothing else leaves it but bytes."""

from typing import ClassVar

from relayproto.commands import Hello
from relayproto.message import Message
from relayproto.value import Value


class HelloReceived(Value, frozen=True):
    """Relay side: message 3 is verified. Only WELCOME or GOAWAY may be said next.

    ``static_key`` is the device's X25519 public key, 32 bytes: the caller looks it up and compares.
    """

    hello: Hello
    static_key: bytes


class EnrolmentOpened(Value, frozen=True):
    """Relay side: a connection without identity is open; ENROL may come."""


class Established(Value, frozen=True):
    """Client side: the relay has proved that it holds the key we named.

    ``handshake_hash`` is the same on both sides and on no other connection, 32 bytes.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"handshake_hash"})
    handshake_hash: bytes


class MessageReceived(Value, frozen=True):
    """A decoded message; ``request`` is the number that an answer repeats."""

    request: int
    message: Message


class DescriptorReceived(Value, frozen=True):
    """Client side: the relay has not the key or the suite that we named, and says which it has. ``Closed`` follows."""

    descriptor: bytes


class Closed(Value, frozen=True):
    """The last event. ``code`` is GOAWAY's, or None where the pipe ended without one.

    ``after_ms`` is the earliest time for coming back; ``detail`` is for the log and holds nothing that the peer sent.
    """

    code: int | None
    reconnect: bool
    after_ms: int
    by_peer: bool
    detail: str


Event = HelloReceived | EnrolmentOpened | Established | MessageReceived | DescriptorReceived | Closed
