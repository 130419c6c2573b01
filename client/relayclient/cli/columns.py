"""The command line: tables for people, times and names as people write them.

Rows of texts enter and lines leave; a time or the name of a role enters as text and leaves as what the contract has.
The rule of this file: a text of somebody else's stays in its cell.
"""

from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, TypeVar

from relayclient.cli import terminal

E = TypeVar("E", bound=IntEnum)
_GAP: Final = "  "
_HASH_BYTES: Final = 32


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with a head, or say that there are no rows."""
    cells = [[_cell(str(cell)) for cell in row] for row in rows]
    if not cells:
        terminal.note("Nothing to show.")
        return
    widths = [max(len(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    for row in [list(head), *cells]:
        terminal.say(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(text: str) -> str:
    return terminal.harmless(text).replace("\n", " ").replace("\t", " ")


def fingerprint(text: str) -> bytes:
    """Return the fingerprint of a relay's root, which a person gives in hexadecimal."""
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) != _HASH_BYTES:
        raise ArgumentTypeError(f"{text!r} is no fingerprint of 64 hexadecimal digits")
    return octets


def moment(text: str) -> int:
    """Return the unix ms of a date or a time: 2027-01-31, 2027-01-31T12:30, with a zone or else in UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date: write it as 2027-01-31 or 2027-01-31T12:30") from None
    if read.tzinfo is None:
        read = read.replace(tzinfo=UTC)
    return max(0, int(read.timestamp() * 1000))


def day(at_ms: int) -> str:
    """Return the day of a time, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def word(value: IntEnum) -> str:
    """Return how a role, a standing or a kind is written on the command line: organisation-admin."""
    return value.name.lower().replace("_", "-")


def words(enum: type[E]) -> list[str]:
    """Return all that may be written for one of an enum."""
    return [word(value) for value in enum]


def meant(enum: type[E], text: str) -> E:
    """Return the value that a word means; it is one of ``words``."""
    return enum[text.upper().replace("-", "_")]
