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


pack_array: Final[Callable[[tuple[object, ...]], bytes]] = Encoder().encode
"""Return the fields as one msgpack array in its shortest form, the same bytes for the same fields."""


def pack(*fields: object) -> bytes:
    """Return the fields as one msgpack array, as ``pack_array`` does."""
    return pack_array(fields)


def unpack(packed: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return what the bytes say as ``kind``, or raise Malformed; nothing else is raised, whatever they are.

    Of a ``Packable``, further fields at the end are skipped (spec 30 §5).
    """
    said: T = _decoded(packed, kind, 0)
    return said


def unpack_behind(packed: bytes, kind: type[T], leading: int) -> tuple[tuple[int, ...], T]:
    """Return so many leading numbers of 32 bits, and the ``Packable`` whose fields stand behind them."""
    fields = msgspec.structs.astuple(_decoded(packed, kind, leading))
    return fields[:leading], kind(*fields[leading:])


def _decoded(packed: bytes | msgspec.Raw, kind: Any, leading: int) -> Any:
    decoder, names = _decoder(kind, leading)
    try:
        return decoder.decode(packed)
    except msgspec.ValidationError as error:
        raise Malformed(_rule(names, str(error))) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Malformed("not one msgpack value") from None


@cache
def _decoder(kind: Any, leading: int) -> tuple[Decoder[Any], tuple[str, ...]]:
    """Return what decodes the type, and the names of its fields.

    Behind leading numbers none of the fields has a default: that is for who writes them.
    """
    if leading:
        fields = [(field.name, field.type) for field in msgspec.structs.fields(kind)]
        numbers = [(f"leading_{at}", U32) for at in range(leading)]
        kind = msgspec.defstruct(kind.__name__, [*numbers, *fields], array_like=True, frozen=True, gc=False)
    return Decoder(kind), getattr(kind, "__struct_fields__", ())


def _rule(names: tuple[str, ...], reason: str) -> str:
    """Return what was broken and where, without what msgspec tells of the value."""
    what, _, path = reason.partition(" - at `$")
    what = "not a number of its enumeration" if what.startswith("Invalid enum value") else _COUNT.sub("", what)
    place = path.removesuffix("`")
    if names and (outer := _INDEX.match(place)):
        place = names[int(outer[1])] + place[outer.end() :]
    return f"{place}: {what}" if place else what
