import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest

from relayd.domain.seat import Seat
from relayd.store import intake
from relayd.store.intake import ALONG_S, Intake
from relayd.store.works import Acknowledgement, Submission, Verb
from relayproto.codes import Lane
from relayproto.commands import Ack, Credit
from support.stores import guest, submit_of

NOW = 10 * intake.WINDOW_S
SEAT = Seat(1, 1, bytes(32), 1)
ALICE = guest("alice")


def submission(body: bytes = b"body", targets: int = 1, seat: Seat = SEAT) -> Submission:
    return Submission(seat, submit_of(ALICE, *[guest("bob")] * targets), body, lambda _: None)


def acknowledgement(floor: int) -> Acknowledgement:
    return Acknowledgement(SEAT, Ack(1, Lane.NORMAL, floor, (), Credit(0, 0), ()))


def an_intake(*, messages_max: int, octets_max: int) -> Intake:
    return Intake(messages_max=messages_max, octets_max=octets_max, later=asyncio.get_running_loop().call_later)


class Alarms:
    """What is to be called later, and when."""

    def __init__(self) -> None:
        self.set: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.set.append((seconds, call))

    def ring(self) -> None:
        rang, self.set = self.set, []
        for _, call in rang:
            call()


async def test_what_collects_is_taken_together_in_its_order() -> None:
    queue = an_intake(messages_max=10, octets_max=1 << 20)
    works = [submission(), submission()]
    for work in works:
        queue.submit(work, 0.0)
    queue.acknowledge(acknowledgement(1))
    queue.act(Verb(lambda _: None, asyncio.get_running_loop().create_future()))

    taken = queue.next(NOW)

    assert (taken.submissions, len(taken.acknowledgements), len(taken.verbs), len(taken)) == (works, 1, 1, 4)
    assert len(queue.next(NOW)) == 0


async def test_it_is_full_by_count_and_has_room_again() -> None:
    queue = an_intake(messages_max=1, octets_max=1 << 20)
    queue.submit(submission(), 0.0)
    waiting = asyncio.ensure_future(queue.space())
    await asyncio.sleep(0)

    before = (queue.full, waiting.done())
    queue.next(NOW)
    await waiting

    assert (before, queue.full) == ((True, False), False)


async def test_it_is_full_by_bytes() -> None:
    queue = an_intake(messages_max=10, octets_max=2_000)

    queue.submit(submission(bytes(2_000)), 0.0)

    assert queue.full


async def test_arrival_waits_for_the_first_work() -> None:
    queue = an_intake(messages_max=10, octets_max=2_000)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.arrival()
    queue.acknowledge(acknowledgement(1))

    await queue.arrival()


async def test_acknowledgements_go_along_with_what_somebody_waits_for() -> None:
    alarms = Alarms()
    queue = Intake(messages_max=10, octets_max=1 << 20, later=alarms)

    queue.acknowledge(acknowledgement(1))
    queue.acknowledge(acknowledgement(2))
    alone = queue.pressing
    queue.submit(submission(), 0.0)

    assert (alone, queue.pressing) == (False, True)
    assert len(queue.next(NOW)) == 3
    assert [seconds for seconds, _ in alarms.set] == [ALONG_S]
    alarms.ring()
    assert not queue.pressing


async def test_acknowledgements_that_nothing_comes_after_go_alone_a_little_later() -> None:
    alarms = Alarms()
    queue = Intake(messages_max=10, octets_max=1 << 20, later=alarms)

    for floor in (1, 2):
        queue.acknowledge(acknowledgement(floor))
        alarms.ring()

        assert queue.pressing
        assert len(queue.next(NOW)) == 1
        assert not queue.pressing


async def test_acknowledgements_that_fill_it_do_not_wait() -> None:
    alarms = Alarms()
    queue = Intake(messages_max=2, octets_max=1 << 20, later=alarms)

    queue.acknowledge(acknowledgement(1))
    before = queue.pressing
    queue.acknowledge(acknowledgement(2))

    assert (before, queue.pressing) == (False, True)


def test_a_submission_to_nobody_counts_as_a_row() -> None:
    assert submission(targets=0).placements == 1


async def test_a_commit_of_large_fan_outs_is_cut_but_never_empty(monkeypatch) -> None:
    monkeypatch.setattr(intake, "PLACEMENTS_MAX", 3)
    queue = with_talkers(monkeypatch)
    for targets in (5, 2, 1, 1):
        queue.submit(submission(targets=targets), NOW)

    taken = [len(queue.next(NOW)) for _ in range(3)]

    assert taken == [1, 2, 1]


def of(row: int, targets: int = 1) -> Submission:
    """Return a submission of one of several devices."""
    return submission(seat=Seat(row, 1, bytes(32), 1), targets=targets)


def lengths(queue: Intake) -> list[int]:
    """Return how many rows each commit puts in until nothing waits."""
    taken = []
    while works := queue.next(NOW):
        taken.append(sum(work.placements for work in works.submissions))
    return taken


def with_talkers(monkeypatch, *, messages_max: int = 100) -> Intake:
    """Return an intake in which nobody counts as quiet."""
    monkeypatch.setattr(intake, "QUIET_MAX", 0)
    queue = an_intake(messages_max=messages_max, octets_max=1 << 20)
    queue.submit(of(99), NOW)
    queue.next(NOW)
    return queue


async def test_devices_that_say_much_take_turns(monkeypatch) -> None:
    monkeypatch.setattr(intake, "PLACEMENTS_MAX", 9)
    monkeypatch.setattr(intake, "TURN_PLACEMENTS", 5)
    queue = with_talkers(monkeypatch)
    much = [of(1, targets=3) for _ in range(5)]
    little = [of(row) for row in (2, 3, 2)]
    for work in (*much, *little):
        queue.submit(work, NOW)

    taken = [queue.next(NOW).submissions for _ in range(4)]

    assert taken == [[little[0], little[2], little[1], *much[:2]], much[2:], [], []]
    assert (queue.works, queue.octets) == (0, 0)


async def test_devices_that_say_as_much_take_turns(monkeypatch) -> None:
    monkeypatch.setattr(intake, "PLACEMENTS_MAX", 10)
    monkeypatch.setattr(intake, "TURN_PLACEMENTS", 3)
    queue = with_talkers(monkeypatch)
    for row in (1,) * 9 + (2,) * 9:
        queue.submit(of(row), NOW)

    taken = [[work.seat.row for work in queue.next(NOW).submissions] for _ in range(2)]

    assert taken == [[1, 1, 1, 2, 2, 2, 1, 1, 1, 2], [1, 1, 1, 2, 2, 2, 2, 2]]


async def test_who_has_said_less_comes_sooner(monkeypatch) -> None:
    queue = with_talkers(monkeypatch)
    for row, rows in ((1, 40), (2, 9), (3, 2), (4, 9)):
        queue.submit(of(row, targets=rows), NOW)

    assert [work.seat.row for work in queue.next(NOW).submissions] == [3, 2, 4, 1]


async def test_what_was_said_in_the_window_before_counts_as_well(monkeypatch) -> None:
    queue = with_talkers(monkeypatch)
    queue.submit(of(1, targets=40), NOW)
    queue.next(NOW)
    for row, rows in ((1, 1), (2, 9)):
        queue.submit(of(row, targets=rows), NOW + intake.WINDOW_S)

    assert [work.seat.row for work in queue.next(NOW).submissions] == [2, 1]


@pytest.mark.parametrize(("waited_s", "first"), [(0.5, 2), (1.0, 1)])
async def test_whoever_says_much_stands_behind_who_says_less_for_a_second_at_most(
    monkeypatch, waited_s: float, first: int
) -> None:
    monkeypatch.setattr(intake, "PLACEMENTS_MAX", 1)
    queue = with_talkers(monkeypatch)
    queue.submit(of(1, targets=300), NOW)  # nine times twice as much as the other one
    queue.submit(of(2), NOW + waited_s)

    assert [work.seat.row for work in queue.next(NOW).submissions] == [first]


def fill(queue: Intake, devices: int) -> list[int]:
    """Have one device after the other submit as long as there is room for it; return how many each has waiting."""
    waiting = [0] * devices
    for row in range(devices):
        while waiting[row] < queue.room:
            queue.submit(of(row), NOW)
            waiting[row] += 1
    return waiting


async def test_devices_that_say_without_end_leave_room_for_others() -> None:
    queue = an_intake(messages_max=900, octets_max=1 << 30)

    waiting = fill(queue, 24)

    assert (waiting[0], waiting[1], waiting[23]) == (100, 89, 7)
    assert (queue.full, 900 - queue.works) == (False, 56)


async def test_of_the_bytes_they_leave_room_as_well() -> None:
    queue = an_intake(messages_max=900, octets_max=450 * of(1).weight)

    waiting = fill(queue, 24)

    assert (waiting[0], waiting[1], waiting[23]) == (50, 44, 3)  # an eighth of the 400 that the bytes leave
    assert not queue.full


async def test_where_it_is_full_there_is_room_for_nobody() -> None:
    queue = an_intake(messages_max=2, octets_max=1 << 20)
    before = queue.room
    for _ in range(2):
        queue.acknowledge(acknowledgement(1))

    assert (before, queue.room) == (1, 0)


async def test_who_says_little_does_not_wait_for_who_says_much(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 2)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 5)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    much, little = [of(1) for _ in range(9)], [of(2), of(3)]
    for work in (*much, *little):
        queue.submit(work, 0.0)

    taken = [queue.next(NOW).submissions for _ in range(3)]

    # Of the first one's burst only what a quiet device may say counts as such; the rest waits, in its order.
    assert taken == [[*much[:2], *little, *much[2:7]], much[7:], []]
    assert (queue.works, queue.octets) == (0, 0)


async def test_who_said_much_is_quiet_again_after_a_window_in_which_it_said_little(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 2)
    queue, urgent = an_intake(messages_max=100, octets_max=1 << 20), []
    for windows in (0, 0, 0, 1, 2, 7, 7, 7, 9):
        queue.submit(of(1), (windows + 0.5) * intake.WINDOW_S)
        urgent.append(queue.urgent)
        queue.next(NOW)

    assert urgent == [True, True, False, False, True, True, True, False, True]


async def test_commits_are_short_until_a_whole_window_had_no_quiet_device(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 1)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 2)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    talker, quiet = [1] * 7, [2]
    taken = []
    for window, rows in ((0, talker + quiet), (1, talker), (2, talker), (4, talker + quiet), (7, talker)):
        for row in rows:
            queue.submit(of(row), window * intake.WINDOW_S)
        taken.append(lengths(queue))

    # After a pause a talker's first one is a quiet device's.
    assert taken == [[4, 2, 2], [2, 2, 2, 1], [7], [4, 2, 2], [3, 4]]


async def test_who_begins_to_say_much_makes_no_commit_short(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 2)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 3)
    queue = an_intake(messages_max=100, octets_max=1 << 20)

    def commits(row: int, targets: tuple[int, ...], window: int) -> list[int]:
        for each in targets:
            queue.submit(of(row, targets=each), window * intake.WINDOW_S)
        return lengths(queue)

    # One by one; two and then many; many at once; and one in a window and many in the next.
    commits(1, (1, 1, 1), 0)
    commits(2, (2, 3), 0)
    commits(3, (3,), 0)
    commits(4, (1,), 0)
    commits(4, (1, 1, 1), 1)
    whole = [commits(row, (1,) * 5, 1) for row in (1, 2, 3, 4)]
    commits(5, (2,), 1)

    assert (whole, commits(1, (1,) * 5, 1)) == ([[5]] * 4, [3, 2])


async def test_a_large_message_of_a_quiet_device_is_no_quiet_one(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 3)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 4)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    first, large, small = of(1), of(1, targets=20), of(1)
    others = [of(row) for row in range(2, 9)]
    for work in (first, large, small, *others):
        queue.submit(work, 0.0)

    # It goes in time all the same, with what stands behind it.
    taken = [queue.next(NOW).submissions for _ in range(4)]

    assert taken == [[first, *others[:3]], [*others[3:], large], [small], []]


async def test_who_says_much_has_a_part_of_each_commit_however_many_say_little(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 2)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 4)
    queue, rows = an_intake(messages_max=1000, octets_max=1 << 20), count(2)
    for _ in range(100):
        queue.submit(of(1), 0.0)
    queue.next(NOW)
    had = []
    for _ in range(5):
        for _ in range(20):
            queue.submit(of(next(rows)), 0.0)
        had.append(Counter(work.seat.row == 1 for work in queue.next(NOW).submissions))

    assert had == [{False: 4, True: 4}] * 5


async def test_who_says_much_has_the_more_of_a_short_commit_the_more_of_it_waits(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 1)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 6)
    monkeypatch.setattr(intake, "SHORT_OTHERS", 2)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    for row in (1,) * 29 + (2,):
        queue.submit(of(row), 0.0)

    # The first one of each counts as quiet; then of what waits a quarter, from two rows to six.
    assert lengths(queue) == [1 + 1 + 6, 5, 4, 3, 2, 2, 2, 2, 2]
    for row in (1,) * 8 + tuple(range(3, 13)):
        queue.submit(of(row), 0.0)
    assert lengths(queue)[0] == 6 + 3


async def test_a_large_message_goes_in_time_however_many_are_quiet(monkeypatch) -> None:
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 4)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    large, row = of(1, targets=intake.QUIET_MAX + 1), count(2)
    queue.submit(large, 0.0)
    taken = []
    for _ in range(2):
        for _ in range(5):
            queue.submit(of(next(row)), 0.0)
        taken.append(queue.next(NOW).submissions)

    assert (len(taken[0]), taken[1][4:]) == (4, [large])


async def test_turns_go_on_from_one_short_commit_to_the_next(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 1)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 7)
    monkeypatch.setattr(intake, "TURN_PLACEMENTS", 8)
    queue, rows = an_intake(messages_max=100, octets_max=1 << 20), count(3)
    taken: Counter[int] = Counter()
    for talker in (1, 2):
        for _ in range(60):
            queue.submit(of(talker), 0.0)
    for _ in range(10):
        queue.submit(of(next(rows)), 0.0)
        taken.update(work.seat.row for work in queue.next(NOW).submissions if work.seat.row < 3)

    assert abs(taken[1] - taken[2]) <= 8
    assert taken.total() >= 70


async def test_a_message_to_many_is_no_quiet_one(monkeypatch) -> None:
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    queue.submit(of(1, targets=intake.QUIET_MAX + 1), 0.0)
    many = queue.urgent
    queue.submit(of(2, targets=intake.QUIET_MAX), 0.0)

    assert (many, queue.urgent) == (False, True)


async def test_on_a_slow_disk_commits_are_not_short(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 1)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 2)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    for row in (1, 2, 2, 2, 2, 2, 2, 2):
        queue.submit(of(row), 0.0)

    fast = len(queue.next(NOW))
    queue.slow = True

    assert (fast, len(queue.next(NOW))) == (4, 4)


async def test_a_quiet_device_that_waits_makes_a_commit_short_however_long_it_has_waited(monkeypatch) -> None:
    monkeypatch.setattr(intake, "QUIET_MAX", 2)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 3)
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    for work in (*[of(1) for _ in range(9)], of(2)):
        queue.submit(work, 0.0)
    queue.submit(of(3, targets=3), 2 * intake.WINDOW_S)

    assert len(queue.next(NOW)) == 4


async def test_a_whole_commit_is_urgent_whoever_wrote_it(monkeypatch) -> None:
    monkeypatch.setattr(intake, "PLACEMENTS_MAX", 2)
    queue, urgent = with_talkers(monkeypatch), []
    for _ in range(2):
        queue.submit(of(1), NOW)
        urgent.append(queue.urgent)

    assert urgent == [False, True]


async def test_another_connection_of_a_device_comes_after_the_one_before_it() -> None:
    queue = an_intake(messages_max=100, octets_max=1 << 20)
    works = [submission(), submission(), submission(seat=Seat(SEAT.row, 2, bytes(32), 1))]
    for work in works:
        queue.submit(work, 0.0)

    assert queue.next(NOW).submissions == works


async def test_what_is_put_back_comes_first() -> None:
    queue = an_intake(messages_max=10, octets_max=1 << 20)
    older, newer = acknowledgement(1), acknowledgement(2)
    queue.acknowledge(older)
    taken = queue.next(NOW)
    queue.acknowledge(newer)

    queue.put_back(taken.acknowledgements)
    await queue.arrival()

    assert queue.next(NOW).acknowledgements == [older, newer]


async def test_what_is_put_back_is_an_arrival() -> None:
    queue = an_intake(messages_max=10, octets_max=1 << 20)
    queue.acknowledge(acknowledgement(1))
    taken = queue.next(NOW)
    queue.put_back([])
    idle = asyncio.ensure_future(queue.arrival())
    await asyncio.sleep(0)

    before = idle.done()
    queue.put_back(taken.acknowledgements)
    await idle

    assert (before, len(queue.next(NOW))) == (False, 1)


async def test_what_waits_is_counted() -> None:
    queue = an_intake(messages_max=10, octets_max=1 << 20)
    work = submission()

    queue.submit(work, 0.0)
    queue.acknowledge(acknowledgement(1))
    before = queue.works, queue.octets > work.weight
    queue.next(NOW)

    assert before == (2, True)
    assert (queue.works, queue.octets) == (0, 0)


async def test_what_is_put_back_may_fill_it_and_then_nobody_is_called_for_room() -> None:
    queue = an_intake(messages_max=1, octets_max=1 << 20)
    queue.acknowledge(acknowledgement(1))
    queue.put_back(queue.next(NOW).acknowledgements)
    waiting = asyncio.ensure_future(queue.space())
    await asyncio.sleep(0)

    before = (queue.full, waiting.done())
    queue.next(NOW)
    await waiting

    assert before == (True, False)


async def test_one_that_is_closed_is_full_for_good_and_calls_nobody_for_room() -> None:
    queue = an_intake(messages_max=10, octets_max=1 << 20)
    queue.submit(submission(), 0.0)
    queue.close()
    waiting = asyncio.ensure_future(queue.space())
    await asyncio.sleep(0)

    await queue.arrival()
    taken = len(queue.next(NOW))
    await asyncio.sleep(0)

    assert (taken, queue.full, waiting.done()) == (1, True, False)
    waiting.cancel()
