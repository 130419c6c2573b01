"""The contract: checked readers for the fields of a frame.

A value decoded from msgpack enters; the same value leaves, known to be in bounds, or ``Malformed`` is raised.
The rule of this file: total - any value that msgpack can make gives one of these two, in bounded time.
Messages never name a value that the peer sent, only the rule that it broke.
"""

from collections.abc import Callable
from enum import IntEnum
from operator import call
from typing import TypeVar

from relayproto.errors import Malformed
from relayproto.limits import UINT_MAX

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)
Reader = Callable[[object], T]


def uint(maximum: int = UINT_MAX, minimum: int = 0) -> Reader[int]:
    """Read an integer of [minimum, maximum]; ``True`` is not 1 here."""

    def read(value: object) -> int:
        if type(value) is not int or not minimum <= value <= maximum:
            raise Malformed(f"not an integer of {minimum} to {maximum}")
        return value

    return read


def flag(value: object) -> bool:
    """Read a boolean."""
    if type(value) is not bool:
        raise Malformed("not a boolean")
    return value


def octets(exactly: int) -> Reader[bytes]:
    """Read a byte string of exactly so many bytes."""

    def read(value: object) -> bytes:
        if type(value) is not bytes or len(value) != exactly:
            raise Malformed(f"not {exactly} bytes")
        return value

    return read


def octets_up_to(maximum: int, minimum: int = 0) -> Reader[bytes]:
    """Read a byte string of [minimum, maximum] bytes."""

    def read(value: object) -> bytes:
        if type(value) is not bytes or not minimum <= len(value) <= maximum:
            raise Malformed(f"not {minimum} to {maximum} bytes")
        return value

    return read


def text(characters_max: int) -> Reader[str]:
    """Read a text of at most so many characters."""

    def read(value: object) -> str:
        if type(value) is not str or len(value) > characters_max:
            raise Malformed(f"not a text of at most {characters_max} characters")
        return value

    return read


def one_of(enumeration: type[E]) -> Reader[E]:
    """Read a member of a closed enumeration."""
    members = {int(member): member for member in enumeration}

    def read(value: object) -> E:
        member = members.get(value) if type(value) is int else None
        if member is None:
            raise Malformed(f"not a number of {enumeration.__name__}")
        return member

    return read


def optional(reader: Reader[T]) -> Reader[T | None]:
    """Read what ``reader`` reads, or nil."""

    def read(value: object) -> T | None:
        return None if value is None else reader(value)

    return read


def sequence(reader: Reader[T], maximum: int, minimum: int = 0) -> Reader[tuple[T, ...]]:
    """Read an array of [minimum, maximum] elements, each by ``reader``."""

    def read(value: object) -> tuple[T, ...]:
        if type(value) is not list or not minimum <= len(value) <= maximum:
            raise Malformed(f"not an array of {minimum} to {maximum}")
        return tuple(map(reader, value))

    return read


def record(kind: Callable[..., T], *readers: Reader[object]) -> Reader[T]:
    """Read an array whose elements are the arguments of ``kind``; extra ones at the end are ignored (spec 30 §5)."""
    count = len(readers)

    def read(value: object) -> T:
        if type(value) is not list or len(value) < count:
            raise Malformed(f"not an array of at least {count}")
        return kind(*map(call, readers, value))

    return read
