from relayd.domain.seat import Seat
from relayd.metrics import Counters
from relayd.store.commit import Done, Tally
from relayd.store.telling import Ears, tell
from relayd.store.waiting import Waiter
from relayproto.codes import GapReason, Lane
from relayproto.notices import Gap, Overflow, Writable


def never(error: Exception, *, where: str) -> None:
    raise AssertionError(where) from error


def test_answers_come_first_then_holes_and_the_figures_are_added() -> None:
    said: list[object] = []
    gap, waiter = Gap(Lane.NORMAL, 1, 2, GapReason.EXPIRED), Waiter(Seat(7, 1, b"a" * 32, 1), b"b" * 32)
    tally = Tally(messages=-2, octets=-9, expired=2, prekeys=1, enrolled=1)
    done = Done(settlements=[(said.append, None)], gaps=[(5, gap)], refused={6: 2}, served=[waiter], tally=tally)
    counters = Counters()

    tell(done, Ears(said.append, lambda *told: said.append(told), lambda *told: said.append(told), ()), counters, never)

    assert said == [None, (5, gap), (6, Overflow(2)), (7, Writable(b"b" * 32))]
    assert (counters.envelopes_queued, counters.queued_bytes, counters.expired) == (-2, -9, 2)
    assert (counters.prekeys_handed_out, counters.accounts_enrolled) == (1, 1)


def test_one_answer_that_fails_takes_nobody_elses() -> None:
    said: list[object] = []

    def broken(_: object) -> None:
        raise ValueError

    done, counters = Done(settlements=[(broken, None), (said.append, None)], refused={6: 2}), Counters()

    incidents: list[str] = []
    ears = Ears(said.append, said.append, lambda *told: said.append(told), ())

    tell(done, ears, counters, lambda error, *, where: incidents.append(f"{type(error).__name__} in an {where}"))

    assert said == [None, (6, Overflow(2))]
    assert incidents == ["ValueError in an answer"]
