"""A roster on its way: parts that fit a frame, a name by what is in it, and a hash of this device's own."""

import pytest

from relayclient.errors import RelayUntrusted
from relayclient.rosters import Parts
from relayclient.spreadsheet import Line
from relayproto import message, rosters
from relayproto.codes import Code
from relayproto.limits import FRAME_BYTES_MAX, ROSTER_PART_LINES_MAX
from relayproto.rosters import Fault, ImportRoster, Person, Rostered

PEOPLE = [
    Line(2, "ann@gad.example", "Ann", "Clerk"),
    Line(4, "ben@gad.example", "", ""),
    Line(5, "cy@gad.example", "", ""),
]


def person(line: Line) -> Person:
    return Person(*line[1:])


def test_lines_go_in_parts_from_the_first_to_the_last() -> None:
    lines = [Line(number, f"p{number}@gad.example", "", "") for number in range(ROSTER_PART_LINES_MAX * 2 + 1)]

    parts = list(Parts(7, lines))

    assert [(part.unit, part.position, len(part.lines)) for part in parts] == [(7, 0, 100), (7, 100, 100), (7, 200, 1)]
    assert [one for part in parts for one in part.lines] == [person(line) for line in lines]
    assert len({part.roster for part in parts}) == 1


def test_a_part_fits_a_frame_whatever_its_lines_are() -> None:
    lines = [Line(number, "a" * 254, "\U0001f600" * 120, "\u0915" * 120) for number in range(300)]

    parts = list(Parts(7, lines))

    assert sum(len(part.lines) for part in parts) == 300
    assert all(len(message.encode(part, (1 << 32) - 1)) <= FRAME_BYTES_MAX for part in parts)


def test_a_name_is_that_of_the_same_lines_in_the_same_unit() -> None:
    names = [Parts(unit, lines).name for unit, lines in ((7, PEOPLE), (7, list(PEOPLE)), (8, PEOPLE), (7, PEOPLE[1:]))]

    assert names[0] == names[1]
    assert len({len(name) for name in names}) == 1
    assert len(set(names)) == 3


def test_the_hash_is_over_what_was_kept() -> None:
    parts = Parts(7, PEOPLE)

    for part in parts:
        refused = parts.took(part, Rostered(3, (Fault(1, Code.ADDRESS_TAKEN),)))

    assert refused == [(PEOPLE[1], Code.ADDRESS_TAKEN)]
    assert parts.done() == ImportRoster(7, parts.name, 2, rosters.digest([person(PEOPLE[0]), person(PEOPLE[2])]))


def test_what_the_relay_has_lost_is_said_again() -> None:
    parts = Parts(7, PEOPLE)
    [part] = parts
    parts.took(part, Rostered(3, ()))

    assert parts.took(part, Rostered(2, ())) is None
    parts.again()

    assert (parts.kept, parts.done().digest) == (0, rosters.NO_LINES)


def test_a_fault_of_no_line_is_not_believed() -> None:
    parts = Parts(7, PEOPLE)
    [part] = parts

    with pytest.raises(RelayUntrusted):
        parts.took(part, Rostered(3, (Fault(3, Code.LIMIT),)))
