from relayd.domain.seat import Seat
from relayd.store.works import OVERHEAD_BYTES, Submission, Works
from support.stores import guest, submit_of, target_of


def test_a_submission_is_measured_once() -> None:
    command = submit_of(guest("alice"), targets=(target_of(guest("bob"), wrap=bytes(10)),) * 3)

    work = Submission(Seat(1, 1, bytes(32), 1), command, bytes(100), print)

    assert (work.placements, work.weight) == (3, OVERHEAD_BYTES + 100 + 30)


def test_works_are_counted_together() -> None:
    assert len(Works([], [], [])) == 0
    assert not Works([], [], [])
