"""Spec 50 §8 in a model that spin searches whole, within bounds; and bugs that it finds, so that it can find any.

docs/reliability.md says what the model has and what it has not.
"""

import os

import pytest

from support.spin import bugs, missing, read, search

ENDLESS = "BUG_BUSY_WITHOUT_END"
"""Breaks no assertion: it goes round for ever, which is searched for apart."""
FOUND_BY = {
    "BUG_ACK_BEFORE_COMMIT": "outcome_cursor>outcome_floor",
    "BUG_DELIVERED_IS_DONE": "~(kept))& ~(expired))==0",
    "BUG_DELIVERY_BEFORE_COMMIT": "(waiting>>cursor)&1",
    "BUG_FLOOR_PAST_NOT_TAKEN": "(stored>>n)&1",
    "BUG_HOLE_IS_SILENT": "n==last",
    "BUG_LEDGER_IN_MEMORY": "!(((stored>>n)&1))",
    "BUG_LEDGER_LATER": "!(((stored>>n)&1))",
    "BUG_NOT_TAKEN_IS_AN_END": "told_stored|told_refused",
    "BUG_OUTCOME_APART": "outcomes==last",
    "BUG_PAGE_IS_BELIEVED": "(waiting>>cursor)&1",
    "BUG_REFUSAL_IS_FORGOTTEN": "(stored>>n)&1",
    "BUG_REPLY_BEFORE_COMMIT": "(stored>>n)&1",
    "BUG_SEQUENCE_FROM_ROWS": "!(((given>>last)&1))",
    "BUG_SUPERSEDED_WORK": "(waiting>>cursor)&1",
}
"""Each bug and the assertion that it breaks first."""

STATES_MIN = {(2, 2): 600_000, (3, 1): 700_000}
"""What each pair of NUMBERS and TROUBLES has at least: fewer, and something can no longer happen in the model."""


@pytest.fixture(autouse=True)
def spin() -> None:
    if missing():
        assert os.environ.get("CI") != "true", f"CI must search the model. {missing()}"
        pytest.skip(missing())


@pytest.mark.slow
@pytest.mark.parametrize(("numbers", "troubles"), STATES_MIN)
def test_whatever_goes_wrong_nothing_accepted_is_lost_doubled_or_left_waiting(numbers: int, troubles: int) -> None:
    came = search(f"NUMBERS={numbers}", f"TROUBLES={troubles}")

    assert came.error == ""
    assert came.whole
    assert came.states >= STATES_MIN[numbers, troubles]
    assert came.unreached == () or troubles == 1


@pytest.mark.slow
def test_no_run_goes_round_for_ever() -> None:
    came = search(cycles=True)

    assert came.error == ""
    assert came.whole


@pytest.mark.slow
@pytest.mark.parametrize("bug", sorted(FOUND_BY))
def test_a_deliberate_bug_is_found(bug: str) -> None:
    came = search(bug, how="-O0")

    assert came.error.startswith("assertion violated")
    assert FOUND_BY[bug] in came.error


@pytest.mark.slow
def test_a_relay_that_is_busy_for_ever_is_found_as_a_cycle() -> None:
    came = search(ENDLESS, cycles=True, how="-O0")

    assert came.error.startswith("non-progress cycle")


def test_every_bug_of_the_model_is_looked_for() -> None:
    assert bugs() == sorted([*FOUND_BY, ENDLESS])


def test_a_search_that_stopped_early_is_not_called_whole() -> None:
    ended = "depth reached 9, errors: 0\n 12 states, stored\n 20 transitions\npan: elapsed time 0.1 seconds\n"
    said = f"pan:1: max search depth too small\nWarning: Search not completed\n{ended}"

    came = read(said)

    assert not came.whole
    assert (came.states, came.transitions, came.depth, came.error) == (12, 20, 9, "max search depth too small")
