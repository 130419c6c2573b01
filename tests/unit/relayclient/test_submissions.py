"""Numbered submissions: repeated byte for byte, waited out, or given up."""

import pytest

from relayclient import submissions
from relayclient.events import MessageState, RelayRestored, StateChanged
from relayproto import notices
from relayproto.codes import Class, Code, Lane, Result, SubmitFlag
from relayproto.commands import Body, Submit
from relayproto.limits import LIFETIME_S_MAX, TEXT_BYTES_MAX
from relayproto.replies import NotTaken, Submitted
from support.small_relay import NOW_MS, join_second
from support.talk import BOB, introduce, of, sent_by, states, texts


def test_what_was_not_answered_is_repeated_byte_for_byte(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    lost = relay.connect(alice)
    lost.run()
    alice.queue(BOB, "another", now_ms=NOW_MS)
    alice.queue(BOB, "a third", now_ms=NOW_MS)
    lost = relay.connect(alice)
    lost.deaf = True
    lost.turn()

    again = relay.connect(alice)
    told = again.run()

    assert of(Submit, again.commands) == of(Submit, lost.commands)
    assert len(of(Submit, again.commands)) == 2
    assert len(states(told)) == 2
    assert texts(relay.connect(bob).run()) == ["text", "another", "a third"]


def test_what_was_sealed_and_never_sent_goes_with_the_next_connection(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice)
    sealed = of(Submit, alice.next_submits(10, NOW_MS))

    assert sent_by(relay, alice) == sealed
    assert texts(relay.connect(bob).run()) == ["text"]


def test_after_not_taken_the_same_numbers_come_again_in_order(relay, alice, bob):
    introduce(relay, alice, bob)
    for number in range(3):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.verdicts.append(NotTaken(0, Code.RATE, 500))
    line = relay.connect(alice)

    line.run()
    waited = alice.wait_ms(relay.now_ms)
    first = of(Submit, line.commands)
    line.commands = []
    relay.now_ms += 500
    line.run()

    assert waited == 500
    assert of(Submit, line.commands) == first
    assert texts(relay.connect(bob).run()) == ["text 0", "text 1", "text 2"]


@pytest.mark.parametrize("code", [Code.TOO_LARGE, Code.AUTHENTICATION, 299, 555])
def test_a_permanent_refusal_ends_a_message(relay, alice, bob, code):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.verdicts.append(code)

    told = relay.connect(alice).run()

    assert of(StateChanged, told) == [StateChanged(message, MessageState.REFUSED, code)]
    assert sent_by(relay, alice) == []


@pytest.mark.parametrize("code", [Code.TOO_OLD, Code.NO_BODY, Code.INTERNAL, 199])
def test_what_nobody_knows_the_outcome_of_is_sent_under_a_new_number(relay, alice, bob, code):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.verdicts.append(code)
    line = relay.connect(alice)
    line.run()

    relay.now_ms += 1_000
    line.run()

    assert [submit.submission for submit in of(Submit, line.commands)] == [1, 2]
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_refusal_that_never_goes_away_ends_a_message(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.verdicts.extend([Code.TOO_OLD] * 20)
    line = relay.connect(alice)
    for _ in range(20):
        line.run()
        relay.now_ms += 300_000

    assert alice.state_of(message) == (MessageState.REFUSED, Code.TOO_OLD)


def test_many_devices_make_a_body_of_its_own(relay, alice, bob, tmp_path):
    tablets = [join_second(relay, bob, tmp_path / f"bob{number}") for number in range(2, 7)]
    alice.queue(BOB, "x" * 9_000, now_ms=NOW_MS)
    line = relay.connect(alice)

    line.deaf = False
    line.run()

    assert [type(command) for command in line.commands if isinstance(command, Body | Submit)] == [Body, Submit]
    for device in (bob, *tablets):
        assert texts(relay.connect(device).run()) == ["x" * 9_000]
    for tablet in tablets:
        tablet.close()


def test_an_outcome_that_nobody_remembers_changes_nothing_but_the_floor(relay, alice):
    line = relay.connect(alice)
    line.run()

    line.notice(notices.Outcome(1, 77, 3, Result.DELIVERED))

    assert line.events == []
    assert alice.acks()[0].floor == 1


def test_after_a_restore_what_may_be_lost_is_sent_again_and_shown_once(relay, alice, bob):
    introduce(relay, alice, bob)
    lost = alice.queue(BOB, "lost with the relay", now_ms=NOW_MS)
    relay.connect(alice).run()
    came_before = alice.queue(BOB, "came before", now_ms=NOW_MS)
    relay.connect(alice).run()
    del relay.seat(bob).boxes[Lane.NORMAL].rows[2]
    relay.connect(bob).run()
    relay.restore()

    told = relay.connect(alice).run()
    came = relay.connect(bob).run()
    relay.connect(alice).run()

    assert of(RelayRestored, told) == [RelayRestored()]
    assert texts(came) == ["lost with the relay"]
    assert alice.state_of(lost) == alice.state_of(came_before) == (MessageState.DELIVERED, None)


def test_a_longest_text_goes_through(relay, alice, bob):
    alice.queue(BOB, "x" * TEXT_BYTES_MAX, now_ms=NOW_MS)

    relay.connect(alice).run()

    assert texts(relay.connect(bob).run()) == ["x" * TEXT_BYTES_MAX]


def test_a_clock_ahead_of_the_relays_asks_for_no_longer_life_than_there_is(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS + 90_000)

    [submit] = sent_by(relay, alice)

    assert submit.ttl_s == LIFETIME_S_MAX[Class.CHAT]


def test_a_batch_for_two_accounts_is_judged_one_by_one(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with join_second(relay, alice, tmp_path / "alice2") as tablet:
        relay.connect(tablet).run()
        relay.connect(alice).run()
        alice.queue(BOB, "begins a session", now_ms=NOW_MS)
        relay.connect(alice).run()
        message = alice.queue(BOB, "text", now_ms=NOW_MS)
        relay.verdicts.extend([Code.STORED, Code.TOO_LARGE])

        told = relay.connect(alice).run()

    assert states(told) == [(message, MessageState.ACCEPTED)]
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_more_codes_than_targets_do_no_harm(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice)
    submit = of(Submit, alice.next_submits(10, NOW_MS))[0]

    told = alice.answered(Submitted(submit.submission, (0, 0, 200), (), 0), submit, NOW_MS)
    again = alice.answered(Submitted(submit.submission, (200,), (), 0), submit, NOW_MS)

    assert [event.state for event in told] == [MessageState.ACCEPTED]
    assert again == []


@pytest.mark.parametrize("verdict", [Code.OVER_QUOTA, NotTaken(0, Code.RATE, 60_000)])
def test_a_message_that_waits_says_why_once_and_no_longer_when_it_has_gone(relay, alice, bob, verdict):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    code = verdict if isinstance(verdict, Code) else verdict.code
    relay.verdicts.extend([verdict] * 2)
    relay.retry_after_ms = 60_000
    line = relay.connect(alice)

    first = line.run()
    waiting = alice.state_of(message)
    relay.now_ms += 60_000
    second = line.run()
    relay.now_ms += 60_000
    line.run()

    assert of(StateChanged, first) == [StateChanged(message, MessageState.QUEUED, code)]
    assert waiting == (MessageState.QUEUED, code)
    assert of(StateChanged, second) == []
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_mailbox_that_has_room_again_is_submitted_to_at_once(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.verdicts.append(Code.OVER_QUOTA)
    relay.retry_after_ms = 60_000
    line = relay.connect(alice)
    line.run()

    line.notice(notices.Writable(bob.identity.account))
    told = line.run()

    assert [event.state for event in of(StateChanged, told)] == [MessageState.ACCEPTED]
    assert all(submit.flags & SubmitFlag.WRITABLE for submit in of(Submit, line.commands))


def test_what_the_user_never_sees_says_nothing_while_it_waits(relay, alice, bob):
    introduce(relay, alice, bob)
    relay.connect(bob).run()
    bob.mark_read([event.message for event in bob.inbox()], NOW_MS)
    relay.verdicts.append(Code.OVER_QUOTA)
    relay.retry_after_ms = 60_000

    assert of(StateChanged, relay.connect(bob).run()) == []


def test_a_submission_that_nobody_remembers_is_not_told_as_waiting(relay, alice):
    with alice._store.step() as step:
        assert submissions.not_taken(step, 99, Code.RATE) == []
