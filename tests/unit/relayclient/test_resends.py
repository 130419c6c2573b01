"""What is sent again, and to whom (spec 60 §5)."""

import pytest

from relayclient import outbox, resends
from relayclient.events import EnvelopeFailed, MessageState
from relayproto.codes import Lane
from relayproto.commands import Submit
from relayproto.e2e.content import Retry
from relayproto.ids import DeviceId
from support.changed import replace
from support.small_relay import DAY_MS, NOW_MS, join_second
from support.talk import ALICE, BOB, HOUR_MS, forget_sessions, introduce, of, said, sent_by, texts


def test_a_message_in_flight_is_sent_again_when_its_answer_has_come(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "first", now_ms=NOW_MS)
    relay.connect(alice).run()
    forget_sessions(bob)
    relay.connect(bob).run()
    alice.queue(BOB, "in flight", now_ms=NOW_MS)
    line = relay.connect(alice)
    submit = of(Submit, alice.next_submits(10, NOW_MS))[0]
    line._notices()
    answer = relay.submit(line.key, submit, submit.body)

    alice.answered(answer, submit, NOW_MS)
    again = of(Submit, alice.next_submits(10, NOW_MS))

    assert submit.commitment in [one.commitment for one in again]
    assert len(again) == 2


def test_what_a_retry_request_does_not_name_reaches_back_seven_days(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "long ago", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.now_ms += 8 * DAY_MS
    alice.queue(BOB, "today", now_ms=relay.now_ms)
    relay.connect(alice).run()
    relay.seat(bob).boxes[Lane.NORMAL].rows.clear()
    with bob._store.step() as step:
        outbox.queue_control(step, alice.identity.account, Retry(0, ()), relay.now_ms)

    relay.connect(bob).run()
    relay.connect(alice).run()

    assert texts(relay.connect(bob).run()) == ["today"]


def test_what_a_retry_request_names_goes_again_whatever_its_state_says(relay, alice, bob):
    introduce(relay, alice, bob)
    long_ago = alice.queue(BOB, "too long ago", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.now_ms += 8 * DAY_MS
    today = alice.queue(BOB, "today", now_ms=relay.now_ms)
    relay.connect(alice).run()
    forget_sessions(bob)
    with_report = bob.acks
    bob.acks = lambda: [replace(ack, undecryptable=()) for ack in with_report()]

    failed = relay.connect(bob).run()
    relay.connect(alice).run()
    states_then = [alice.state_of(message)[0] for message in (long_ago, today)]
    del bob.acks
    came = texts(relay.connect(bob).run())

    assert len(of(EnvelopeFailed, failed)) == 2
    assert states_then == [MessageState.DELIVERED] * 2
    assert came == ["today"]


def test_what_is_named_goes_again_once_an_hour_at_most(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    [submit] = sent_by(relay, alice)

    def asked(now_ms):
        with alice._store.step() as step:
            resends.named(step, bob.identity.account, DeviceId(1), (submit.commitment, bytes(33)), now_ms)
        return [again.commitment for again in sent_by(relay, alice)]

    first, second, third = asked(NOW_MS), asked(NOW_MS + HOUR_MS // 2), asked(NOW_MS + HOUR_MS)

    assert (first, second, third) == ([submit.commitment], [], [submit.commitment])


def test_nobody_is_sent_again_what_somebody_else_was_sent(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "for bob", now_ms=NOW_MS)
    [submit] = sent_by(relay, alice)

    with alice._store.step() as step:
        resends.named(step, bytes(32), DeviceId(1), (submit.commitment,), NOW_MS)

    assert sent_by(relay, alice) == []


def written(relay, alice, text="text"):
    """Let alice write to bob; return the message and its commitment."""
    message = alice.queue(BOB, text, now_ms=relay.now_ms)
    return message, sent_by(relay, alice)[-1].commitment


def asks(relay, asker, alice, commitment):
    """Let a device of bob's name what it says it could not open; return what alice sends thereupon."""
    said(relay, asker, alice, Retry(0, (commitment,)))
    return [submit.commitment for submit in sent_by(relay, alice)]


def test_what_was_read_is_not_sent_again(relay, alice, bob):
    introduce(relay, alice, bob)
    message, commitment = written(relay, alice)
    relay.connect(bob).run()
    bob.mark_read([event.message for event in bob.inbox()], NOW_MS)
    relay.connect(bob).run()
    relay.connect(alice).run()

    assert alice.state_of(message) == (MessageState.READ, None)
    assert asks(relay, bob, alice, commitment) == []


@pytest.mark.parametrize(("days", "again"), [(6, 1), (8, 0)])
def test_what_is_older_than_seven_days_is_not_sent_again(relay, alice, bob, days, again):
    introduce(relay, alice, bob)
    _, commitment = written(relay, alice)
    relay.connect(bob).run()
    relay.now_ms += days * DAY_MS

    assert asks(relay, bob, alice, commitment) == [commitment] * again


def test_one_device_is_sent_the_same_again_three_times_at_most(relay, alice, bob):
    introduce(relay, alice, bob)
    _, commitment = written(relay, alice)
    relay.connect(bob).run()

    came = []
    for _ in range(5):
        came += asks(relay, bob, alice, commitment)
        relay.connect(bob).run()
        relay.now_ms += HOUR_MS

    assert came == [commitment] * resends.AGAIN_MAX


def test_a_device_that_came_later_gets_nothing_from_before(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    _, commitment = written(relay, alice)
    with join_second(relay, bob, tmp_path / "bob2") as later:
        later.queue(ALICE, "here I am", now_ms=NOW_MS)
        relay.connect(later).run()
        relay.connect(alice).run()

        asked = asks(relay, later, alice, commitment)

        assert asked == []


def test_what_one_device_is_sent_again_is_withheld_from_one_that_came_later(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    _, commitment = written(relay, alice)
    relay.seat(bob).boxes[Lane.NORMAL].rows.clear()
    with join_second(relay, bob, tmp_path / "bob2") as later:
        later.queue(ALICE, "here I am", now_ms=NOW_MS)
        relay.connect(later).run()
        relay.connect(alice).run()

        asked = asks(relay, bob, alice, commitment)
        came, withheld = relay.connect(bob).run(), relay.connect(later).run()

        assert commitment in asked
        assert "text" in texts(came)
        assert (texts(withheld), of(EnvelopeFailed, withheld)) == ([], [])
        written(relay, alice, "to both")
        assert texts(relay.connect(later).run()) == ["to both"]


def test_which_devices_a_message_went_to_is_forgotten_with_the_time_to_ask(relay, alice, bob):
    introduce(relay, alice, bob)
    written(relay, alice)

    alice.housekeep(NOW_MS + 38 * DAY_MS)

    with alice._store.step() as step:
        assert step.number("SELECT COUNT(*) FROM sealed_to") == 0
