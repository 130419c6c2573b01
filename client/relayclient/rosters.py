"""The device's room: a roster on its way to the relay, part by part (spec 86 §2).

Lines of a file enter; commands leave, and what the relay did not keep. The rules of this file: a roster is called by
what is in it, so that the same file goes on where it was cut off; the hash over what was kept is this device's own.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from relayclient.errors import RelayUntrusted
from relayclient.spreadsheet import Line
from relayproto import rosters
from relayproto.ids import UnitId
from relayproto.limits import FRAME_BYTES_MAX, ROSTER_NAME_BYTES, ROSTER_PART_LINES_MAX
from relayproto.packed import pack
from relayproto.primitives import blake2b_256
from relayproto.rosters import ImportRoster, PutRoster, Rostered, RosterLine

_AROUND: Final = 64
"""Bytes of a frame for all of PUT_ROSTER but its lines."""


class Parts:
    """A roster of a unit: its parts, and what they have come to. ``kept`` lines are in it so far."""

    def __init__(self, unit: UnitId, lines: Iterable[Line]) -> None:
        """Take the good lines of a file."""
        self.unit = unit
        self.lines = list(lines)
        people = [_person(line) for line in self.lines]
        self.name = blake2b_256(pack(unit) + rosters.digest(people))[:ROSTER_NAME_BYTES]
        self.again()

    def again(self) -> None:
        """Begin from the first line, because the relay has lost what it had."""
        self.kept = 0
        self._digest = rosters.NO_LINES

    def __iter__(self) -> Iterator[PutRoster]:
        """Return the commands, one after the other; call ``took`` with the answers in the same order."""
        position = 0
        while position < len(self.lines):
            part = self._part(position)
            yield PutRoster(self.unit, self.name, position, part)
            position += len(part)

    def _part(self, position: int) -> tuple[RosterLine, ...]:
        """Return as many lines from a position on as fit a command."""
        part: list[RosterLine] = []
        left = FRAME_BYTES_MAX - _AROUND
        for line in self.lines[position : position + ROSTER_PART_LINES_MAX]:
            left -= len(pack(*_person(line).fields()))
            if left < 0:
                break
            part.append(_person(line))
        return tuple(part)

    def took(self, part: PutRoster, answer: Rostered) -> list[tuple[Line, int]] | None:
        """Take in an answer: return the lines that were not kept, each with its code.

        None where the relay has less than came before, and all has to be said ``again``. Raises RelayUntrusted.
        """
        if answer.lines < part.position + len(part.lines):
            return None
        faults = {fault.place: fault.code for fault in answer.faults}
        if faults and max(faults) >= len(part.lines):
            raise RelayUntrusted
        good = [line for place, line in enumerate(part.lines) if place not in faults]
        self._digest = rosters.digest(good, self._digest)
        self.kept += len(good)
        return [(self.lines[part.position + place], code) for place, code in sorted(faults.items())]

    def done(self) -> ImportRoster:
        """Return the change that lets it come in force."""
        return ImportRoster(self.unit, self.name, self.kept, self._digest)


def _person(line: Line) -> RosterLine:
    return RosterLine(line.address, line.name, line.title)
