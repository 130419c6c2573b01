"""The contract, lowest room: one msgpack value as bytes, in a frame, signed, sealed or kept.

Values enter and bytes leave, or bytes and a type enter and what they say leaves, in bounds. The rules of this file: any
bytes give one value of the type or ``Malformed``, which names the rule that was broken and never what was sent; and
nothing is built that the type does not ask for - a map whose keys are made to collide costs whoever builds it 20 ms a
record. How large a value may be is for the caller to bound by the bytes that it lets in.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec.msgpack import Decoder, Encoder

from relayproto.errors import Malformed
from relayproto.fields import U32

T = TypeVar("T")

_INDEX: Final = re.compile(r"\[(\d+)\]")
_COUNT: Final = re.compile(r", got \d+$")
_REASONS: Final = (msgspec.DecodeError, ValueError, RecursionError)


pack_array: Final[Callable[[tuple[object, ...]], bytes]] = Encoder().encode
"""Return the fields as one msgpack array in its shortest form, the same bytes for the same fields."""


def pack(*fields: object) -> bytes:
    """Return the fields as one msgpack array, as ``pack_array`` does."""
    return pack_array(fields)


def unpack(packed: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return what the bytes say as ``kind``, or raise Malformed; nothing else is raised, whatever they are.

    Of a ``Packable``, further fields at the end are skipped (spec 30 §5).
    """
    decoder, names = _decoder(kind, ())  # type: ignore[arg-type]  # a type has a hash
    try:
        said: T = decoder.decode(packed)
    except _REASONS as error:
        raise _malformed(names, error) from None
    return said


def unpack_behind(packed: bytes, kind: type[T], leading: tuple[str, ...]) -> tuple[tuple[int, ...], T]:
    """Return the leading numbers of 32 bits, which have names, and the ``Packable`` whose fields stand behind them."""
    decoder, names = _decoder(kind, leading)  # type: ignore[arg-type]  # a type has a hash
    try:
        fields = msgspec.structs.astuple(decoder.decode(packed))
    except _REASONS as error:
        raise _malformed(names, error) from None
    at = len(leading)
    return fields[:at], kind(*fields[at:])


@cache
def _decoder(kind: Any, leading: tuple[str, ...]) -> tuple[Decoder[Any], tuple[str, ...]]:
    """Return what decodes the type, and the names of its fields.

    Behind leading numbers none of the fields has a default: that is for who writes them.
    """
    names = (*leading, *getattr(kind, "__struct_fields__", ()))
    if leading:
        fields = [(field.name, field.type) for field in msgspec.structs.fields(kind)]
        numbers = [(f"leading_{at}", U32) for at, _ in enumerate(leading)]
        kind = msgspec.defstruct(kind.__name__, [*numbers, *fields], array_like=True, frozen=True, gc=False)
    return Decoder(kind), names


def _malformed(names: tuple[str, ...], error: Exception) -> Malformed:
    """Return what was broken and where, without what msgspec tells of the value."""
    if not isinstance(error, msgspec.ValidationError):
        return Malformed("not one msgpack value")
    what, _, path = str(error).partition(" - at `$")
    what = "not a number of its enumeration" if what.startswith("Invalid enum value") else _COUNT.sub("", what)
    place = path.removesuffix("`")
    if names and (outer := _INDEX.match(place)):
        place = names[int(outer[1])] + place[outer.end() :]
    return Malformed(f"{place}: {what}" if place else what)
