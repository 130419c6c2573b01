"""The contract: one frame, between bytes and ``[kind, request, fields...]``.

The bytes of a frame enter; its kind, its request number and its unchecked fields leave, and the other way round.
The rule of this file: total and bounded - a frame is at most one record long, so what msgpack can make of it is too.
"""

from collections.abc import Iterable
from typing import NamedTuple

from relayproto.errors import LocalProtocolError, Malformed
from relayproto.limits import FRAME_BYTES_MAX, REQUEST_MAX
from relayproto.packed import pack, unpack

_KIND_MAX = 255


class Frame(NamedTuple):
    """A frame whose fields nobody has checked yet."""

    kind: int
    request: int
    fields: list[object]


def encode(kind: int, request: int, fields: Iterable[object]) -> bytes:
    """Return the bytes of one frame.

    Raises LocalProtocolError where it would not fit a record: that is our own mistake, the limits of spec 30 §6
    keep every legal message below it.
    """
    frame = pack(kind, request, *fields)
    if len(frame) > FRAME_BYTES_MAX:
        raise LocalProtocolError(f"a frame of kind {kind} has {len(frame)} bytes, more than a record holds")
    return frame


def decode(frame: bytes) -> Frame:
    """Return the parts of a frame, or raise Malformed; nothing else is raised, whatever the bytes are."""
    parts = unpack(frame)
    if type(parts) is not list or len(parts) < 2:  # noqa: PLR2004 - kind and request
        raise Malformed("not an array of kind, request and fields")
    kind, request = parts[0], parts[1]
    if type(kind) is not int or not 0 <= kind <= _KIND_MAX:
        raise Malformed("the kind is not an integer of 0 to 255")
    if type(request) is not int or not 0 <= request <= REQUEST_MAX:
        raise Malformed("the request is not an unsigned 32-bit integer")
    del parts[:2]
    return Frame(kind, request, parts)
