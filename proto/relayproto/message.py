"""The contract: what a message is, and the one codec that all messages share.

A message's class names its kind and a reader for each field; from that alone it is encoded and decoded.
The rule of this file: no message has a codec of its own, so that none can differ from its description.
"""

from collections.abc import Callable
from functools import cache
from operator import attrgetter, call
from typing import Any, ClassVar, TypeVar

from relayproto import frame
from relayproto.codes import Kind
from relayproto.errors import LocalProtocolError, Malformed
from relayproto.fields import Reader

M = TypeVar("M", bound="Message")


class Message:
    """One thing that one side says to the other. Subclasses are frozen, slotted dataclasses.

    ``READERS`` has one reader for each dataclass field, in the order of the wire.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    KIND: ClassVar[Kind]
    READERS: ClassVar[tuple[Reader[Any], ...]] = ()

    def fields(self) -> list[object]:
        """Return the fields in the order of the wire."""
        return list(_picker(self.__match_args__)(self))


@cache
def _picker(names: tuple[str, ...]) -> Callable[[object], tuple[object, ...]]:
    """Return what takes these attributes out of an object; one by one in Python it costs three times as much."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: tuple([getattr(message, name) for name in names])


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
