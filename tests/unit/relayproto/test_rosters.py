"""Whom an organisation expects, and who claims to be of it: the bounds of these messages."""

import pytest

from relayproto import message
from relayproto.codes import Code
from relayproto.errors import Malformed
from relayproto.limits import (
    ADDRESS_CHARS_MAX,
    FRAME_BYTES_MAX,
    PAGE_ROWS_MAX,
    ROSTER_LINES_MAX,
    ROSTER_PART_LINES_MAX,
    SHOWN_CHARS_MAX,
)
from relayproto.packed import pack
from relayproto.primitives import blake2b_256
from relayproto.rosters import (
    NO_LINES,
    Claim,
    Claimant,
    Claimed,
    Claims,
    Expected,
    Fault,
    GetClaims,
    GetRoster,
    ImportRoster,
    PutRoster,
    Roster,
    Rostered,
    RosterLine,
    digest,
)
from relayproto.standing import ClaimState
from support.reading import read

BOB, CAROL = RosterLine("bob@gad.example", "Bob Roy", "Registrar"), RosterLine("carol@gad.example", "", "")
LONGEST = ["a" * ADDRESS_CHARS_MAX, "b" * SHOWN_CHARS_MAX, "c" * SHOWN_CHARS_MAX]


def test_the_digest_runs_over_the_lines_in_their_order() -> None:
    first = blake2b_256(bytes(32) + pack("bob@gad.example", "Bob Roy", "Registrar"))

    assert digest([]) == NO_LINES == bytes(32)
    assert digest([BOB]) == first
    assert digest([BOB, CAROL]) == digest([CAROL], first) == blake2b_256(first + pack("carol@gad.example", "", ""))
    assert digest([CAROL, BOB]) != digest([BOB, CAROL])


@pytest.mark.parametrize(
    "line",
    [["a" * (ADDRESS_CHARS_MAX + 1), "", ""], ["a", "b" * (SHOWN_CHARS_MAX + 1), ""],
     ["a", "", "c" * (SHOWN_CHARS_MAX + 1)], ["a", ""], ["a", "", 7], "a"],
)  # fmt: skip
def test_a_line_out_of_bounds_is_malformed(line: object) -> None:
    assert read(PutRoster, [9, bytes(16), 0, [LONGEST]]).lines == (RosterLine(*LONGEST),)
    with pytest.raises(Malformed):
        read(PutRoster, [9, bytes(16), 0, [line]])


@pytest.mark.parametrize(
    "fields", [[0, bytes(16), 0, [BOB]], [9, bytes(15), 0, [BOB]], [9, bytes(16), 0, []], [9, bytes(16), -1, [BOB]],
               [9, bytes(16), 0, [list(BOB.fields())] * (ROSTER_PART_LINES_MAX + 1)]],
)  # fmt: skip
def test_a_part_out_of_bounds_is_malformed(fields: list[object]) -> None:
    with pytest.raises(Malformed):
        read(PutRoster, fields)


def test_a_roster_in_force_has_lines_and_not_too_many() -> None:
    assert read(ImportRoster, [9, bytes(16), ROSTER_LINES_MAX, bytes(32)]).lines == ROSTER_LINES_MAX
    for lines in (0, ROSTER_LINES_MAX + 1):
        with pytest.raises(Malformed):
            read(ImportRoster, [9, bytes(16), lines, bytes(32)])


def test_the_longest_answer_about_a_part_fits_a_frame() -> None:
    said = Rostered(ROSTER_LINES_MAX, tuple(Fault(place, Code.BAD_ADDRESS) for place in range(ROSTER_PART_LINES_MAX)))

    assert len(message.encode(said)) < FRAME_BYTES_MAX
    assert read(Rostered, [9, [[99, 211]]]).faults == (Fault(99, 211),)
    with pytest.raises(Malformed):
        read(Rostered, [9, [[100, 211]]])


def test_questions_come_in_pages() -> None:
    assert read(GetRoster, [9, b"", 0, PAGE_ROWS_MAX]).roster == b""
    for fields in ([9, bytes(17), 0, 1], [9, b"", 0, PAGE_ROWS_MAX + 1], [0, b"", 0, 1]):
        with pytest.raises(Malformed):
            read(GetRoster, fields)
    with pytest.raises(Malformed):
        read(GetClaims, [9, 0, 0])


@pytest.mark.parametrize(
    "said",
    [
        PutRoster(9, bytes(16), 0, (BOB,)), Claim("Bob Roy", "Registrar"),
        Claimed(ClaimState.WAITING, "Bob Roy", "Registrar", 9), Roster((Expected(1, 9, *BOB.fields()),), False),
        Claims((Claimant(1, 9, bytes(32), *BOB.fields(), True, 9),), False),
    ],
)  # fmt: skip
def test_names_stay_out_of_what_is_printed(said: object) -> None:
    assert "Bob" not in repr(said)
    assert "Registrar" not in repr(said)
