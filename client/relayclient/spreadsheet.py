"""The device's room: people of an organisation as a spreadsheet has saved them, a line each.

Bytes enter; lines leave, and what is wrong with the others, by the number that an editor shows. The rules of this file:
the usual encodings, separators and heads of spreadsheets are known by what is there, not by asking; nothing is guessed
about a person; one bad line spoils no other.
"""

import codecs
import csv
import io
from typing import Final, NamedTuple

from relayclient import contacts
from relayclient.officer_errors import SheetUnreadable
from relayproto.limits import SHOWN_CHARS_MAX
from relayproto.texts import presentable

OCTETS_MAX: Final = 32 << 20
"""A hundred thousand lines of 300 bytes."""
_SEPARATORS: Final = ",;\t"
_HEADS: Final = {
    "address": {"address", "e-mail", "email", "mail", "e-mail address", "email address"},
    "name": {"name", "full name"},
    "title": {"title", "post", "designation"},
}


class Line(NamedTuple):
    """Somebody; ``number`` is the line where he begins, an empty text is one that is not said."""

    number: int
    address: str
    name: str
    title: str


class Fault(NamedTuple):
    """What is wrong with a line."""

    number: int
    address: str
    why: str


def read(octets: bytes) -> tuple[list[Line], list[Fault]]:
    """Return the good lines and the faults, both in their order. Raises SheetUnreadable."""
    if len(octets) > OCTETS_MAX:
        raise SheetUnreadable(f"larger than {OCTETS_MAX >> 20} MiB")
    text = _decoded(octets)
    head = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(_SEPARATORS, key=head.count), strict=True)
    places: dict[str, int] = {}
    lines: list[Line] = []
    faults: list[Fault] = []
    first: dict[str, int] = {}
    number = width = 1
    try:
        for row in rows:
            if not places:
                places, width = _places(row), len(row)
            elif any(field.strip() for field in row):
                _take(_line(row, places, width, number), first, lines, faults)
            number = rows.line_num + 1
    except csv.Error as error:
        raise SheetUnreadable(f"line {rows.line_num}: {error}") from None
    if not places:
        raise SheetUnreadable("it is empty")
    if not lines and not faults:
        raise SheetUnreadable("it names nobody")
    return lines, faults


def _decoded(octets: bytes) -> str:
    """Return the text by its mark of order, as UTF-8, or as what Windows saves in the west."""
    marked = octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SheetUnreadable("save it as UTF-8")


def _places(head: list[str]) -> dict[str, int]:
    """Return at which place of a line each field stands."""
    names = [" ".join(each.split()).casefold() for each in head]
    found: dict[str, int] = {}
    for field, called in _HEADS.items():
        at = [place for place, name in enumerate(names) if name in called]
        if len(at) > 1:
            raise SheetUnreadable(f"more than one column is a {field}")
        if at:
            found[field] = at[0]
    if "address" not in found:
        raise SheetUnreadable('its first line names no column "address"')
    return found


def _line(row: list[str], places: dict[str, int], width: int, number: int) -> Line | Fault:
    if len(row) != width:
        return Fault(number, "", f"it has {len(row)} fields, the first line has {width}")
    told = {field: row[place].strip() for field, place in places.items()}
    line = Line(number, told["address"].lower(), told.get("name", ""), told.get("title", ""))
    if not contacts.plausible(line.address):
        return Fault(number, line.address, "that is no address")
    for called, text in (("name", line.name), ("title", line.title)):
        if text and not presentable(text):
            why = f"its {called} is longer than {SHOWN_CHARS_MAX} characters, or has signs that cannot be seen"
            return Fault(number, line.address, why)
    return line


def _take(line: Line | Fault, first: dict[str, int], lines: list[Line], faults: list[Fault]) -> None:
    if isinstance(line, Line) and line.address in first:
        line = Fault(line.number, line.address, f"the same address stands in line {first[line.address]}")
    if isinstance(line, Fault):
        faults.append(line)
        return
    first[line.address] = line.number
    lines.append(line)
