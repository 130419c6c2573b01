from hypothesis import given
from hypothesis import strategies as st

from relayd.domain.mailbox import Mailbox, Quota, Share
from relayproto.codes import Class, Lane

ALICE, BOB = b"a" * 32, b"b" * 32
QUOTA = Quota(messages=100, octets=1 << 20, reopen_percent=80)


def filled(count: int, *, lane=Lane.NORMAL, class_=Class.CHAT, cost=10, quota=QUOTA) -> Mailbox:
    mailbox = Mailbox(epoch=1)
    for _ in range(count):
        mailbox.put(quota, lane, class_, cost, ALICE)
    return mailbox


def test_numbers_are_given_once_a_lane() -> None:
    mailbox = Mailbox(epoch=1)

    given_numbers = [mailbox.put(QUOTA, lane, Class.CHAT, 1, ALICE) for lane in (0, 0, 1, 0)] + [mailbox.put_outcome()]

    assert given_numbers == [1, 2, 1, 3, 1]


def test_the_last_twentieth_is_kept_for_the_urgent_lane() -> None:
    mailbox = filled(95)

    assert not mailbox.admits(QUOTA, Lane.NORMAL, Class.CHAT, 1)
    assert mailbox.admits(QUOTA, Lane.URGENT, Class.OTP, 1)


def test_a_full_mailbox_takes_nothing_urgent_either() -> None:
    mailbox = filled(100, lane=Lane.URGENT, class_=Class.OTP)

    assert not mailbox.admits(QUOTA, Lane.URGENT, Class.OTP, 1)


def test_bytes_count_as_well() -> None:
    mailbox = filled(71, cost=14_000)

    assert not mailbox.admits(QUOTA, Lane.NORMAL, Class.CHAT, 14_000)
    assert not mailbox.admits(QUOTA, Lane.URGENT, Class.OTP, 1 << 20)


def test_a_mailbox_that_was_full_reopens_at_the_share_and_not_before() -> None:
    mailbox = filled(95)

    admitted = []
    for _ in range(15):
        mailbox.take(QUOTA, Class.CHAT, 10)
        admitted.append(mailbox.admits(QUOTA, Lane.NORMAL, Class.CHAT, 10))

    assert admitted == [False] * 14 + [True]


def test_receipts_get_a_fifth() -> None:
    mailbox = filled(20, class_=Class.RECEIPT)

    assert not mailbox.admits(QUOTA, Lane.NORMAL, Class.RECEIPT, 1)
    assert mailbox.admits(QUOTA, Lane.NORMAL, Class.CHAT, 1)
    mailbox.take(QUOTA, Class.RECEIPT, 10)
    assert mailbox.admits(QUOTA, Lane.NORMAL, Class.RECEIPT, 1)


def test_one_sender_gets_half() -> None:
    mailbox = filled(50)
    mailbox.shares = {ALICE: Share(50, 500)}

    assert mailbox.half_full(QUOTA, 1)
    assert not mailbox.has_share_left(QUOTA, ALICE, 1)
    assert mailbox.has_share_left(QUOTA, BOB, 1)


def test_one_sender_gets_half_of_the_bytes() -> None:
    mailbox = filled(1, cost=500_000)
    mailbox.shares = {ALICE: Share(1, 500_000)}

    assert mailbox.half_full(QUOTA, 40_000)
    assert not mailbox.has_share_left(QUOTA, ALICE, 40_000)


def test_shares_follow_what_is_put_in_and_taken_out() -> None:
    mailbox = Mailbox(epoch=1, shares={})
    mailbox.put(QUOTA, Lane.NORMAL, Class.CHAT, 10, ALICE)
    mailbox.put(QUOTA, Lane.NORMAL, Class.CHAT, 20, ALICE)

    mailbox.take_share(ALICE, 10)
    left = mailbox.shares[ALICE].octets
    mailbox.take_share(ALICE, 20)

    assert (left, mailbox.shares) == (20, {})


def test_where_shares_are_not_known_none_are_kept() -> None:
    mailbox = filled(1)

    mailbox.take_share(ALICE, 10)

    assert mailbox.shares is None
    assert mailbox.has_share_left(QUOTA, ALICE, 10)


def test_a_floor_rises_only_and_never_beyond_what_was_given() -> None:
    mailbox = filled(3)

    floors = [mailbox.acknowledge(Lane.NORMAL, floor) for floor in (2, 1, 9)]

    assert floors == [2, 2, 3]


def test_a_mailbox_for_one_envelope_takes_one() -> None:
    quota = Quota(messages=1, octets=1 << 20, reopen_percent=80)
    mailbox = Mailbox(epoch=1)

    before = mailbox.admits(quota, Lane.NORMAL, Class.CHAT, 10)
    mailbox.put(quota, Lane.NORMAL, Class.CHAT, 10, ALICE)

    assert (before, mailbox.admits(quota, Lane.NORMAL, Class.CHAT, 10)) == (True, False)


@given(st.lists(st.tuples(st.sampled_from([Class.CHAT, Class.RECEIPT]), st.integers(1, 14_848)), max_size=120))
def test_counters_come_back_to_nothing(envelopes) -> None:
    mailbox = Mailbox(epoch=1)
    taken_in = []
    for class_, cost in envelopes:
        if mailbox.admits(QUOTA, Lane.NORMAL, class_, cost):
            mailbox.put(QUOTA, Lane.NORMAL, class_, cost, ALICE)
            taken_in.append((class_, cost))

    for class_, cost in taken_in:
        mailbox.take(QUOTA, class_, cost)

    assert (mailbox.messages, mailbox.octets, mailbox.receipts, mailbox.over) == (0, 0, 0, False)


def test_a_mailbox_is_writable_where_any_envelope_of_the_sender_fits() -> None:
    quota = Quota(messages=10, octets=1 << 20, reopen_percent=80)
    mailbox = Mailbox(epoch=1, shares={})
    assert mailbox.writable(quota, b"a" * 32)

    for _ in range(5):
        mailbox.put(quota, Lane.NORMAL, Class.CHAT, 10, b"a" * 32)

    assert not mailbox.writable(quota, b"a" * 32)
    assert mailbox.writable(quota, b"c" * 32)
    mailbox.over = True
    assert not mailbox.writable(quota, b"c" * 32)


def test_refusals_are_counted_up_to_what_the_wire_holds() -> None:
    mailbox = Mailbox(epoch=1, refused=(1 << 32) - 2)

    assert [mailbox.refuse() for _ in range(2)] == [(1 << 32) - 1] * 2
