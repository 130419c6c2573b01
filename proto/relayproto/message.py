"""The contract: what a message is, and the one codec that all messages share.

A message's class names its kind, its fields and their bounds; from that alone it is encoded and decoded.
The rule of this file: no message has a codec of its own, so that none can differ from its description.
"""

from typing import ClassVar, TypeVar

from relayproto import frame
from relayproto.codes import Kind
from relayproto.errors import LocalProtocolError, Malformed
from relayproto.fields import checked
from relayproto.value import Part

M = TypeVar("M", bound="Message")


class Message(Part, frozen=True):
    """One thing that one side says to the other; its fields are in the order of the wire."""

    KIND: ClassVar[Kind]


def encode(message: Message, request: int = 0) -> bytes:
    """Return the frame that says ``message``."""
    return frame.encode(message.KIND, request, message.fields())


def read(kind: type[M], fields: list[object]) -> M:
    """Return the message that the fields make, or raise Malformed; extra fields at the end are ignored (spec 30 §5)."""
    count = len(kind.__struct_fields__)
    if len(fields) < count:
        # What has a default for who writes it has none for who reads it.
        raise Malformed(f"{kind.__name__} has fewer than {count} fields")
    return checked(kind, fields)


def table(*kinds: type[Message]) -> dict[int, type[Message]]:
    """Return kind -> class; two classes of one kind are our mistake."""
    by_kind: dict[int, type[Message]] = {}
    for kind in kinds:
        if kind.KIND in by_kind:
            raise LocalProtocolError(f"two messages of kind {kind.KIND.name}")
        by_kind[kind.KIND] = kind
    return by_kind
