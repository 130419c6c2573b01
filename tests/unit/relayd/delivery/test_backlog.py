import pytest

from relayd.delivery.backlog import READY_ITEMS_MAX, READY_LOW, READY_OCTETS_MAX, Backlog
from relayproto.codes import Lane
from relayproto.commands import Ack, Credit
from relayproto.notices import Gap
from support.entries import envelope, gap, page


def backlog(cursor: int = 0, goal: int = 0, *, settled: bool = True) -> Backlog:
    lane = Backlog(Lane.NORMAL, cursor, goal)
    if settled:
        lane.ask()
        lane.paged(page())
    return lane


def drain(lane: Backlog) -> list[int]:
    numbers = []
    while (item := lane.head) is not None:
        numbers.append(item.first if isinstance(item, Gap) else item.notice.sequence)
        lane.take()
    return numbers


def test_a_new_connection_asks_the_store_first() -> None:
    lane = backlog(cursor=4, goal=4, settled=False)

    assert lane.wants_page
    assert lane.ask() == 4
    assert not lane.wants_page


def test_what_follows_the_cursor_comes_from_memory() -> None:
    lane = backlog(cursor=4, goal=4)

    lane.offer(envelope(5))
    lane.offer(envelope(6))

    assert drain(lane) == [5, 6]
    assert lane.cursor == 6
    assert not lane.wants_page


def test_what_does_not_follow_is_paged() -> None:
    lane = backlog(cursor=4, goal=4)

    lane.offer(envelope(6))

    assert lane.head is None
    assert lane.wants_page


def test_what_was_offered_while_a_page_is_read_is_not_sent_twice() -> None:
    lane = backlog(settled=False)
    lane.ask()

    lane.offer(envelope(1))
    lane.paged(page(envelope(1)))
    lane.offer(envelope(1))

    assert drain(lane) == [1]
    assert not lane.wants_page


def test_what_came_after_a_page_began_asks_for_another() -> None:
    lane = backlog(settled=False)
    lane.ask()

    lane.offer(envelope(1))
    lane.paged(page())

    assert lane.wants_page


def test_a_page_that_began_after_a_wake_up_settles_it() -> None:
    lane = backlog()
    lane.offer(envelope(7))

    lane.ask()
    lane.paged(page())

    assert not lane.wants_page


def test_a_page_with_more_behind_it_is_followed_by_the_next() -> None:
    lane = backlog(goal=9, settled=False)
    lane.ask()

    lane.paged(page(envelope(1), gap(2, 5), more=True))

    assert lane.wants_page
    assert lane.ask() == 5
    lane.paged(page(envelope(6)))
    assert drain(lane) == [1, 2, 6]


def test_the_next_page_waits_until_memory_is_nearly_empty() -> None:
    lane = backlog(goal=999, settled=False)
    lane.ask()

    lane.paged(page(*[envelope(number) for number in range(1, READY_LOW + 1)], more=True))

    assert not lane.wants_page
    lane.take()
    assert lane.wants_page


def test_memory_is_bounded_in_items() -> None:
    lane = backlog()

    for number in range(1, READY_ITEMS_MAX + 10):
        lane.offer(envelope(number))

    assert lane.ready == READY_ITEMS_MAX
    assert drain(lane) == list(range(1, READY_ITEMS_MAX + 1))
    assert lane.wants_page


def test_memory_is_bounded_in_bytes() -> None:
    lane = backlog()
    body = bytes(READY_OCTETS_MAX // 4)

    for number in range(1, 10):
        lane.offer(envelope(number, body=body))

    assert lane.ready == 4


def test_a_hole_in_what_was_sent_is_said_at_once() -> None:
    lane = backlog(cursor=9, goal=9)

    assert lane.explain(gap(3, 4)) == gap(3, 4)
    assert not lane.wants_page


def test_a_hole_in_what_is_remembered_empties_the_memory() -> None:
    lane = backlog(cursor=2, goal=2)
    lane.offer(envelope(3))
    lane.offer(envelope(4))

    said = lane.explain(gap(2, 3))

    assert said == gap(2, 2)
    assert lane.head is None
    assert lane.ask() == 2
    lane.paged(page(gap(3, 3), envelope(4)))
    assert drain(lane) == [3, 4]


def test_a_hole_that_lies_ahead_is_left_to_the_page() -> None:
    lane = backlog(cursor=2, goal=2)

    assert lane.explain(gap(5, 6)) is None
    assert lane.wants_page


def test_a_page_that_was_read_before_a_hole_was_made_is_not_believed() -> None:
    lane = backlog(settled=False)
    lane.ask()
    lane.explain(gap(1, 1))

    lane.paged(page(envelope(1)))

    assert lane.head is None
    assert lane.wants_page
    lane.ask()
    lane.paged(page(gap(1, 1)))
    assert drain(lane) == [1]


def test_a_page_that_nobody_asked_for_changes_nothing() -> None:
    lane = backlog()

    lane.paged(page(envelope(1)))

    assert lane.head is None


def test_it_is_done_when_everything_of_hello_was_passed() -> None:
    lane = backlog(goal=1, settled=False)
    lane.ask()
    lane.paged(page(envelope(1)))

    assert not lane.done
    lane.take()
    assert lane.done


def test_it_is_done_when_the_store_has_nothing_more() -> None:
    lane = backlog(goal=5)

    assert lane.done


def acked(floor: int, *ranges: tuple[int, int], undecryptable: tuple[int, ...] = ()) -> Ack:
    return Ack(7, Lane.NORMAL, floor, ranges, Credit(0, 0), undecryptable)


def poisoned(alone: int = 2) -> Backlog:
    """A lane with three envelopes, of which the one that is to be alone has been sent."""
    lane = Backlog(Lane.NORMAL, 0, 3, alone)
    lane.ask()
    lane.paged(page(envelope(1), envelope(2), envelope(3)))
    assert drain(lane) == [1, 2][: alone or 3]
    return lane


@pytest.mark.parametrize(
    "ack", [acked(2), acked(0, (1, 2)), acked(1, undecryptable=(2,))], ids=["kept", "in a range", "refused"]
)
def test_nothing_follows_what_is_offered_alone_until_it_is_acknowledged(ack: Ack) -> None:
    lane = poisoned()
    lane.offer(envelope(4))
    lane.acknowledged(acked(1))
    assert lane.head is None
    assert not lane.done

    lane.acknowledged(ack)

    assert drain(lane) == [3, 4]


def test_what_expired_while_it_was_alone_holds_nobody_up() -> None:
    lane = poisoned()

    assert lane.explain(gap(2, 2)) == gap(2, 2)

    assert drain(lane) == [3]


def test_what_expired_before_it_was_offered_alone_holds_nobody_up() -> None:
    lane = Backlog(Lane.NORMAL, 0, 3, 2)
    lane.ask()
    lane.paged(page(envelope(1), gap(2, 2), envelope(3)))

    assert drain(lane) == [1, 2, 3]
