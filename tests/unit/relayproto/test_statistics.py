import pytest

from relayproto import frame, message
from relayproto.codes import Class, Fate, Size
from relayproto.errors import Malformed
from relayproto.limits import FRAME_BYTES_MAX, KEPT_TEXT_CHARS_MAX
from relayproto.statistics import CELLS_MAX, Cell, Day, GetRetention, GetStatistics, Kept, Retention, Statistics
from support.reading import read

EVERY = tuple(Cell(class_, size, fate, (1 << 63) - 1) for class_ in Class for size in Size for fate in Fate)


def through(said):
    return message.read(type(said), frame.decode(message.encode(said, 3)).octets)


def test_a_day_with_every_cell_fits_a_frame() -> None:
    said = Statistics((Day(20_700, EVERY),), 20_701)

    assert len(EVERY) == CELLS_MAX
    assert len(message.encode(said)) < FRAME_BYTES_MAX
    assert through(said) == said


def test_no_count_below_ten_can_be_said() -> None:
    cell = [int(Class.CHAT), int(Size.SMALL), int(Fate.STORED)]

    assert read(Statistics, [[[20_700, [[*cell, 10]]]], None]).days[0].cells[0].targets == 10
    with pytest.raises(Malformed):
        read(Statistics, [[[20_700, [[*cell, 9]]]], None])


def test_what_no_clock_ends_is_nil() -> None:
    said = Retention((Kept("account", "account", "members", "who it is", "with the account", None),), True)

    assert through(said) == said


@pytest.mark.parametrize("text", ["x" * (KEPT_TEXT_CHARS_MAX + 1), 7, None])
def test_a_row_of_the_map_is_text(text) -> None:
    with pytest.raises(Malformed):
        read(Retention, [[["account", "account", text, "why", "how", None]], False])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(GetStatistics, [1, 2]), (GetStatistics, [-1, 2, 3]), (GetStatistics, [1, 2, 1 << 32]), (GetRetention, [0, 0])],
)
def test_a_question_out_of_bounds_is_malformed(kind, fields) -> None:
    with pytest.raises(Malformed):
        read(kind, fields)
