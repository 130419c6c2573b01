import pytest

from relayd.domain.seat import Seat
from relayd.metrics import Counters
from relayd.store.commit import Done, Tally
from relayd.store.telling import Ears, tell
from relayd.store.waiting import Waiter
from relayproto.codes import GapReason, Lane
from relayproto.limits import SERIALS_TOGETHER_MAX
from relayproto.notices import Gap, Overflow, Revoked, Writable


def never(error: Exception, *, where: str) -> None:
    raise AssertionError(where) from error


def test_answers_come_first_then_holes_and_the_figures_are_added() -> None:
    said: list[object] = []
    gap, waiter = Gap(Lane.NORMAL, 1, 2, GapReason.EXPIRED), Waiter(Seat(7, 1, b"a" * 32, 1), b"b" * 32)
    tally = Tally(messages=-2, octets=-9, expired=2, prekeys=1, enrolled=1)
    done = Done(settlements=[(said.append, None)], gaps=[(5, gap)], refused={6: 2}, served=[waiter], tally=tally)
    counters = Counters()

    def keep(*told: object) -> None:
        said.append(told)

    tell(done, Ears(said.append, keep, keep, said.append, (), lambda: said.append("spoken")), counters, never)

    assert said == [None, (5, gap), (6, Overflow(2)), (7, Writable(b"b" * 32)), "spoken"]
    assert (counters.envelopes_queued, counters.queued_bytes, counters.expired) == (-2, -9, 2)
    assert (counters.prekeys_handed_out, counters.accounts_enrolled) == (1, 1)


def test_one_answer_that_fails_takes_nobody_elses() -> None:
    said: list[object] = []

    def broken(_: object) -> None:
        raise ValueError

    done, counters = Done(settlements=[(broken, None), (said.append, None)], refused={6: 2}), Counters()

    incidents: list[str] = []
    ears = Ears(said.append, said.append, lambda *told: said.append(told), said.append, (), print)

    tell(done, ears, counters, lambda error, *, where: incidents.append(f"{type(error).__name__} in an {where}"))

    assert said == [None, (6, Overflow(2))]
    assert incidents == ["ValueError in an answer"]


@pytest.mark.parametrize(
    ("count", "named"), [(1, True), (SERIALS_TOGETHER_MAX, True), (SERIALS_TOGETHER_MAX + 1, False)]
)
def test_what_was_taken_back_is_told_to_everybody_in_one_notice(count: int, named: bool) -> None:
    taken_back = [(number, bytes([number]) * 16) for number in range(1, count + 1)]
    announced: list[object] = []

    tell(Done(revoked=taken_back), Ears(print, print, print, announced.append, (), print), Counters(), never)

    assert announced == [Revoked(count, tuple(serial for _, serial in taken_back) if named else ())]
