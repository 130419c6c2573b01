import itertools

import pytest

from relayd.domain.fates import FATE_OF_CODE, FATE_OF_RESULT, MEDIUM_BYTES_MAX, SMALL_BYTES_MAX, apart, key
from relayproto.codes import Class, Code, Fate, Result, Size


@pytest.mark.parametrize(
    ("octets", "size"),
    [
        (0, Size.SMALL), (SMALL_BYTES_MAX, Size.SMALL), (SMALL_BYTES_MAX + 1, Size.MEDIUM),
        (MEDIUM_BYTES_MAX, Size.MEDIUM), (MEDIUM_BYTES_MAX + 1, Size.LARGE), (14_848, Size.LARGE),
    ],
)  # fmt: skip
def test_a_length_has_one_size(octets: int, size: Size) -> None:
    assert apart(key(1, Class.CHAT, octets, Fate.STORED)).size == size


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_fate(code: Code) -> None:
    expected = {
        Code.STORED: Fate.STORED, Code.NOT_AVAILABLE: Fate.UNREACHABLE, Code.OVER_QUOTA: Fate.FULL,
        Code.MISMATCHED_DEVICES: Fate.MISMATCHED,
    }.get(code, Fate.REFUSED)  # fmt: skip

    assert FATE_OF_CODE[code] == expected


@pytest.mark.parametrize("result", Result)
def test_every_result_has_the_fate_of_its_name(result: Result) -> None:
    assert Fate(FATE_OF_RESULT[result]).name == result.name


def test_a_key_is_taken_apart_into_what_it_was_made_of() -> None:
    assert apart(key((1 << 32) - 1, Class.BROADCAST, 2_000, Fate.PURGED)) == (
        (1 << 32) - 1, Class.BROADCAST, Size.MEDIUM, Fate.PURGED,
    )  # fmt: skip


def test_no_two_things_have_one_key() -> None:
    every = list(itertools.product((0, 1, 9), Class, (1, 2_000, 9_000), Fate))

    assert len({key(*one) for one in every}) == len(every)
