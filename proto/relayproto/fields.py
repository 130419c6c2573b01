"""The contract: the bounds of a field, and the one check of all of them.

A field's type says what it is, ``Annotated`` with a bound from here says what is allowed; a value decoded from msgpack
enters, and leaves as that type, known to be in bounds, or ``Malformed`` is raised.
The rule of this file: total - any value that msgpack can make gives one of these two, in bounded time.
Messages never name a value that the peer sent, only the rule that it broke.
"""

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Meta

from relayproto.errors import Malformed
from relayproto.limits import UINT_MAX

T = TypeVar("T")
_INDEX: Final = re.compile(r"\[(\d+)\]")


def uint(maximum: int = UINT_MAX, minimum: int = 0) -> Meta:
    """Bound an integer by [minimum, maximum]; ``True`` is not 1 here, and 1.0 is not either."""
    return Meta(ge=minimum, le=int(maximum))


def octets(exactly: int) -> Meta:
    """Bound a byte string to exactly so many bytes."""
    return Meta(min_length=exactly, max_length=exactly)


def octets_up_to(maximum: int, minimum: int = 0) -> Meta:
    """Bound a byte string by [minimum, maximum] bytes."""
    return Meta(min_length=minimum, max_length=maximum)


def text(characters_max: int) -> Meta:
    """Bound a text to so many characters."""
    return Meta(max_length=characters_max)


def sequence(maximum: int, minimum: int = 0) -> Meta:
    """Bound an array by [minimum, maximum] elements."""
    return Meta(min_length=minimum, max_length=maximum)


def checked(kind: type[T], value: object) -> T:
    """Return the value as ``kind``, or raise Malformed; of a ``Value``, extra fields at the end are ignored."""
    try:
        # Bytes come as bytes: without this, a text would be taken for base64.
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise Malformed(_rule(kind, str(error))) from None


def _rule(kind: object, reason: str) -> str:
    """Return what was broken and where, without the value that msgspec names of a closed enumeration."""
    what, _, path = reason.partition(" - at `$")
    if what.startswith("Invalid enum value"):
        what = "not a number of its enumeration"
    place = path.removesuffix("`")
    names = getattr(kind, "__struct_fields__", ())
    if names and (outer := _INDEX.match(place)):
        place = names[int(outer[1])] + place[outer.end() :]
    return f"{place}: {what}" if place else what
