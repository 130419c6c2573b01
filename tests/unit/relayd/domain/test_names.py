import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.domain.names import named
from relayproto.limits import UNIT_NAME_CHARS_MAX


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("General Administration", "General Administration"),
        ("  Pune \n", "Pune"),
        ("Re\u0301gistre", "R\u00e9gistre"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("x" * UNIT_NAME_CHARS_MAX, "x" * UNIT_NAME_CHARS_MAX),
    ],
)
def test_a_name_has_one_form(text, name) -> None:
    assert named(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "a\nb", "a\x00b", "a\x7fb", "a\u202eb", "a\u2066b", "a\u200bb", "a\ufeffb", "a\u2028b", "a\ue000b",
        "\u200d", "\u200c\u200d", "x" * (UNIT_NAME_CHARS_MAX + 1), "\u0958" * 61,
    ],
)  # fmt: skip
def test_what_hides_turns_or_breaks_a_line_is_no_name(text) -> None:
    assert named(text) is None


@given(st.text(max_size=130))
def test_a_name_that_was_taken_is_taken_as_it_is(text) -> None:
    name = named(text)

    assert name is None or named(name) == name
