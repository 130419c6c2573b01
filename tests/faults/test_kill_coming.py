"""SIGKILL between every two steps of a login, a takeover and an enrolment; and the check of the checks."""

import pytest

from relayproto.codes import Code, GapReason, Lane, Result, SubmitFlag
from relayproto.notices import Deliver, Gap, Outcome
from relayproto.replies import LaneState, NotTaken, Submitted, Welcome
from support import device
from support.kill_points import COMING, LOG_IN, RECEIVING, SENDING, SUBMIT, Point
from support.kill_script import BRIEF_S, BURST, Book, killed
from support.people import Person


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_step_of_a_login_or_an_enrolment_loses_a_device_or_what_waits_for_it(tmp_path) -> None:
    book = await killed(tmp_path / "relay", COMING)

    assert book.complete()
    assert len(book.sent) == BURST * len([point for point in COMING if point.act == LOG_IN])


def test_every_point_is_another_one() -> None:
    points = [*SENDING, *RECEIVING, *COMING]

    assert len(points) == len(set(points)) > 80


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Point(SUBMIT, "relayd.store.intake.Intake.swallow", "before", False), "has no attribute 'swallow'"),
        (Point(SUBMIT, "relayd.store.expiry._expire", "before", False), "it was not passed"),
        (Point(SUBMIT, "relayd.store.intake.Intake.submit", "before", True), "something else"),
    ],
    ids=["not there", "not passed", "not committed"],
)
async def test_a_point_that_is_not_there_not_passed_or_misunderstood_is_found(tmp_path, wrong: Point, says) -> None:
    with pytest.raises(AssertionError, match=says):
        await killed(tmp_path / "relay", [wrong], patience_s=1.5)


def a_book() -> Book:
    """Return what is known after three messages: one acknowledged, one delivered, one under way."""
    book, bob = Book(), Person("bob")
    for number, ttl_s in ((1, 600), (2, 600), (3, BRIEF_S)):
        book.sent[number] = device.submit(number, bob, ttl_s=ttl_s, flags=SubmitFlag.OUTCOME)
    for number in (1, 2):
        book.take("alice", Submitted(number, (Code.STORED,), (), 0))
        book.take("bob", delivered(number, number))
    book.take("alice", Outcome(1, 1, 0, Result.DELIVERED))
    book.take("bob", welcome((LaneState(1, 3), LaneState(0, 1), LaneState(0, 1)), 0))
    book.take("alice", welcome((LaneState(0, 1), LaneState(0, 1), LaneState(1, 2)), 2))
    return book


def delivered(sequence: int, number: int, body: bytes = b"sealed") -> Deliver:
    said = device.submit(number, Person("bob"))
    return Deliver(
        Lane.NORMAL, sequence, b"a" * 32, 1, said.class_, 1, said.commitment, b"", b"wrap", body
    )  # fmt: skip


def welcome(lanes: tuple[LaneState, ...], ledger_floor: int, epoch: int = 5) -> Welcome:
    return Welcome(1, 0, 1_000, epoch, lanes, 6, ledger_floor, 1, 0, 0)


NOTHING = (LaneState(0, 1),) * 3


@pytest.mark.parametrize(
    ("name", "said", "says"),
    [
        ("bob", delivered(1, 1), "came again after its acknowledgement"),
        ("bob", delivered(3, 2), "stored twice"),
        ("bob", delivered(2, 3), "given twice"),
        ("bob", delivered(3, 9), "from nowhere"),
        ("bob", delivered(3, 3, b"other"), "changed"),
        ("bob", welcome((LaneState(0, 3), *NOTHING[1:]), 0), "acknowledgement is lost"),
        ("bob", welcome((LaneState(1, 2), *NOTHING[1:]), 0), "given twice"),
        ("bob", welcome((LaneState(1, 3), *NOTHING[1:]), 0, epoch=7), "began again"),
        ("alice", welcome((*NOTHING[:2], LaneState(1, 2)), 1), "submitted again"),
        ("alice", Outcome(1, 1, 0, Result.DELIVERED), "after its acknowledgement"),
        ("alice", Outcome(2, 1, 0, Result.DELIVERED), "two outcomes"),
        ("alice", Outcome(2, 3, 0, Result.DELIVERED), "to nobody"),
        ("alice", Outcome(2, 2, 0, Result.EXPIRED), "too early"),
        ("alice", NotTaken(3, Code.BUSY, 1), "NotTaken"),
    ],
)
def test_whatever_a_relay_may_not_say_is_found(name: str, said: object, says: str) -> None:
    book = a_book()

    with pytest.raises(AssertionError, match=says):
        book.take(name, said)


def test_what_a_relay_may_say_is_let_through() -> None:
    book = a_book()

    book.take("alice", Submitted(3, (Code.STORED,), (), 0))
    book.take("bob", delivered(2, 2))
    book.take("bob", Gap(Lane.NORMAL, 3, 3, GapReason.EXPIRED))
    book.take("alice", Outcome(2, 2, 0, Result.DELIVERED))
    early = book.complete()
    book.take("alice", Outcome(3, 3, 0, Result.EXPIRED))

    assert (early, book.complete(), book.in_order()) == (False, True, True)
