"""The contract, lowest room: the bounds of a field.

A field's type says what it is, ``Annotated`` with a bound from here what is allowed: ``Annotated[bytes, octets(32)]``.
``packed.unpack`` holds a value against both. The rule of this file: each bound is one that msgspec checks while it
decodes, so that nothing is built of what is out of bounds.
"""

from typing import Annotated, Final

from msgspec import Meta

from relayproto.limits import UINT_MAX


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


_U32_MAX: Final = (1 << 32) - 1
U32 = Annotated[int, uint(_U32_MAX)]
U64 = Annotated[int, uint()]
"""As far as SQLite's integers go: 63 bits."""
