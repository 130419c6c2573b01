"""What is told is held against somebody who subtracts (spec 87 §3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.domain import suppression
from relayproto.limits import STATISTICS_CELL_MIN

FEW = STATISTICS_CELL_MIN - 1
counts = st.one_of(st.integers(0, FEW), st.integers(FEW, 40))


def told(nobody: int, organisations: list[int]) -> tuple[list[int | None], int | None]:
    """Return what is told of one cell: each organisation's own, and the total."""
    shown = sum(count for count in organisations if count > FEW)
    pool = nobody + sum(count for count in organisations if count <= FEW)
    return [suppression.own(count) for count in organisations], suppression.total(shown, pool)


@pytest.mark.parametrize(("count", "is_told"), [(0, None), (1, None), (9, None), (10, 10), (11, 11)])
def test_a_count_below_ten_is_not_told(count: int, is_told: int | None) -> None:
    assert suppression.own(count) == is_told


@pytest.mark.parametrize(
    ("shown", "pool", "total"),
    [(0, 0, None), (0, 9, None), (0, 10, 10), (12, 0, 12), (12, 9, 12), (12, 10, 22)],
)
def test_the_pool_counts_from_ten_on(shown: int, pool: int, total: int | None) -> None:
    assert suppression.total(shown, pool) == total


@given(counts, st.lists(counts, min_size=1, max_size=6))
def test_whoever_subtracts_cannot_narrow_a_count_below_ten(nobody: int, organisations: list[int]) -> None:
    """For each suppressed count and each value of 0 to 9 there is a world that gives the very same answers."""
    answers = told(nobody, organisations)
    hidden = [at for at, count in enumerate(organisations) if count <= FEW]

    for at in hidden:
        for value in range(STATISTICS_CELL_MIN):
            rest = [0 if index in hidden else count for index, count in enumerate(organisations)]
            rest[at] = value
            pool = nobody + sum(organisations[index] for index in hidden)
            worlds = (told(max(0, pool - value), rest), told(0, rest))
            assert answers in worlds, (at, value)


@given(counts, st.lists(counts, min_size=1, max_size=6))
def test_nobody_can_tell_that_those_of_no_organisation_were_few(nobody: int, organisations: list[int]) -> None:
    """Where the pool is told, all of it may be theirs, which is ten or more; where not, it is below ten as a whole."""
    answers = told(nobody, organisations)
    pool = nobody + sum(count for count in organisations if count <= FEW)
    others = [count if count > FEW else 0 for count in organisations]

    assert told(pool, others) == answers
    assert pool > FEW or told(0, others) == answers


@given(counts, st.lists(counts, max_size=6))
def test_a_total_is_the_truth_or_up_to_nine_below_it(nobody: int, organisations: list[int]) -> None:
    truth = nobody + sum(organisations)

    _, total = told(nobody, organisations)

    assert truth - FEW <= (total or 0) <= truth
    assert total is None or total > FEW


def test_the_naive_total_would_have_told() -> None:
    """The attack that the rule is there for: one organisation's few are the total less what the others were told."""
    organisations = [25, 4]

    shown, total = told(0, organisations)

    assert shown == [25, None]
    assert total == 25, "29 - 25 would have been the 4"
