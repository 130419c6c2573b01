import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.domain.ledger import Ledger, Verdict
from relayproto.limits import UNANSWERED_MAX


@pytest.mark.parametrize(
    ("submission", "verdict"),
    [
        (1001, Verdict.NEW),
        (1002, Verdict.GO_BACK),
        (1256, Verdict.GO_BACK),
        (1257, Verdict.TOO_FAR),
        (1000, Verdict.REPEATED),
        (745, Verdict.REPEATED),
        (744, Verdict.TOO_OLD),
        (1, Verdict.TOO_OLD),
    ],
)
def test_a_number_is_judged_by_its_distance_from_the_floor(submission, verdict) -> None:
    assert Ledger(epoch=1, floor=1000).judge(submission) is verdict


def test_judging_changes_nothing() -> None:
    ledger = Ledger(epoch=1, floor=5, refused={4})

    for submission in range(1, 400):
        ledger.judge(submission)

    assert ledger == Ledger(epoch=1, floor=5, refused={4})


def test_a_refused_number_is_remembered_as_long_as_it_may_be_repeated() -> None:
    ledger = Ledger(epoch=1)
    ledger.record(1, refused=True)

    for submission in range(2, UNANSWERED_MAX + 1):
        ledger.record(submission, refused=False)
    before = set(ledger.refused)
    ledger.record(UNANSWERED_MAX + 1, refused=False)

    assert (before, ledger.refused) == ({1}, set())
    assert ledger.judge(1) is Verdict.TOO_OLD


@given(st.lists(st.booleans(), max_size=600))
def test_the_ledger_stays_small_and_knows_every_refusal_that_may_be_asked_for(refusals) -> None:
    ledger = Ledger(epoch=1)

    for number, refused in enumerate(refusals, start=1):
        assert ledger.judge(number) is Verdict.NEW
        ledger.record(number, refused=refused)

    askable = range(max(1, len(refusals) - UNANSWERED_MAX + 1), len(refusals) + 1)
    assert ledger.refused == {number for number in askable if refusals[number - 1]}
    assert all(ledger.judge(number) is Verdict.REPEATED for number in askable)
