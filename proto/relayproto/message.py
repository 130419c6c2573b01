"""The contract: what a message is, and the one codec that all messages share.

A message's class names its kind, its fields and their bounds; from that alone it is encoded and decoded.
The rule of this file: no message has a codec of its own, so that none can differ from its description.
"""

from typing import ClassVar, TypeVar

from msgspec.structs import astuple

from relayproto import frame
from relayproto.codes import Kind
from relayproto.errors import LocalProtocolError
from relayproto.packed import unpack_behind
from relayproto.value import Packable

M = TypeVar("M", bound="Message")


class Message(Packable, frozen=True):
    """One thing that one side says to the other; its fields are in the order of the wire."""

    KIND: ClassVar[Kind]


def encode(message: Message, request: int = 0) -> bytes:
    """Return the frame that says ``message``."""
    return frame.encode(message.KIND, request, astuple(message))


def read(kind: type[M], octets: bytes) -> M:
    """Return the message of a frame of that kind, or raise Malformed."""
    return requested(kind, octets)[1]


def requested(kind: type[M], octets: bytes) -> tuple[int, M]:
    """Return the request number and the message of a frame of that kind, or raise Malformed."""
    (_, request), message = unpack_behind(octets, kind, frame.LEADING)
    return request, message


def table(*kinds: type[Message]) -> dict[int, type[Message]]:
    """Return kind -> class; two classes of one kind are our mistake."""
    by_kind: dict[int, type[Message]] = {}
    for kind in kinds:
        if kind.KIND in by_kind:
            raise LocalProtocolError(f"two messages of kind {kind.KIND.name}")
        by_kind[kind.KIND] = kind
    return by_kind
