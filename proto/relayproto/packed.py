"""The contract, lowest room: one msgpack value as bytes, in a frame, signed, sealed or kept.

Values enter and bytes leave, or the other way round. The rule of this file: any bytes give one value or ``Malformed``;
how large a value may be is for the caller to bound by the bytes that it lets in.
"""

import msgspec

from relayproto.errors import Malformed

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def pack(*fields: object) -> bytes:
    """Return the fields as one msgpack array in its shortest form, the same bytes for the same fields."""
    return _encoder.encode(fields)


def unpack(packed: bytes) -> object:
    """Return the one value that the bytes are, or raise Malformed; nothing else is raised, whatever they are."""
    try:
        value: object = _decoder.decode(packed)
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError):
        raise Malformed("not one msgpack value") from None
    return value
