import pytest

from relayd.domain.pace import SLACK_S, Pace
from relayproto.codes import GoawayCode
from relayproto.errors import RemoteProtocolError
from relayproto.limits import UNANSWERED_MAX


def holding(number: int, until: float) -> Pace:
    pace = Pace()
    pace.hold(number, until)
    return pace


def test_nothing_is_behind_where_nothing_is_held() -> None:
    pace = Pace()

    assert [pace.is_behind(number, 0.0) for number in (1, 2, 900)] == [False] * 3
    assert not pace.early


def test_what_is_above_the_one_that_is_held_is_behind_it() -> None:
    pace = holding(5, 10.0)

    assert pace.is_behind(6, 0.0)
    assert pace.is_behind(5 + UNANSWERED_MAX - 1, 0.0)
    assert not pace.early


@pytest.mark.parametrize("number", [5, 4, 1])
def test_it_or_one_before_it_ends_the_wait(number: int) -> None:
    pace = holding(5, 10.0)

    assert not pace.is_behind(number, 10.0 - SLACK_S)

    assert not pace.early
    assert not pace.is_behind(6, 10.0)


def test_one_before_it_has_a_time_of_its_own() -> None:
    pace = holding(5, 10.0)

    assert not pace.is_behind(4, 9.0)

    assert not pace.early


@pytest.mark.parametrize(("number", "behind"), [(4, True), (5, False), (9, False)])
def test_what_was_recorded_meanwhile_is_not_waited_for(number: int, behind: bool) -> None:
    pace = holding(5, 10.0)

    pace.answered(number)

    assert pace.is_behind(6, 0.0) is behind


def test_what_is_behind_again_and_again_is_early() -> None:
    pace = holding(5, 10.0)

    early = []
    for _ in range(UNANSWERED_MAX + 1):
        assert pace.is_behind(6, 11.0)
        early.append(pace.early)

    assert early == [False] * (UNANSWERED_MAX - 1) + [True] * 2
    assert not pace.is_behind(5, 11.0)
    assert not pace.early


def test_before_its_time_it_is_early_and_so_is_what_follows_while_it_is_held_again() -> None:
    pace = holding(5, 10.0)

    assert not pace.is_behind(5, 9.99)
    assert pace.early
    pace.hold(5, 11.0)
    assert pace.is_behind(6, 9.99)
    assert pace.early


def test_who_was_early_and_was_taken_all_the_same_is_early_no_more() -> None:
    pace = holding(5, 10.0)
    pace.is_behind(5, 9.99)

    assert not pace.is_behind(6, 9.99)

    assert not pace.early


def test_too_far_behind_it_is_a_fault() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        holding(5, 10.0).is_behind(5 + UNANSWERED_MAX, 0.0)

    assert caught.value.code is GoawayCode.BAD_SUBMISSION
