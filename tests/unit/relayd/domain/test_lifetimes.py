import pytest

from relayd.config import LifetimesSection
from relayd.domain.lifetimes import day, expires_ms, longest_s
from relayproto.codes import Class
from relayproto.limits import LIFETIME_S_MAX


class Generous:
    def longest_s(self, class_):
        return 10**9


def test_an_organisation_may_shorten_a_lifetime() -> None:
    assert longest_s(LifetimesSection(chat_s=3_600))[Class.CHAT] == 3_600


def test_nobody_may_lengthen_one() -> None:
    assert longest_s(Generous()) == LIFETIME_S_MAX


def test_what_is_taken_in_now_expires_so_many_seconds_later() -> None:
    assert expires_ms(1_000, 60) == 61_000


@pytest.mark.parametrize(("at_ms", "number"), [(0, 0), (86_399_999, 0), (86_400_000, 1)])
def test_a_day_ends_at_midnight(at_ms, number) -> None:
    assert day(at_ms) == number
