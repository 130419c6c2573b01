from collections.abc import Iterable

import pytest

from relayd.delivery.pump import PAGE_ITEMS, PAGE_OCTETS, PASSING_MAX, Pump, Want
from relayd.delivery.window import Stall
from relayd.metrics import Counters
from relayproto import frame, message
from relayproto.codes import GoawayCode, Lane
from relayproto.commands import Ack, Credit
from relayproto.errors import RemoteProtocolError
from relayproto.message import Message
from relayproto.notices import NOTICES, Deliver, Drained, Gap, NewEpoch, Outcome, Passing, PrekeysLow, RolledBack
from relayproto.replies import LaneState
from support.entries import envelope, gap, outcome, page

EPOCH = 7
NOW_MS = 1_000_000
NOW = 50.0
PLENTY = Credit(1000, 1 << 20)


def pump(
    *,
    cursors: tuple[int, int, int] = (0, 0, 0),
    nexts: tuple[int, int, int] = (1, 1, 1),
    credit: Credit = PLENTY,
    settled: bool = True,
    notices: tuple[Message, ...] = (),
    alone: tuple[int, ...] = (0, 0, 0),
) -> Pump:
    lanes = tuple(LaneState(0, following) for following in nexts)
    made = Pump(
        epoch=EPOCH, cursors=cursors, lanes=lanes, credit=credit, counters=Counters(), notices=notices, alone=alone
    )
    if settled:
        settle(made)
    return made


def settle(made: Pump) -> None:
    """Answer the first pages, which are empty, and take DRAINED."""
    while (want := made.want()) is not None:
        made.paged(want, page())
    made.fill(1 << 20, NOW_MS, NOW)


def messages(frames: Iterable[bytes]) -> list[Message]:
    return [message.read(NOTICES[frame.decode(each).kind], each) for each in frames]


def said(made: Pump, *, octets: int = 1 << 20, now_ms: int = NOW_MS, now: float = NOW) -> list[Message]:
    return messages(made.fill(octets, now_ms, now))


def numbers(notices: Iterable[Message]) -> list[tuple[Lane, int]]:
    return [
        (notice.lane, notice.sequence) if isinstance(notice, Deliver) else (Lane.OUTCOME, notice.sequence)
        for notice in notices
        if isinstance(notice, Deliver | Outcome)
    ]


def ack(
    floor: int,
    *,
    lane: Lane = Lane.NORMAL,
    epoch: int = EPOCH,
    ranges: tuple[tuple[int, int], ...] = (),
    credit: Credit = PLENTY,
    undecryptable: tuple[int, ...] = (),
) -> Ack:
    return Ack(epoch, lane, floor, ranges, credit, undecryptable)


def test_every_lane_is_paged_once_at_the_beginning() -> None:
    made = pump(cursors=(3, 4, 5), settled=False)
    wants = []

    while (want := made.want()) is not None:
        assert made.want() is None
        wants.append(want)
        made.paged(want, page())

    assert wants == [
        Want(Lane.URGENT, 4, PAGE_ITEMS, PAGE_OCTETS),
        Want(Lane.OUTCOME, 5, PAGE_ITEMS, PAGE_OCTETS),
        Want(Lane.NORMAL, 3, PAGE_ITEMS, PAGE_OCTETS),
    ]


def test_drained_is_said_once_when_what_was_queued_at_hello_is_sent() -> None:
    made = pump(nexts=(2, 1, 1), settled=False)
    assert said(made) == []

    for entries in ((), (), (envelope(1),)):
        want = made.want()
        assert want is not None
        made.paged(want, page(*entries))

    assert [type(notice) for notice in said(made)] == [Deliver, Drained]
    made.offer(envelope(2))
    assert [type(notice) for notice in said(made)] == [Deliver]


def test_an_empty_mailbox_is_drained_at_once() -> None:
    made = pump(settled=False)

    assert said(made) == [Drained()]


def test_urgent_comes_first_then_outcomes_then_the_rest() -> None:
    made = pump()
    for entry in (envelope(1), outcome(1), envelope(1, lane=Lane.URGENT), envelope(2), envelope(2, lane=Lane.URGENT)):
        made.offer(entry)

    found = numbers(said(made))

    assert found == [(Lane.URGENT, 1), (Lane.URGENT, 2), (Lane.OUTCOME, 1), (Lane.NORMAL, 1), (Lane.NORMAL, 2)]


def test_never_more_is_sent_than_was_granted() -> None:
    made = pump(credit=Credit(2, 1 << 20))
    for number in range(1, 5):
        made.offer(envelope(number))

    assert numbers(said(made)) == [(Lane.NORMAL, 1), (Lane.NORMAL, 2)]
    assert not made.ready
    assert made.acknowledge(ack(1, credit=Credit(3, 1 << 20)))
    assert made.ready
    assert numbers(said(made)) == [(Lane.NORMAL, 3)]


def test_credit_in_bytes_is_kept_as_well() -> None:
    cost = envelope(1).cost
    made = pump(credit=Credit(10, 2 * cost))
    for number in range(1, 4):
        made.offer(envelope(number))

    assert numbers(said(made)) == [(Lane.NORMAL, 1), (Lane.NORMAL, 2)]


def test_an_outcome_takes_one_message_of_the_credit_and_no_bytes() -> None:
    made = pump(credit=Credit(2, 0))
    for number in range(1, 4):
        made.offer(outcome(number))

    assert numbers(said(made)) == [(Lane.OUTCOME, 1), (Lane.OUTCOME, 2)]


def test_gaps_cost_no_credit() -> None:
    made = pump(credit=Credit(0, 0), nexts=(3, 1, 1), settled=False)
    while (want := made.want()) is not None:
        made.paged(want, page(*([gap(1, 2)] if want.lane is Lane.NORMAL else [])))

    assert said(made) == [gap(1, 2), Drained()]


def test_without_credit_a_page_of_one_tells_whether_something_waits() -> None:
    made = pump(credit=Credit(0, 0), settled=False)

    wants = []
    while (want := made.want()) is not None:
        wants.append((want.lane, want.messages))
        made.paged(want, page())

    assert wants == [(Lane.URGENT, 1), (Lane.OUTCOME, 1), (Lane.NORMAL, 1)]
    said(made)
    assert made.next_deadline() is None


def test_a_page_asks_for_no_more_than_the_credit_that_is_left() -> None:
    made = pump(credit=Credit(3, 1 << 20))
    made.offer(envelope(1))
    said(made)
    made.offer(envelope(9))

    want = made.want()

    assert want == Want(Lane.NORMAL, 1, 2, PAGE_OCTETS)


def test_what_is_in_memory_is_not_paged_beyond_the_credit() -> None:
    made = pump(credit=Credit(2, 1 << 20), nexts=(9, 1, 1), settled=False)
    for _ in range(3):
        want = made.want()
        assert want is not None
        made.paged(want, page(*([envelope(1), envelope(2)] if want.lane is Lane.NORMAL else []), more=True))

    assert [want.lane for want in (made.want(),) if want is not None] == [Lane.URGENT]


def test_the_bytes_of_one_turn_are_bounded() -> None:
    made = pump()
    for number in range(1, 5):
        made.offer(envelope(number, body=bytes(1000)))

    assert numbers(said(made, octets=1500)) == [(Lane.NORMAL, 1), (Lane.NORMAL, 2)]
    assert made.ready


def test_nothing_is_sent_at_or_after_its_expiry() -> None:
    made = pump(credit=Credit(1, 1 << 20))
    made.offer(envelope(1, expires_ms=NOW_MS))
    made.offer(envelope(2, expires_ms=NOW_MS + 1))

    assert numbers(said(made)) == [(Lane.NORMAL, 2)]


def test_what_was_found_expired_is_explained_when_the_sweep_says_so() -> None:
    made = pump()
    made.offer(envelope(1, expires_ms=NOW_MS))
    said(made)

    made.explain(gap(1, 1))

    assert made.ready
    assert said(made) == [gap(1, 1)]


def test_a_gap_in_a_page_moves_the_lane_on() -> None:
    made = pump(nexts=(9, 1, 1), settled=False)
    for _ in range(3):
        want = made.want()
        assert want is not None
        made.paged(want, page(*([gap(1, 7), envelope(8)] if want.lane is Lane.NORMAL else [])))

    assert made.ready
    assert said(made) == [gap(1, 7), envelope(8).notice, Drained()]
    assert made.acknowledge(ack(8))


def test_an_acknowledgement_above_what_was_delivered_is_a_fault() -> None:
    made = pump()
    made.offer(envelope(1))
    said(made)

    for wrong in (ack(2), ack(0, ranges=((2, 2),)), ack(0, undecryptable=(2,)), ack(1, lane=Lane.URGENT)):
        with pytest.raises(RemoteProtocolError) as caught:
            made.acknowledge(wrong)

        assert caught.value.code is GoawayCode.BAD_ACK


@pytest.mark.parametrize("ranges", [((1, 2),), ((2, 3),), ((4, 3),), ((5, 6), (7, 8)), ((6, 7), (3, 4))])
def test_ranges_that_are_not_ascending_and_apart_are_a_fault(ranges: tuple[tuple[int, int], ...]) -> None:
    made = pump(cursors=(9, 0, 0), nexts=(10, 1, 1))

    with pytest.raises(RemoteProtocolError):
        made.acknowledge(ack(1, ranges=ranges))


def test_ranges_in_order_are_passed_on() -> None:
    made = pump(cursors=(9, 0, 0), nexts=(10, 1, 1))

    assert made.acknowledge(ack(1, ranges=((3, 4), (6, 9)), undecryptable=(9,)))


def test_an_acknowledgement_of_another_epoch_is_ignored_with_one_notice() -> None:
    made = pump(credit=Credit(0, 0))

    assert not made.acknowledge(ack(99, epoch=EPOCH + 1))
    assert not made.acknowledge(ack(99, epoch=EPOCH + 1))

    made.offer(envelope(1))
    assert said(made) == [NewEpoch(EPOCH)]


def test_notices_of_hello_come_first() -> None:
    made = pump(notices=(RolledBack(Lane.NORMAL, 4), RolledBack(Lane.URGENT, 5)), settled=False)

    assert said(made) == [RolledBack(Lane.NORMAL, 4), RolledBack(Lane.URGENT, 5), Drained()]


def test_only_the_last_notice_of_a_kind_waits() -> None:
    made = pump()

    made.say(PrekeysLow(3, 3))
    made.say(PrekeysLow(2, 3))

    assert made.ready
    assert said(made) == [PrekeysLow(2, 3)]
    assert not made.ready


def test_a_full_window_without_acknowledgement_is_stalled() -> None:
    made = pump(credit=Credit(0, 0))
    made.offer(envelope(1))
    said(made)

    assert made.next_deadline() == NOW + 60.0
    assert made.stall(NOW + 60.0) is Stall.PING
    assert made.stall(NOW + 120.0) is Stall.GIVE_UP


def test_what_was_delivered_is_counted() -> None:
    counters = Counters()
    made = Pump(epoch=EPOCH, cursors=(0, 0, 0), lanes=(LaneState(0, 1),) * 3, credit=PLENTY, counters=counters)
    settle(made)
    made.offer(envelope(1))
    made.offer(outcome(1))

    said(made)

    assert counters.delivered == 1


def test_fifo_holds_within_a_lane_whatever_comes_from_where() -> None:
    made = pump()
    found: list[tuple[Lane, int]] = []
    made.offer(envelope(1))
    made.offer(envelope(3))
    found += numbers(said(made))
    want = made.want()
    assert want is not None
    made.offer(envelope(4))
    made.paged(want, page(envelope(2), envelope(3)))
    found += numbers(said(made))
    want = made.want()
    assert want is not None
    made.paged(want, page(envelope(4)))
    made.offer(envelope(5))

    found += numbers(said(made))

    assert found == [(Lane.NORMAL, number) for number in range(1, 6)]


def test_a_gap_of_another_lane_touches_nothing_else() -> None:
    made = pump(cursors=(2, 2, 0), nexts=(3, 3, 1))
    made.offer(envelope(3))

    made.explain(Gap(Lane.URGENT, 1, 2, gap(1, 1).reason))

    assert said(made) == [gap(1, 2, lane=Lane.URGENT), envelope(3).notice]


def passing(number: int = 1) -> Passing:
    return Passing(bytes(32), 1, bytes([number]))


def test_what_passes_by_comes_last_and_costs_no_credit() -> None:
    made = pump(credit=Credit(1, 1 << 20))
    made.pass_by(passing())
    made.offer(envelope(1))
    assert made.ready

    assert [type(notice) for notice in said(made)] == [Deliver, Passing]

    made.offer(envelope(2))
    made.pass_by(passing())
    assert said(made) == [passing()]
    assert not made.ready


def test_what_passes_by_is_dropped_where_anything_else_has_no_room() -> None:
    made = pump()
    made.offer(envelope(1))
    made.pass_by(passing())

    assert [type(notice) for notice in said(made, octets=1)] == [Deliver]
    assert said(made) == []


def test_only_so_much_passes_by_in_one_turn() -> None:
    made = pump()
    for number in range(2 * PASSING_MAX):
        made.pass_by(passing(number))

    assert said(made) == [passing(number) for number in range(PASSING_MAX)]


def test_an_envelope_that_is_offered_alone_has_nothing_of_its_lane_behind_it() -> None:
    made = pump(nexts=(3, 2, 1), alone=(1, 0, 0), settled=False)
    pages = {Lane.NORMAL: page(envelope(1), envelope(2)), Lane.URGENT: page(envelope(1, lane=Lane.URGENT))}
    while (want := made.want()) is not None:
        made.paged(want, pages.get(want.lane, page()))

    first = said(made)
    assert not made.ready
    made.acknowledge(ack(0, undecryptable=(1,)))

    assert numbers(first) == [(Lane.URGENT, 1), (Lane.NORMAL, 1)]
    assert [type(notice) for notice in said(made)] == [Deliver, Drained]


def test_a_pump_is_idle_only_when_nothing_waits_anywhere() -> None:
    made = pump(settled=False)
    assert not made.idle  # DRAINED is still to be said

    settle(made)
    assert made.idle

    made.offer(envelope(1))
    assert not made.idle

    said(made)
    assert made.idle

    made.say(PrekeysLow(1, 1))
    assert not made.idle


def test_a_pump_whose_backlog_is_on_disk_is_not_idle() -> None:
    made = pump()

    made.offer(envelope(2))

    assert not made.ready
    assert not made.idle


def test_gaps_are_counted_by_reason_when_they_are_told() -> None:
    made = pump()
    made.offer(envelope(1))
    said(made)

    made.explain(gap(1, 1))
    said(made)

    assert sum(made._counters.gaps.values()) == 1


def test_what_was_written_and_not_acknowledged_is_counted_without_outcomes() -> None:
    made = pump()
    for item in (envelope(1), envelope(2), outcome(1)):
        made.offer(item)
    said(made)

    before = made.unacknowledged
    made.acknowledge(ack(1))

    assert (before, made.unacknowledged) == (2, 1)


def test_a_device_that_grants_no_credit_for_what_waits_is_stuck_until_it_does() -> None:
    made = pump(credit=Credit(1, 1 << 20))
    for number in (1, 2):
        made.offer(envelope(number))

    before = made.stuck
    said(made)
    full = made.stuck
    made.acknowledge(ack(1, credit=PLENTY))

    assert (before, full, made.stuck) == (False, True, False)


def test_numbers_that_a_gap_explains_are_not_owed() -> None:
    made = pump(settled=False, nexts=(4, 1, 1))
    for items in ((), (), (envelope(1), gap(2, 3))):
        want = made.want()
        assert want is not None
        made.paged(want, page(*items))
    said(made)

    before = made.unacknowledged
    made.acknowledge(ack(1))
    made.explain(gap(2, 3))

    assert (before, made.unacknowledged) == (3, 0)
