"""The contract: one frame, between bytes and ``[kind, request, fields...]``.

The bytes of a frame enter; its kind and its request number leave, and the other way round; the fields are skipped.
The rule of this file: total and bounded - a frame is at most one record long, and two numbers are all that is built.
"""

from collections.abc import Iterable
from typing import Annotated, Final, NamedTuple

from relayproto.errors import LocalProtocolError
from relayproto.fields import uint
from relayproto.limits import FRAME_BYTES_MAX, REQUEST_MAX
from relayproto.packed import pack_array, unpack
from relayproto.value import Packable

LEADING: Final = ("kind", "request")
"""Numbers that stand before a message's fields."""


_ARRAY: Final = 0x90
_SMALL: Final = 0x80
"""The first octet of an array of less than sixteen, without its length; and whatever is below is its own number."""


class Frame(NamedTuple):
    """A frame whose fields nobody has looked at yet; ``octets`` are all of it."""

    kind: int
    request: int
    octets: bytes


class _Head(Packable, frozen=True):
    kind: Annotated[int, uint(255)]
    request: Annotated[int, uint(REQUEST_MAX)]


def encode(kind: int, request: int, fields: Iterable[object]) -> bytes:
    """Return the bytes of one frame.

    Raises LocalProtocolError where it would not fit a record: that is our own mistake, the limits of spec 30 §6
    keep every legal message below it.
    """
    frame = pack_array((kind, request, *fields))
    if len(frame) > FRAME_BYTES_MAX:
        raise LocalProtocolError(f"a frame of kind {kind} has {len(frame)} bytes, more than a record holds")
    return frame


def decode(frame: bytes) -> Frame:
    """Return the parts of a frame, or raise Malformed; nothing else is raised, whatever the bytes are."""
    head = unpack(frame, _Head)
    return Frame(head.kind, head.request, frame)


def kind_of(octets: bytes) -> int:
    """Return the kind of what may be a frame, or raise Malformed; whether it is one finds out who reads it.

    Nearly every frame has its kind in its second octet, and is then decoded once instead of twice.
    """
    if len(octets) > 1 and octets[0] & 0xF0 == _ARRAY and octets[1] < _SMALL:
        return octets[1]
    return decode(octets).kind
