"""The domain room: how many rows of an answer fit its frame.

Rows enter, as many as there are; those that fit leave, and whether others follow. The rule of this file: at least one
row leaves where there is any, since no single row is longer than a frame.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from relayproto.limits import FRAME_BYTES_MAX
from relayproto.packed import pack

T = TypeVar("T")

_AROUND: Final = 32
"""Bytes for all of a frame but its rows: kind, request, lengths and what says that others follow."""


def fitting(rows: Iterable[T], maximum: int) -> tuple[tuple[T, ...], bool]:
    """Return the first rows, at most so many, that fit a frame together, and whether there are more."""
    taken: list[T] = []
    left = FRAME_BYTES_MAX - _AROUND
    for row in rows:
        left -= len(pack(row))
        if len(taken) == maximum or left < 0:
            return tuple(taken), True
        taken.append(row)
    return tuple(taken), False
