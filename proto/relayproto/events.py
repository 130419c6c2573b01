"""The contract: what a connection tells the one who drives it. Nothing else leaves it but bytes."""

from dataclasses import dataclass, field

from relayproto.commands import Hello
from relayproto.message import Message


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """Relay side: message 3 is verified. Only WELCOME or GOAWAY may be said next.

    ``static_key`` is the device's X25519 public key, 32 bytes: the caller looks it up and compares.
    """

    hello: Hello
    static_key: bytes


@dataclass(frozen=True, slots=True)
class EnrolmentOpened:
    """Relay side: a connection without identity is open; ENROL may come."""


@dataclass(frozen=True, slots=True)
class Established:
    """Client side: the relay has proved that it holds the key we named.

    ``handshake_hash`` is the same on both sides and on no other connection, 32 bytes.
    """

    handshake_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A decoded message; ``request`` is the number that an answer repeats."""

    request: int
    message: Message


@dataclass(frozen=True, slots=True)
class DescriptorReceived:
    """Client side: the relay has not the key or the suite that we named, and says which it has. ``Closed`` follows."""

    descriptor: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event. ``code`` is GOAWAY's, or None where the pipe ended without one.

    ``after_ms`` is the earliest time for coming back; ``detail`` is for the log and holds nothing that the peer sent.
    """

    code: int | None
    reconnect: bool
    after_ms: int
    by_peer: bool
    detail: str


Event = HelloReceived | EnrolmentOpened | Established | MessageReceived | DescriptorReceived | Closed
