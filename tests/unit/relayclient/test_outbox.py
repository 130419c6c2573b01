"""What is sent from here, and its states."""

import pytest

from relayclient.errors import BadAddress, BadLifetime, TextEmpty, TextTooLong, ToYourself
from relayclient.events import MessageReceived, MessageState, StateChanged
from relayproto import notices
from relayproto.codes import Class, Result
from relayproto.ids import MessageId
from relayproto.limits import TEXT_BYTES_MAX
from support.small_relay import NOW_MS, join_second
from support.talk import ALICE, BOB, introduce, of, sent_by, states, texts


def test_a_text_reaches_the_other_and_both_know_it(relay, alice, bob):
    message = alice.queue(BOB, "Good morning", now_ms=NOW_MS)

    sent = relay.connect(alice).run()
    came = relay.connect(bob).run()
    told = relay.connect(alice).run()

    assert states(sent) == [(message, MessageState.ACCEPTED)]
    assert texts(came) == ["Good morning"]
    assert states(told) == [(message, MessageState.DELIVERED)]
    assert [state for state, _ in alice.history(message)] == ["queued", "accepted", "delivered"]


def test_what_was_read_is_told_to_its_sender_in_one_receipt(relay, alice, bob):
    messages = [alice.queue(BOB, f"text {number}", now_ms=NOW_MS) for number in range(5)]
    relay.connect(alice).run()
    relay.connect(bob).run()

    bob.mark_read([event.message for event in bob.inbox()], NOW_MS + 5)
    submits = sent_by(relay, bob)
    told = relay.connect(alice).run()

    assert [submit.class_ for submit in submits] == [Class.RECEIPT]
    assert sorted(states(told)[-5:]) == sorted((message, MessageState.READ) for message in messages)
    assert bob.inbox(unread=True) == []
    assert sent_by(relay, bob) == []


def test_a_reader_cannot_mark_what_was_not_sent_to_it(relay, alice, bob, tmp_path):
    with relay.join(tmp_path / "mallory", "mallory@office.example") as mallory:
        relay.connect(mallory).run()
        introduce(relay, alice, mallory)
        message = alice.queue(BOB, "for bob", now_ms=NOW_MS)
        relay.connect(alice).run()
        with mallory._store.step() as step:
            step.run("UPDATE inbox SET id = ?", message)

        mallory.mark_read([message], NOW_MS)
        relay.connect(mallory).run()
        relay.connect(alice).run()

    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_state_never_falls(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.connect(bob).run()
    line = relay.connect(alice)
    line.run()

    for sequence, result in enumerate((Result.EXPIRED, Result.PURGED, Result.UNDECRYPTABLE, Result.DELIVERED), 2):
        line.notice(notices.Outcome(sequence, 1, 0, result))

    assert line.events == []
    assert alice.state_of(message) == (MessageState.DELIVERED, None)


def test_an_unknown_message_has_no_state(alice):
    assert alice.state_of(MessageId(bytes(16))) is None
    assert alice.history(MessageId(bytes(16))) == []


def test_ones_own_other_device_gets_a_copy(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with join_second(relay, alice, tmp_path / "alice2") as tablet:
        relay.connect(tablet).run()
        relay.connect(alice).run()
        alice.queue(BOB, "begins a session", now_ms=NOW_MS)
        relay.connect(alice).run()
        message = alice.queue(BOB, "from the telephone", now_ms=NOW_MS)
        submits = sent_by(relay, alice)
        came = of(MessageReceived, relay.connect(tablet).run())
        relay.connect(bob).run()
        relay.connect(alice).run()

        assert [len(submit.targets) for submit in submits] == [2]
        assert [(event.sender, event.peer, event.text) for event in came] == [
            (alice.identity.account, None, "begins a session"),
            (alice.identity.account, None, "from the telephone"),
        ]
        assert tablet.inbox(unread=True) == []
        assert alice.state_of(message) == (MessageState.DELIVERED, None)


def test_what_waits_too_long_expires_here(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS, ttl_s=60)
    relay.now_ms += 60_000

    relay.connect(alice).run()
    told = alice.housekeep(relay.now_ms)

    assert told == [StateChanged(message, MessageState.EXPIRED)]
    assert sent_by(relay, alice) == []


@pytest.mark.parametrize(
    ("to", "text", "options", "error"),
    [
        (BOB, "", {}, TextEmpty),
        (BOB, "é" * (TEXT_BYTES_MAX // 2 + 1), {}, TextTooLong),
        (BOB, "x", {"ttl_s": 0}, BadLifetime),
        (BOB, "x", {"class_": Class.CALL, "ttl_s": 61}, BadLifetime),
        ("bob", "x", {}, BadAddress),
        ("bob@", "x", {}, BadAddress),
        ("bob@a@b", "x", {}, BadAddress),
        ("b\u043eb@office.example", "x", {}, BadAddress),
        ("bo b@office.example", "x", {}, BadAddress),
        ("b" * 250 + "@b.example", "x", {}, BadAddress),
        (ALICE, "x", {}, ToYourself),
    ],
)
def test_what_cannot_be_sent_is_said_at_once(alice, to, text, options, error):
    with pytest.raises(error):
        alice.queue(to, text, now_ms=NOW_MS, **options)

    assert alice.outbox() == []


def test_an_address_is_the_same_in_capitals(relay, alice, bob):
    alice.queue(" Bob@Office.Example ", "text", now_ms=NOW_MS)

    relay.connect(alice).run()

    assert texts(relay.connect(bob).run()) == ["text"]
