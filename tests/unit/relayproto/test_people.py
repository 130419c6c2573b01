"""Who belongs to a unit: the bounds of its messages; round trips are test_message's."""

import pytest

from relayproto.errors import Malformed
from relayproto.limits import ABOUT_CHARS_MAX, PAGE_ROWS_MAX, SOUGHT_CHARS_MAX
from relayproto.people import GetPeople, People, Person
from support.reading import read

PERSON = [b"a" * 32, b"", "here"]


@pytest.mark.parametrize(
    "fields",
    [
        [0, "", b"", 9], [1, "x" * (SOUGHT_CHARS_MAX + 1), b"", 9], [1, "", bytes(33), 9], [1, "", b"", 0],
        [1, "", b"", PAGE_ROWS_MAX + 1],
    ],
)  # fmt: skip
def test_a_question_out_of_bounds_is_malformed(fields: list[object]) -> None:
    with pytest.raises(Malformed):
        read(GetPeople, fields)


def test_people_come_in_pages() -> None:
    assert read(People, [[PERSON], True]) == People((Person(b"a" * 32, b"", "here"),), True)
    longer = [b"a" * 32, b"", "x" * (ABOUT_CHARS_MAX + 1)]
    for people in ([PERSON] * (PAGE_ROWS_MAX + 1), [[b"a" * 31, b"", ""]], [longer]):
        with pytest.raises(Malformed):
            read(People, [people, False])


def test_who_is_sought_and_what_people_say_stay_out_of_what_is_printed() -> None:
    assert "roy" not in repr(GetPeople(1, "roy", b"", 9))
    assert "here" not in repr(People((Person(b"a" * 32, b"", "here"),), False))
