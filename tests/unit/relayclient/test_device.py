"""Two devices and a small relay in memory: what people see of it."""

import shutil
from dataclasses import replace

import pytest
from support.kem import stream
from support.small_relay import DAY_MS, NOW_MS, SmallRelay, drop_device, join_second

from relayclient.device import Device
from relayclient.errors import AlreadyJoined, Cloned, NotJoined, RelayUntrusted, UnknownContact
from relayclient.events import (
    DevicesChanged,
    DevicesRefused,
    Drained,
    EnvelopeFailed,
    Failure,
    GapSeen,
    IdentityChanged,
    MessageReceived,
    MessageState,
    RelayKeyChanged,
    RelayRestored,
    RolledBack,
    StateChanged,
)
from relayproto import notices
from relayproto.codes import Class, Code, GapReason, Lane, PrekeyKind, Result
from relayproto.commands import Body, Credit, GetBundles, GetDevices, GetRelayKeys, Lookup, PutPrekeys, Submit
from relayproto.ids import AccountId, Address, MessageId
from relayproto.replies import Devices, NotTaken, Refused

ALICE, BOB, CAROL = (Address(f"{name}@office.example") for name in ("alice", "bob", "carol"))
HOUR_MS = 3_600_000


@pytest.fixture
def relay():
    return SmallRelay()


@pytest.fixture
def alice(relay, tmp_path):
    with relay.join(tmp_path / "alice", ALICE) as device:
        relay.connect(device).run()
        yield device


@pytest.fixture
def bob(relay, tmp_path):
    with relay.join(tmp_path / "bob", BOB) as device:
        relay.connect(device).run()
        yield device


def texts(events):
    return [event.text for event in events if isinstance(event, MessageReceived)]


def states(events):
    return [(event.message, event.state) for event in events if isinstance(event, StateChanged)]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def sent_by(relay, device):
    """Let a device send all that it has; return its SUBMITs."""
    line = relay.connect(device)
    line.run()
    return of(Submit, line.commands)


def introduce(relay, one, other):
    """Let two devices write to each other once, so that both have sessions."""
    one.queue(other.identity.address, "hello", now_ms=relay.now_ms)
    relay.connect(one).run()
    relay.connect(other).run()
    other.queue(one.identity.address, "hello to you", now_ms=relay.now_ms)
    relay.connect(other).run()
    relay.connect(one).run()


def forget_sessions(device):
    """Lose the sessions, as a store that was put together from pieces does."""
    with device._store.step() as step:
        step.run("DELETE FROM session")


# --- texts and their states --------------------------------------------------------------------------


def test_a_text_reaches_the_other_and_both_know_it(relay, alice, bob):
    message = alice.queue(BOB, "Good morning", now_ms=NOW_MS)

    sent = relay.connect(alice).run()
    came = relay.connect(bob).run()
    told = relay.connect(alice).run()

    assert states(sent) == [(message, MessageState.ACCEPTED)]
    assert texts(came) == ["Good morning"]
    assert states(told) == [(message, MessageState.DELIVERED)]
    assert [state for state, _ in alice.history(message)] == ["queued", "accepted", "delivered"]


def test_what_came_is_told_with_all_that_is_known_of_it(relay, alice, bob):
    message = alice.queue(BOB, "Good morning", now_ms=NOW_MS, class_=Class.ALERT)

    relay.connect(alice).run()
    came = of(MessageReceived, relay.connect(bob).run())

    who = alice.identity
    assert came == [
        MessageReceived(
            message, who.account, ALICE, who.device, who.account, "Good morning", NOW_MS, 1, Class.ALERT,
            verified=False, forwarded=False,
        )
    ]  # fmt: skip
    assert bob.inbox() == bob.inbox(unread=True) == came


def test_texts_of_one_sender_come_in_order_and_are_numbered(relay, alice, bob):
    for number in range(20):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)

    relay.connect(alice).run()
    came = of(MessageReceived, relay.connect(bob).run())

    assert [event.text for event in came] == [f"text {number}" for number in range(20)]
    assert [event.number for event in came] == list(range(1, 21))


def test_a_longest_text_goes_through(relay, alice, bob):
    alice.queue(BOB, "x" * 10_240, now_ms=NOW_MS)

    relay.connect(alice).run()

    assert texts(relay.connect(bob).run()) == ["x" * 10_240]


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


def test_an_outcome_that_nobody_remembers_changes_nothing_but_the_floor(relay, alice):
    line = relay.connect(alice)
    line.run()

    line.notice(notices.Outcome(1, 77, 3, Result.DELIVERED))

    assert line.events == []
    assert alice.acks()[0].floor == 1


def test_an_unknown_message_has_no_state(alice):
    assert alice.state_of(MessageId(bytes(16))) is None
    assert alice.history(MessageId(bytes(16))) == []


# --- submissions --------------------------------------------------------------------------------------


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


def test_a_full_mailbox_is_waited_out_under_a_new_number_and_in_order(relay, alice, bob):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "first", now_ms=NOW_MS)
    relay.verdicts.append(Code.OVER_QUOTA)
    relay.retry_after_ms = 60_000
    line = relay.connect(alice)
    line.run()
    alice.queue(BOB, "second", now_ms=NOW_MS)

    line.commands = []
    line.run()
    held_back = of(Submit, line.commands)
    waited = alice.wait_ms(NOW_MS)
    relay.now_ms += 60_000
    line.run()

    assert held_back == []
    assert waited == 60_000
    assert [submit.submission for submit in of(Submit, line.commands)] == [3, 4]
    assert texts(relay.connect(bob).run()) == ["first", "second"]
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_one_full_mailbox_holds_nobody_else_back(relay, alice, bob, tmp_path):
    with relay.join(tmp_path / "carol", CAROL) as carol:
        relay.connect(carol).run()
        introduce(relay, alice, bob)
        introduce(relay, alice, carol)
        alice.queue(BOB, "to bob", now_ms=NOW_MS)
        alice.queue(CAROL, "to carol", now_ms=NOW_MS)
        relay.verdicts.append(Code.OVER_QUOTA)

        relay.connect(alice).run()

        assert texts(relay.connect(carol).run()) == ["to carol"]
        assert texts(relay.connect(bob).run()) == []


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


def test_other_devices_than_thought_are_fetched_and_the_message_is_sealed_anew(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        message = alice.queue(BOB, "to both", now_ms=NOW_MS)
        line = relay.connect(alice)

        told = line.run()
        came = [texts(relay.connect(device).run()) for device in (bob, tablet)]

    assert GetDevices(bob.identity.account) in line.commands
    assert of(DevicesChanged, told) == [DevicesChanged(bob.identity.account, (2,), ())]
    assert [submit.submission for submit in of(Submit, line.commands)] == [2, 3]
    assert came == [["to both"], ["to both"]]
    assert (message, MessageState.ACCEPTED) in states(told)


def test_a_removed_device_gets_nothing_more(relay, alice, bob, tmp_path):
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        introduce(relay, alice, bob)
        drop_device(relay, bob, 2)

        alice.queue(BOB, "to one", now_ms=NOW_MS)
        told = relay.connect(alice).run()

        assert of(DevicesChanged, told) == [DevicesChanged(bob.identity.account, (), (2,))]
        assert texts(relay.connect(tablet).run()) == ["hello", "hello to you"]
        assert texts(relay.connect(bob).run()) == ["to one"]


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


def test_many_devices_make_a_body_of_its_own(relay, alice, bob, tmp_path):
    tablets = []
    for number in range(2, 7):
        tablets.append(join_second(relay, bob, tmp_path / f"bob{number}"))
    alice.queue(BOB, "x" * 9_000, now_ms=NOW_MS)
    line = relay.connect(alice)

    line.deaf = False
    line.run()

    assert [type(command) for command in line.commands if isinstance(command, Body | Submit)] == [Body, Submit]
    for device in (bob, *tablets):
        assert texts(relay.connect(device).run()) == ["x" * 9_000]
    for tablet in tablets:
        tablet.close()


def test_no_more_than_256_are_under_way(relay, alice, bob):
    introduce(relay, alice, bob)
    for number in range(300):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    line = relay.connect(alice)
    line.deaf = True

    for _ in range(10):
        line.turn()
    submits = of(Submit, line.commands)
    relay.connect(alice).run()

    assert len(submits) == 256
    assert len(texts(relay.connect(bob).run())) == 300


def test_a_refused_submit_is_tried_again_later(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice)
    submit = of(Submit, alice.next_submits(10, NOW_MS))[0]

    alice.answered(Refused(Code.INTERNAL, 700), submit, NOW_MS)

    assert alice.next_submits(10, NOW_MS + 699) == []
    assert alice.next_submits(10, NOW_MS + 700) == [submit]


# --- addresses and device lists ----------------------------------------------------------------------


def test_an_address_that_names_nobody_ends_what_was_sent_to_it(relay, alice):
    message = alice.queue(Address("nobody@office.example"), "text", now_ms=NOW_MS)

    told = relay.connect(alice).run()

    assert of(StateChanged, told) == [StateChanged(message, MessageState.REFUSED, Code.NOT_AVAILABLE)]


@pytest.mark.parametrize("command", [GetBundles, GetDevices])
def test_an_account_that_is_gone_ends_what_was_sent_to_it(relay, alice, bob, command):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    forget_sessions(alice)
    with alice._store.step() as step:
        step.run("UPDATE contact SET stale = ?", command is GetDevices)
    relay.answers[command] = Refused(Code.NOT_AVAILABLE, 0)

    relay.connect(alice).run()

    assert alice.state_of(message) == (MessageState.REFUSED, Code.NOT_AVAILABLE)


def test_an_answer_that_is_late_is_waited_for(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.answers[Lookup] = Refused(Code.BUSY, 2_000)
    line = relay.connect(alice)
    line.run()

    waited = alice.wait_ms(NOW_MS)
    del relay.answers[Lookup]
    relay.now_ms += 2_000
    line.run()

    assert waited == 2_000
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_an_account_can_be_written_to_without_an_address(relay, alice, bob):
    alice.queue(bob.identity.account, "text", now_ms=NOW_MS)

    relay.connect(alice).run()

    assert texts(relay.connect(bob).run()) == ["text"]


def test_an_older_device_list_is_not_believed(relay, alice, bob, tmp_path):
    old = relay.accounts[bob.identity.account]
    with join_second(relay, bob, tmp_path / "bob2"):
        alice.queue(BOB, "text", now_ms=NOW_MS)
        relay.connect(alice).run()
        relay.accounts[bob.identity.account] = old
        message = alice.queue(BOB, "text", now_ms=NOW_MS)
        relay.verdicts.append(Code.MISMATCHED_DEVICES)

        told = relay.connect(alice).run()

    assert [event.account for event in of(DevicesRefused, told)] == [bob.identity.account]
    assert alice.state_of(message) == (MessageState.QUEUED, None)
    assert alice.contact(BOB).devices.version == 2


def test_two_lists_of_one_version_are_not_believed(relay, alice, bob):
    introduce(relay, alice, bob)
    listed = relay.devices_of(bob.identity.account)
    with bob._store.step() as step:
        relay.put_list(replace(listed, issued_ms=listed.issued_ms + 1), step.secret("identity_seed"))
    line = relay.connect(alice)
    line.run()

    told = alice.answered(relay.answer(line.key, GetDevices(bob.identity.account)), GetDevices(bob.identity.account), 0)

    assert [event.detail for event in told] == ["it contradicts the one known"]


def test_a_list_that_the_account_did_not_sign_is_not_believed(relay, alice, bob):
    listed, signature = relay.accounts[bob.identity.account]
    relay.accounts[bob.identity.account] = (listed, bytes(64))
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    line = relay.connect(alice)

    told = line.run()
    relay.accounts[bob.identity.account] = (listed, signature)
    relay.now_ms += 30_000
    line.run()

    assert [event.detail for event in of(DevicesRefused, told)] == ["it is not signed by the account"]
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_list_of_somebody_else_is_not_believed(relay, alice, bob):
    line = relay.connect(alice)
    command = GetDevices(AccountId(bytes(32)))

    told = alice.answered(Devices(*relay.accounts[bob.identity.account], ""), command, NOW_MS)

    assert line.events == []
    assert of(DevicesRefused, told) == told
    assert len(told) == 1


def test_an_address_that_changes_hands_is_asked_about_first(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with relay.join(tmp_path / "other", "other@office.example") as other:
        relay.connect(other).run()
        relay.addresses[BOB] = other.identity.account
        line = relay.connect(alice)
        told = alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)
        again = alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)
        message = alice.queue(BOB, "for whom?", now_ms=NOW_MS)
        line.run()
        held = alice.state_of(message)

        alice.accept_identity(BOB)
        line.run()

        assert told == [IdentityChanged(BOB, bob.identity.account, other.identity.account)]
        assert again == []
        assert held == (MessageState.QUEUED, None)
        assert texts(relay.connect(other).run()) == ["for whom?"]
        assert texts(relay.connect(bob).run()) == []


def test_an_address_that_comes_back_to_its_account_is_no_question(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with relay.join(tmp_path / "other", "other@office.example") as other:
        line = relay.connect(alice)
        relay.addresses[BOB] = other.identity.account
        alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)
        offered = alice.contact(BOB).offered
        relay.addresses[BOB] = bob.identity.account

        alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)

        assert offered == other.identity.account
        assert alice.contact(BOB).offered is None


def test_nothing_to_accept_is_said(alice):
    with pytest.raises(UnknownContact):
        alice.accept_identity(BOB)


# --- the inbox ----------------------------------------------------------------------------------------


def test_an_envelope_that_comes_twice_is_shown_once(relay, alice, bob):
    alice.queue(BOB, "once", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    box.rows[2] = replace(box.rows[1], sequence=2)
    box.next = 3

    told = relay.connect(bob).run()

    assert texts(told) == ["once"]
    assert of(EnvelopeFailed, told) == []
    assert box.floor == 2


def test_what_was_taken_in_and_not_acknowledged_is_not_shown_again(relay, alice, bob):
    alice.queue(BOB, "once", now_ms=NOW_MS)
    relay.connect(alice).run()
    line = relay.connect(bob)
    row = replace(relay.seat(bob).boxes[Lane.NORMAL].rows[1])
    line.run()
    relay.seat(bob).boxes[Lane.NORMAL].rows[1] = row

    assert texts(relay.connect(bob).run()) == []
    assert relay.seat(bob).boxes[Lane.NORMAL].rows == {}


def test_what_has_expired_is_acknowledged_and_not_shown(relay, alice, bob):
    alice.queue(BOB, "too late", now_ms=NOW_MS, ttl_s=60)
    relay.connect(alice).run()
    relay.now_ms += 60_000

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert bob.inbox() == []
    assert relay.seat(bob).boxes[Lane.NORMAL].floor == 1


def test_a_stamp_that_does_not_check_is_never_shown(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    box.rows[1] = replace(box.rows[1], stamp=bytes(200))

    told = relay.connect(bob).run()
    relay.connect(alice).run()

    assert texts(told) == []
    assert of(EnvelopeFailed, told) == [EnvelopeFailed(alice.identity.account, 1, Failure.STAMP)]
    assert alice.state_of(message) == (MessageState.UNDECRYPTABLE, None)


def test_another_body_under_a_genuine_wrap_is_never_shown(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    alice.queue(BOB, "other", now_ms=NOW_MS)
    relay.connect(alice).run()
    rows = relay.seat(bob).boxes[Lane.NORMAL].rows
    rows[1], rows[2] = replace(rows[1], body=rows[2].body), replace(rows[2], body=rows[1].body)

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.CONTENT, Failure.CONTENT]


def test_what_does_not_open_is_asked_for_again_and_comes_under_a_new_session(relay, alice, bob):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "please read", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    sequence = max(box.rows)
    wrap = box.rows[sequence].wrap
    box.rows[sequence] = replace(box.rows[sequence], wrap=wrap[:-1] + bytes((wrap[-1] ^ 1,)))

    failed = relay.connect(bob).run()
    before = relay.connect(alice).run()
    came = relay.connect(bob).run()
    after = relay.connect(alice).run()

    assert of(EnvelopeFailed, failed) == [EnvelopeFailed(alice.identity.account, 1, Failure.SESSION)]
    assert (message, MessageState.UNDECRYPTABLE) in states(before)
    assert texts(came) == ["please read"]
    assert states(after) == [(message, MessageState.DELIVERED)]


def test_a_retry_is_asked_for_once_an_hour(relay, alice, bob):
    introduce(relay, alice, bob)
    box = relay.seat(bob).boxes[Lane.NORMAL]

    def spoil():
        alice.queue(BOB, "text", now_ms=relay.now_ms)
        relay.connect(alice).run()
        for sequence, row in box.rows.items():
            box.rows[sequence] = replace(row, wrap=row.wrap[:-1] + bytes((row.wrap[-1] ^ 1,)))
        return [submit.class_ for submit in sent_by(relay, bob)]

    first, second = spoil(), spoil()
    relay.now_ms += HOUR_MS

    assert (first, second, spoil()) == ([Class.RECEIPT], [], [Class.RECEIPT])


def test_a_retry_request_is_heeded_once_an_hour_and_reaches_back_seven_days(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "long ago", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.now_ms += 8 * DAY_MS
    alice.queue(BOB, "today", now_ms=relay.now_ms)
    relay.connect(alice).run()
    forget_sessions(bob)

    failed = relay.connect(bob).run()
    relay.connect(alice).run()
    came = texts(relay.connect(bob).run())

    assert len(of(EnvelopeFailed, failed)) == 2
    assert came == ["today"]


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


def test_a_first_message_is_not_opened_twice(relay, alice, bob):
    for kind in (PrekeyKind.ONE_TIME, PrekeyKind.KEM_ONE_TIME):
        relay.seat(bob).prekeys[kind].clear()
    alice.queue(BOB, "once", now_ms=NOW_MS)
    relay.connect(alice).run()
    row = relay.seat(bob).boxes[Lane.NORMAL].rows[1]
    relay.connect(bob).run()
    with bob._store.step() as step:
        step.run("DELETE FROM seen")
        step.run("DELETE FROM session")
    relay.seat(bob).boxes[Lane.NORMAL].rows[2] = replace(row, sequence=2)
    relay.seat(bob).boxes[Lane.NORMAL].next = 3

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SESSION]


def test_a_sender_whom_the_relay_does_not_know_is_not_shown(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.answers[GetDevices] = Refused(Code.NOT_AVAILABLE, 0)

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SENDER]
    assert isinstance(told[-1], Drained)


def test_envelopes_wait_in_order_for_what_must_be_asked_first(relay, alice, bob):
    alice.queue(BOB, "one", now_ms=NOW_MS)
    alice.queue(BOB, "two", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.answers[GetDevices] = Refused(Code.BUSY, 1_000)
    line = relay.connect(bob)

    held = line.run()
    del relay.answers[GetDevices]
    relay.now_ms += 1_000
    came = line.run()

    assert held == []
    assert texts(came) == ["one", "two"]
    assert came[-1] == Drained()


def test_a_device_cannot_write_to_itself_through_the_relay(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(alice)
    line.run()
    row = notices.Deliver(
        Lane.NORMAL, 2, alice.identity.account, alice.identity.device, Class.CHAT, NOW_MS + 1000, bytes(33),
        relay.stamped(line.key, bytes(33)), bytes(100), b"body",
    )  # fmt: skip

    line.notice(row)

    assert [event.failure for event in line.events] == [Failure.SENDER]


def test_a_removed_device_is_not_shown(relay, alice, bob, tmp_path):
    with join_second(relay, alice, tmp_path / "alice2") as tablet:
        relay.connect(tablet).run()
        tablet.queue(BOB, "from a stolen tablet", now_ms=NOW_MS)
        relay.connect(tablet).run()
        drop_device(relay, alice, 2)

        told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SENDER]


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


def test_credit_bounds_what_is_under_way_and_is_given_back(relay, alice, bob):
    for number in range(50):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()

    line = relay.connect(bob, window=Credit(3, 2_500))

    assert len(texts(line.run())) == 50


def test_ranges_and_reports_fit_their_frames(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob, window=Credit(500, 1 << 24))
    line.run()
    row = notices.Deliver(
        Lane.NORMAL, 2, alice.identity.account, 1, Class.CHAT, NOW_MS + 1000, bytes(33),
        relay.stamped(line.key, bytes(33)), bytes(100), b"body",
    )  # fmt: skip

    for sequence in range(2, 202):
        bob.noticed(replace(row, sequence=sequence), NOW_MS)
    acks = bob.acks()

    assert [len(ack.undecryptable) for ack in acks] == [64, 64, 64, 8]
    assert [ack.floor for ack in acks] == [65, 129, 193, 201]
    assert bob.acks() == []


# --- epochs, copies and keys --------------------------------------------------------------------------


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


def test_an_old_copy_of_the_store_is_noticed_and_stops(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    alice.close()
    shutil.copytree(tmp_path / "alice", tmp_path / "copy")
    with Device.open(tmp_path / "alice") as original:
        original.queue(BOB, "text", now_ms=NOW_MS)
        relay.connect(original).run()

    with Device.open(tmp_path / "copy") as copy:
        with pytest.raises(Cloned):
            relay.connect(copy)
        with pytest.raises(Cloned):
            copy.hello()


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


def test_another_relay_key_that_the_root_signed_is_used_next(relay, alice):
    relay.key_id, relay.static = 2, relay.entropy(32)

    told = alice.descriptor(relay.descriptor, NOW_MS)
    again = alice.descriptor(relay.descriptor, NOW_MS)

    assert (told, again) == ([RelayKeyChanged(2)], [])
    assert alice.endpoint().key_id == 2


def test_an_older_relay_key_is_not_gone_back_to(relay, alice):
    older = relay.descriptor
    relay.key_id, relay.static = 2, relay.entropy(32)
    alice.descriptor(relay.descriptor, NOW_MS)

    assert alice.descriptor(older, NOW_MS) == []
    assert alice.endpoint().key_id == 2


def test_a_key_that_the_root_did_not_sign_is_refused(alice):
    other = SmallRelay("mallory")

    with pytest.raises(RelayUntrusted):
        alice.descriptor(other.descriptor, NOW_MS)
    with pytest.raises(RelayUntrusted):
        alice.descriptor(b"nonsense", NOW_MS)


def test_a_stamp_under_a_key_not_known_yet_waits_for_the_keys(relay, alice, bob):
    introduce(relay, alice, bob)
    relay.key_id, relay.stamp_seed = 2, relay.entropy(32)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()

    told = relay.connect(bob).run()

    assert texts(told) == ["text"]


def test_where_the_relay_never_gives_its_keys_nothing_is_shown(relay, alice, bob):
    relay.key_id, relay.stamp_seed = 2, relay.entropy(32)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.answers[GetRelayKeys] = Refused(Code.UNSUPPORTED, 0)

    told = relay.connect(bob).run()

    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.STAMP]


# --- prekeys ------------------------------------------------------------------------------------------


def test_a_new_device_deposits_its_prekeys(relay, alice):
    held = relay.seat(alice).prekeys

    assert {kind.name: len(keys) for kind, keys in held.items()} == {
        "SIGNED": 1, "ONE_TIME": 100, "KEM_LAST_RESORT": 1, "KEM_ONE_TIME": 20,
    }  # fmt: skip


def test_prekeys_are_filled_up_when_few_are_left(relay, alice):
    line = relay.connect(alice)
    line.run()
    del relay.seat(alice).prekeys[PrekeyKind.ONE_TIME][5:]
    line.notice(notices.PrekeysLow(5, 20))

    line.run()

    assert len(relay.seat(alice).prekeys[PrekeyKind.ONE_TIME]) == 100
    assert len(relay.seat(alice).prekeys[PrekeyKind.KEM_ONE_TIME]) == 20


def test_a_deposit_that_is_refused_waits_for_the_next_connection(relay, alice):
    relay.seat(alice).prekeys[PrekeyKind.ONE_TIME].clear()
    relay.answers[PutPrekeys] = Refused(Code.LIMIT, 0)
    line = relay.connect(alice)
    line.run()

    assert len(of(PutPrekeys, line.commands)) == 2


def test_bundles_that_do_not_hold_begin_no_session(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    signed = relay.seat(bob).prekeys[PrekeyKind.SIGNED]
    good = signed[0]
    signed[0] = signed[0]._replace(signature=bytes(64))
    line = relay.connect(alice)
    line.run()
    waiting = alice.state_of(message)

    signed[0] = good
    relay.now_ms += 30_000
    line.run()

    assert waiting == (MessageState.QUEUED, None)
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


# --- the queue, people, the home ----------------------------------------------------------------------


def test_what_waits_too_long_expires_here(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS, ttl_s=60)
    relay.now_ms += 60_000

    relay.connect(alice).run()
    told = alice.housekeep(relay.now_ms)

    assert told == [StateChanged(message, MessageState.EXPIRED)]
    assert sent_by(relay, alice) == []


def test_housekeeping_forgets_what_cannot_matter_any_more(relay, alice, bob):
    introduce(relay, alice, bob)
    bob.mark_read([event.message for event in bob.inbox()], NOW_MS)
    relay.connect(bob).run()

    bob.housekeep(NOW_MS + 38 * DAY_MS)

    with bob._store.step() as step:
        counts = [step.number(f"SELECT COUNT(*) FROM {table}") for table in ("seen", "submission", "submission_target")]
        control = step.number("SELECT COUNT(*) FROM message WHERE NOT is_text")
    assert counts == [0, 0, 0]
    assert control == 0
    assert len(bob.inbox()) == 1


def test_both_see_the_same_safety_number_and_can_verify_by_code(relay, alice, bob):
    introduce(relay, alice, bob)
    account = bob.identity.account

    matched = alice.verify(account, bob.verification_code(alice.identity.account))
    wrong = bob.verify(alice.identity.account, bytes(65))

    assert alice.safety_number(account) == bob.safety_number(alice.identity.account)
    assert (matched, wrong) == (True, False)
    assert alice.contact(BOB).verified
    assert not bob.contact(ALICE).verified
    assert bob.verify(alice.identity.account)


def test_contacts_and_figures_are_listed(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "waiting", now_ms=NOW_MS)

    listed, summary = alice.contacts(), alice.summary()

    assert [(contact.account, contact.address, contact.offered) for contact in listed] == [
        (bob.identity.account, BOB, None)
    ]
    assert (summary.waiting, summary.under_way, summary.unread, summary.contacts) == (1, 0, 1, 1)
    assert [message.text for message in alice.outbox()] == ["waiting", "hello"]
    assert [message.address for message in bob.outbox()] == [ALICE]


def test_whom_nobody_knows_is_said(alice):
    with pytest.raises(UnknownContact):
        alice.contact(BOB)
    with pytest.raises(UnknownContact):
        alice.contact(AccountId(bytes(32)))
    with pytest.raises(UnknownContact):
        alice.safety_number(AccountId(bytes(32)))


def test_nothing_is_said_before_the_relay_has_welcomed_the_device(alice):
    alice.hello()

    assert (alice.next_needs(NOW_MS), alice.next_submits(9, NOW_MS), alice.acks()) == ([], [], [])
    assert alice.wait_ms(NOW_MS) is None


def test_a_join_that_was_cut_off_goes_on_with_the_same_keys(relay, tmp_path):
    invitation = relay.invite(ALICE)
    with Device.create(tmp_path / "a", invitation, now_ms=NOW_MS) as begun:
        first = begun.enrol_command()
    with pytest.raises(NotJoined):
        Device.open(tmp_path / "a")

    with Device.create(tmp_path / "a", invitation, now_ms=NOW_MS + 5) as device:
        second = device.enrol_command()
        device.enrolled(relay.enrol(second, ALICE))

    assert first == second
    with pytest.raises(AlreadyJoined):
        Device.create(tmp_path / "a", invitation, now_ms=NOW_MS)


def test_another_invitation_begins_anew(relay, tmp_path):
    with Device.create(tmp_path / "a", relay.invite(ALICE), now_ms=NOW_MS) as begun:
        first = begun.enrol_command()

    with Device.create(tmp_path / "a", relay.invite(BOB), now_ms=NOW_MS) as device:
        assert device.enrol_command().ticket == relay.invite(BOB).ticket
        assert device.enrol_command().devices != first.devices


def test_an_answer_for_another_account_or_of_another_root_does_not_join(relay, tmp_path):
    with Device.create(tmp_path / "a", relay.invite(ALICE), now_ms=NOW_MS) as device:
        enrolled = relay.enrol(device.enrol_command(), ALICE)

        with pytest.raises(RelayUntrusted):
            device.enrolled(replace(enrolled, account=AccountId(bytes(32))))
        with pytest.raises(RelayUntrusted):
            device.enrolled(replace(enrolled, descriptor=SmallRelay("mallory").descriptor))


def test_no_secret_is_in_a_repr(relay, alice, bob):
    introduce(relay, alice, bob)
    shown = repr((alice, alice.identity, alice.endpoint(), alice.outbox(), alice.inbox(), alice.contacts()))

    assert repr(alice.identity.static_key) not in shown
    assert "hello" not in shown


def test_another_process_may_queue_while_this_one_is_connected(relay, alice, bob, tmp_path):
    line = relay.connect(alice)
    line.run()

    with Device.open(tmp_path / "alice", entropy=stream("sender")) as sender:
        message = sender.queue(BOB, "from another process", now_ms=NOW_MS)
        line.run()

        assert sender.state_of(message) == (MessageState.ACCEPTED, None)
    assert texts(relay.connect(bob).run()) == ["from another process"]
