"""The contract: one msgpack value as bytes, for what is signed, sealed or kept rather than framed.

Values enter and bytes leave, or the other way round. The rule of this file: any bytes give one value or ``Malformed``;
how large a value may be is for the caller to bound by the bytes that it lets in.
"""

import msgpack

from relayproto.errors import Malformed


def pack(*fields: object) -> bytes:
    """Return the fields as one msgpack array in its shortest form, the same bytes for the same fields."""
    packed: bytes = msgpack.packb(fields)
    return packed


def unpack(packed: bytes) -> object:
    """Return the one value that the bytes are, or raise Malformed; nothing else is raised, whatever they are."""
    try:
        value: object = msgpack.unpackb(packed)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        raise Malformed("not one msgpack value") from None
    return value
