import itertools

import pytest

from relayd.domain.fates import MEDIUM_BYTES_MAX, SMALL_BYTES_MAX, apart, ended, taken
from relayproto.codes import Class, Code, Fate, Result, Size


@pytest.mark.parametrize(
    ("octets", "size"),
    [
        (0, Size.SMALL), (SMALL_BYTES_MAX, Size.SMALL), (SMALL_BYTES_MAX + 1, Size.MEDIUM),
        (MEDIUM_BYTES_MAX, Size.MEDIUM), (MEDIUM_BYTES_MAX + 1, Size.LARGE), (14_848, Size.LARGE),
    ],
)  # fmt: skip
def test_a_length_has_one_size(octets: int, size: Size) -> None:
    assert apart(taken(1, Class.CHAT, octets, Code.STORED)).size == size


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_fate(code: Code) -> None:
    expected = {
        Code.STORED: Fate.STORED, Code.NOT_AVAILABLE: Fate.UNREACHABLE, Code.OVER_QUOTA: Fate.FULL,
        Code.MISMATCHED_DEVICES: Fate.MISMATCHED,
    }.get(code, Fate.REFUSED)  # fmt: skip

    assert apart(taken(1, Class.CHAT, 9, code)).fate == expected


@pytest.mark.parametrize("result", Result)
def test_every_result_has_the_fate_of_its_name(result: Result) -> None:
    assert Fate(apart(ended(1, Class.CHAT, 9, result)).fate).name == result.name


def test_a_key_is_taken_apart_into_what_it_was_made_of() -> None:
    assert apart(ended((1 << 32) - 1, Class.BROADCAST, 2_000, Result.PURGED)) == (
        (1 << 32) - 1, Class.BROADCAST, Size.MEDIUM, Fate.PURGED,
    )  # fmt: skip


def test_no_two_things_have_one_key() -> None:
    every = list(itertools.product((0, 1, 9), Class, (1, 2_000, 9_000), [*Code]))
    keys = {taken(*one) for one in every}

    refusals = len({code for code in Code if apart(taken(1, 1, 1, code)).fate == Fate.REFUSED})
    assert len(keys) == 3 * len(Class) * 3 * (len(Code) - refusals + 1)
    assert keys.isdisjoint({ended(1, class_, 1, result) for class_ in Class for result in Result})
