"""How far the device is in each lane of its mailbox.

Sequences that were dealt with enter; floors and ranges for HELLO and ACK leave. The rule of this file: a floor covers
only what was committed here or explained by the relay, and numbers of one epoch never count in another (spec 50 §3).
"""

from collections.abc import Sequence
from typing import NamedTuple

from relayclient.store.database import Step
from relayproto.codes import Lane

Range = tuple[int, int]


class Place(NamedTuple):
    """A lane: everything up to ``floor`` is dealt with, and the ``ranges`` (first, last) above it, ascending, apart."""

    floor: int
    ranges: tuple[Range, ...]

    def holds(self, sequence: int) -> bool:
        """Say whether a sequence is dealt with."""
        return sequence <= self.floor or any(first <= sequence <= last for first, last in self.ranges)


def merged(place: Place, first: int, last: int) -> Place:
    """Return the place when first to last, both included, are dealt with as well."""
    first = max(first, place.floor + 1)
    if first > last:
        return place
    apart: list[Range] = []
    for low, high in place.ranges:
        if high + 1 < first or last + 1 < low:
            apart.append((low, high))
        else:
            first, last = min(first, low), max(last, high)
    ranges = sorted([*apart, (first, last)])
    floor = place.floor
    if ranges[0][0] == floor + 1:
        floor = ranges.pop(0)[1]
    return Place(floor, tuple(ranges))


def read(step: Step, lane: Lane) -> Place:
    """Return a lane's place."""
    ranges = step.rows("SELECT first, last FROM lane_range WHERE lane = ? ORDER BY first", lane)
    return Place(step.number("SELECT floor FROM lane WHERE lane = ?", lane), tuple(ranges))


def cover(step: Step, lane: Lane, first: int, last: int) -> None:
    """Note that first to last, both included, are dealt with."""
    before = read(step, lane)
    _write(step, lane, before, merged(before, first, last))


def _write(step: Step, lane: Lane, before: Place, after: Place) -> None:
    if after.floor != before.floor:
        step.run("UPDATE lane SET floor = ? WHERE lane = ?", after.floor, lane)
    for first, last in set(before.ranges) - set(after.ranges):
        step.run("DELETE FROM lane_range WHERE lane = ? AND first = ? AND last = ?", lane, first, last)
    for first, last in set(after.ranges) - set(before.ranges):
        step.run("INSERT INTO lane_range (lane, first, last) VALUES (?, ?, ?)", lane, first, last)


def cover_unopened(step: Step, lane: Lane, sequence: int) -> None:
    """Note that a sequence is dealt with although its envelope did not open; the next ACK says so."""
    cover(step, lane, sequence, sequence)
    step.run("INSERT OR IGNORE INTO unopened (lane, sequence) VALUES (?, ?)", lane, sequence)


def unopened(step: Step, lane: Lane) -> list[int]:
    """Return the sequences of a lane that were not opened and not yet reported, ascending."""
    return [sequence for (sequence,) in step.rows("SELECT sequence FROM unopened WHERE lane = ? ORDER BY 1", lane)]


def reported(step: Step, lane: Lane, sequences: Sequence[int]) -> None:
    """Note that an ACK says of these that they were not opened.

    Where that ACK is lost, the next HELLO's floor acknowledges them without the report: the sender then learns of it
    from the retry request, which names their commitments.
    """
    for sequence in sequences:
        step.run("DELETE FROM unopened WHERE lane = ? AND sequence = ?", lane, sequence)


def hello_floors(step: Step) -> tuple[int, ...]:
    """Return the floors for HELLO: below everything whose report no ACK has carried, for HELLO can't carry one."""
    floors = []
    for lane in Lane:
        held = unopened(step, lane)
        floors.append(min(read(step, lane).floor, held[0] - 1 if held else read(step, lane).floor))
    return tuple(floors)


def epoch(step: Step) -> int:
    """Return the mailbox's epoch, 0 where none is known."""
    return step.setting("mailbox_epoch") or 0


def enter_epoch(step: Step, epoch_: int, floors: Sequence[int]) -> bool:
    """Go over to the mailbox's epoch where it is another than the one known; return whether it was."""
    if epoch_ == epoch(step):
        return False
    step.put("mailbox_epoch", epoch_)
    step.run("DELETE FROM lane_range")
    step.run("DELETE FROM unopened")
    for lane, floor in zip(Lane, floors, strict=True):
        step.run("UPDATE lane SET floor = ? WHERE lane = ?", floor, lane)
    return True
