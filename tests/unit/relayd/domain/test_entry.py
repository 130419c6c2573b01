import pytest

from relayd.domain.entry import Entry, Page
from relayproto.codes import GapReason, Lane, Result
from relayproto.notices import Gap, Outcome


def test_a_page_is_a_value() -> None:
    outcome = Outcome(3, 1, 0, Result.DELIVERED)
    entry = Entry(7, Lane.OUTCOME, 3, 99, 0, outcome)
    gap = Gap(Lane.OUTCOME, 1, 2, GapReason.EXPIRED)

    page = Page((gap, entry), more=False)

    assert page == Page((gap, entry), more=False)
    with pytest.raises(AttributeError):
        page.more = True
