"""The contract: what a message is, and the one codec that all messages share.

A message's class names its kind and a reader for each field; from that alone it is encoded and decoded.
The rule of this file: no message has a codec of its own, so that none can differ from its description.
"""

from operator import call
from typing import Any, ClassVar, TypeVar

from relayproto import frame
from relayproto.codes import Kind
from relayproto.errors import LocalProtocolError, Malformed
from relayproto.fields import Reader
from relayproto.value import Value

M = TypeVar("M", bound="Message")


class Message(Value, frozen=True, gc=False):
    """One thing that one side says to the other. Subclasses are frozen, and hold nothing that could hold them.

    ``READERS`` has one reader for each field, in the order of the wire; ``HIDDEN`` names fields that no log shows.
    """

    KIND: ClassVar[Kind]
    READERS: ClassVar[tuple[Reader[Any], ...]] = ()


def encode(message: Message, request: int = 0) -> bytes:
    """Return the frame that says ``message``."""
    return frame.encode(message.KIND, request, message.fields())


def read(kind: type[M], fields: list[object]) -> M:
    """Return the message that the fields make, or raise Malformed; extra fields at the end are ignored (spec 30 §5)."""
    readers = kind.READERS
    if len(fields) < len(readers):
        raise Malformed(f"{kind.__name__} has fewer than {len(readers)} fields")
    return kind(*map(call, readers, fields))


def table(*kinds: type[Message]) -> dict[int, type[Message]]:
    """Return kind -> class; two classes of one kind are our mistake."""
    by_kind: dict[int, type[Message]] = {}
    for kind in kinds:
        if kind.KIND in by_kind:
            raise LocalProtocolError(f"two messages of kind {kind.KIND.name}")
        by_kind[kind.KIND] = kind
    return by_kind
