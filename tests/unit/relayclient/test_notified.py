"""What the relay says unasked."""

from relayclient.events import Drained, EnvelopeFailed, Failure, GapSeen, QuotaRefused, RolledBack
from relayproto import notices
from relayproto.codes import Code, GapReason, Lane
from relayproto.commands import Credit, GetDevices
from relayproto.replies import Devices, Refused
from support.changed import replace
from support.small_relay import NOW_MS, join_second
from support.talk import BOB, HOUR_MS, forget_own_list, forget_sessions, introduce, of, texts


def answered_late(relay, device):
    """Connect a device whose questions are answered a second late; return its line, and its events before and after."""
    relay.answers[GetDevices] = Refused(Code.BUSY, 1_000)
    line = relay.connect(device)
    held = line.run()
    del relay.answers[GetDevices]
    relay.now_ms += 1_000
    return line, held, line.run()


def test_envelopes_wait_in_order_for_what_must_be_asked_first(relay, alice, bob):
    alice.queue(BOB, "one", now_ms=NOW_MS)
    alice.queue(BOB, "two", now_ms=NOW_MS)
    relay.connect(alice).run()

    _, held, came = answered_late(relay, bob)

    assert held == []
    assert texts(came) == ["one", "two"]
    assert came[-1] == Drained()


def test_a_first_message_that_comes_before_ones_own_list_waits_for_it(relay, alice, bob):
    introduce(relay, alice, bob)
    forget_sessions(alice)
    forget_own_list(bob)
    alice.queue(BOB, "one", now_ms=NOW_MS)
    relay.connect(alice).run()

    line, held, came = answered_late(relay, bob)

    assert texts(held) == []
    assert texts(came) == ["one"]
    assert GetDevices(bob.identity.account) in line.commands


def test_a_first_message_under_a_list_that_is_not_believed_is_told_as_lost(relay, alice, bob):
    introduce(relay, alice, bob)
    forget_sessions(alice)
    forget_own_list(bob)
    alice.queue(BOB, "one", now_ms=NOW_MS)
    relay.connect(alice).run()
    listed, signature = relay.accounts[bob.identity.account]
    relay.answers[GetDevices] = Devices(listed, bytes(len(signature)), "")

    line = relay.connect(bob)

    line.run()
    relay.now_ms += HOUR_MS
    told = line.run()

    assert of(EnvelopeFailed, told) == [EnvelopeFailed(alice.identity.account, 1, Failure.SESSION)]


def test_what_the_relay_has_no_credit_for_is_not_kept(relay, alice, bob):
    for number in range(6):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.answers[GetDevices] = Refused(Code.BUSY, 1_000)
    line = relay.connect(bob, Credit(2, 1 << 20))
    line.credit = Credit(100, 1 << 20)

    line.run()
    held = len(bob._link.held)
    del relay.answers[GetDevices]
    came = relay.connect(bob).run()

    assert held == 5
    assert texts(came) == [f"text {number}" for number in range(6)]


def test_gaps_are_told_and_do_not_stop_the_floor(relay, alice, bob):
    for number in range(4):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()
    key = (bob.identity.account, 1)
    relay.lose(key, Lane.NORMAL, 1, GapReason.EXPIRED)
    relay.lose(key, Lane.NORMAL, 2, GapReason.ACKNOWLEDGED)

    told = relay.connect(bob).run()

    assert of(GapSeen, told) == [GapSeen(Lane.NORMAL, 1, 1, GapReason.EXPIRED)]
    assert texts(told) == ["text 2", "text 3"]
    assert relay.seat(bob).boxes[Lane.NORMAL].floor == 4


def test_a_hole_that_is_not_explained_is_told_and_acknowledged_around(relay, alice, bob):
    for number in range(3):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    kept = box.rows.pop(2)

    told = relay.connect(bob).run()
    floor = box.floor
    box.rows[2] = kept
    came = relay.connect(bob).run()

    assert of(GapSeen, told) == [GapSeen(Lane.NORMAL, 2, 2, None)]
    assert floor == 1
    assert texts(came) == ["text 1"]
    assert box.rows == {}


def test_a_floor_above_ones_own_is_taken_over_and_told(relay, bob):
    line = relay.connect(bob)
    line.run()

    line.notice(notices.RolledBack(Lane.URGENT, 9))

    assert line.events == [RolledBack(Lane.URGENT, 9)]
    assert [ack.floor for ack in bob.acks()] == [9]


def test_another_epoch_of_the_mailbox_begins_at_nothing(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob)
    line.run()

    line.notice(notices.NewEpoch(44))
    line.notice(notices.NewEpoch(44))
    hello = bob.hello()

    assert (hello.epoch, hello.floors) == (44, (0, 0, 0))


def test_a_stamp_under_a_key_not_known_yet_waits_for_the_keys(relay, alice, bob):
    introduce(relay, alice, bob)
    relay.key_id, relay.stamp_seed = 2, relay.entropy(32)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()

    told = relay.connect(bob).run()

    assert texts(told) == ["text"]


def test_a_gap_for_what_is_dealt_with_is_not_told(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob)
    line.run()

    line.notice(notices.Gap(Lane.NORMAL, 1, 1, GapReason.PURGED))

    assert line.events == []
    assert bob.acks() == []


def test_a_number_that_comes_late_is_no_hole(relay, alice, bob):
    for number in range(3):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    kept = box.rows.pop(1)
    relay.connect(bob).run()
    box.rows = {1: kept, 4: replace(kept, sequence=4)}
    box.next = 5

    told = relay.connect(bob).run()

    assert texts(told) == ["text 0"]
    assert of(GapSeen, told) == []
    assert box.floor == 4


def test_what_a_full_mailbox_refused_is_told(relay, bob):
    line = relay.connect(bob)
    line.run()

    line.notice(notices.Overflow(3))

    assert line.events == [QuotaRefused(3)]


def test_a_device_that_was_let_in_after_its_list_was_fetched_on_this_connection_is_heard(relay, alice, bob, tmp_path):
    line = relay.connect(bob)
    alice.queue(BOB, "from the first", now_ms=NOW_MS)
    relay.connect(alice).run()
    first = line.run()
    with join_second(relay, alice, tmp_path / "alice2") as second:
        relay.connect(second).run()
        second.queue(BOB, "from the second", now_ms=NOW_MS)
        relay.connect(second).run()

    came = line.run()

    assert texts(first) == ["from the first"]
    assert texts(came) == ["from the second"]
    assert line.commands.count(GetDevices(alice.identity.account)) == 2
