"""Changes of bytes that keep them msgpack: one value inside is replaced, doubled, dropped or moved.

Bytes, a bound and a seed enter, other bytes leave. Bytes alone, changed at random, seldom get past the first reader.
"""

import random
from collections.abc import Callable
from typing import Any

import msgpack

HEADS = (0, 1, 2)
"""Bytes before the value: none, which paper it is, and a version behind that."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 255, 256, 999, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 1, 1.0,
    b"", b"\0", bytes(16), bytes(32), bytes(33), bytes(64), b"\xff" * 1536, "", "a", "a@gad.example", "\u202e" * 9,
    "\u0932" * 255, [], [[]], {}, {b"": 0}, [0] * 17, msgpack.ExtType(5, b""), msgpack.Timestamp(1),
)  # fmt: skip


def mutated(octets: bytes, octets_max: int, seed: int, otherwise: Callable[[bytes, int], bytes]) -> bytes:
    """Return the bytes with a value changed; with plain bytes changed each third time, or where they are no msgpack."""
    chance = random.Random(seed)
    head, value = _array(octets) if seed % 3 else (0, None)
    if value is None:
        return otherwise(octets, octets_max)
    for _ in range(chance.choice((1, 1, 2))):
        _change(value, chance)
    try:
        changed = octets[:head] + msgpack.packb(value)
    except (ValueError, TypeError, OverflowError):
        return otherwise(octets, octets_max)
    return changed if len(changed) <= octets_max else otherwise(octets, octets_max)


def _array(octets: bytes) -> tuple[int, list[Any] | None]:
    """Return the array that the bytes are behind their first few, and how many these are; None where there is none."""
    for head in HEADS:
        try:
            value = msgpack.unpackb(octets[head:])
        except (ValueError, TypeError, msgpack.UnpackException):
            continue
        if isinstance(value, list):
            return head, value
    return 0, None


def _change(row: list[Any], chance: random.Random) -> None:
    """Change one place of an array or of one inside it."""
    while row:
        at = chance.randrange(len(row))
        if isinstance(row[at], list) and row[at] and chance.random() < 0.7:
            row = row[at]
            continue
        match chance.randrange(6):
            case 0:
                row[at] = chance.choice(VALUES)
            case 1:
                row.insert(at, row[at])
            case 2:
                del row[at]
            case 3:
                row[at] = _near(row[at], chance)
            case 4:
                row[at] = chance.choice(row)
            case _:
                row[at] = [row[at]] * chance.choice((1, 2, 9, 33))
        return


def _near(value: Any, chance: random.Random) -> Any:
    """Return a value of the same type, a little longer, shorter, higher or lower."""
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-(1 << 63), min(value + chance.choice((-1, 1, -value, value)), (1 << 64) - 1))
    if isinstance(value, bytes | str | list) and value:
        return chance.choice((value[:-1], value[1:], value + value[:1], value * 2, value * 17))
    return not value
