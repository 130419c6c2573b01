"""What comes: shown once, or not at all."""

from relayclient import inbox
from relayclient.events import ContentUnknown, Drained, EnvelopeFailed, Failure, MessageReceived, MessageState
from relayclient.store.database import Step
from relayproto import notices
from relayproto.codes import Class, Code, Lane
from relayproto.commands import GetBundles, GetDevices, GetRelayKeys, Submit
from relayproto.e2e import body
from relayproto.e2e.content import Evidence, Forward, Text
from relayproto.packed import pack, unpack
from relayproto.replies import Refused
from support.changed import replace
from support.small_relay import DAY_MS, NOW_MS, drop_device, join_second
from support.talk import ALICE, BOB, introduce, of, said, texts


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


def test_a_sender_whom_the_relay_does_not_know_is_not_shown(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.answers[GetDevices] = Refused(Code.NOT_AVAILABLE, 0)

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SENDER]
    assert isinstance(told[-1], Drained)


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


def test_where_the_relay_never_gives_its_keys_nothing_is_shown(relay, alice, bob):
    relay.key_id, relay.stamp_seed = 2, relay.entropy(32)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.answers[GetRelayKeys] = Refused(Code.UNSUPPORTED, 0)

    told = relay.connect(bob).run()

    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.STAMP]


def test_a_message_id_is_taken_in_once_whatever_its_commitment(relay, alice, bob):
    introduce(relay, alice, bob)
    message = said(relay, alice, bob, Text("once", 2))
    said(relay, alice, bob, Text("twice", 3), message)

    told = relay.connect(bob).run()

    assert texts(told) == ["once"]
    assert of(EnvelopeFailed, told) == []


def test_a_message_id_that_comes_again_after_its_marks_are_gone_is_not_taken_in(relay, alice, bob):
    introduce(relay, alice, bob)
    message = said(relay, alice, bob, Text("once", 2))
    assert texts(relay.connect(bob).run()) == ["once"]
    bob.housekeep(NOW_MS + 38 * DAY_MS)
    said(relay, alice, bob, Text("twice", 3), message)

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert relay.seat(bob).boxes[Lane.NORMAL].rows == {}


def test_a_sender_who_knows_another_list_of_its_devices_is_told_as_that(relay, alice, bob):
    account = alice.identity.account
    with alice._store.step() as step:
        step.run("UPDATE list_seen SET hash = ? WHERE account = ?", bytes(32), account)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    line = relay.connect(bob)

    told = line.run()

    assert of(EnvelopeFailed, told) == [EnvelopeFailed(account, 1, Failure.SPLIT_VIEW)]
    assert of(Submit, line.commands) == []


def test_what_is_said_in_another_conversation_is_not_shown(relay, alice, bob):
    introduce(relay, alice, bob)
    said(relay, alice, bob, Text("elsewhere", 2), conversation=bytes(32))

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.CONTENT]


def test_a_kind_of_content_from_the_future_is_told(relay, alice, bob, monkeypatch):
    introduce(relay, alice, bob)
    monkeypatch.setattr(body, "encode", lambda content: pack(200, "new"))
    message = said(relay, alice, bob, Text("", 0))

    told = relay.connect(bob).run()

    assert of(ContentUnknown, told) == [ContentUnknown(alice.identity.account, 1, message)]


def test_a_forward_is_shown_as_somebody_elses_with_its_proof(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with bob._store.step() as step:
        sealed, sender, device, message = step.rows("SELECT sealed_evidence, sender, device, id FROM inbox")[0]
        proof = unpack(step.open(sealed, b"evidence", sender, device.to_bytes(4), message), list[bytes])
    said(relay, bob, alice, Forward(Evidence(*proof[:5])))
    said(relay, bob, alice, Forward(Evidence(*proof[:4], bytes(200))))

    came = of(MessageReceived, relay.connect(alice).run())

    assert [(event.text, event.forwarded) for event in came] == [("hello", True), ("hello", False)]


def test_a_sender_with_a_newer_list_than_the_relay_shows_is_not_shown(relay, alice, bob, tmp_path):
    old = relay.accounts[alice.identity.account]
    with join_second(relay, alice, tmp_path / "alice2"):
        relay.connect(alice).run()
        alice.queue(BOB, "text", now_ms=NOW_MS)
        relay.connect(alice).run()
        relay.accounts[alice.identity.account] = old

        told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SENDER]


def test_a_pass_that_came_with_an_envelope_goes_with_every_answer(relay, alice, bob):
    alice.queue(BOB, "How may we help?", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    box.rows[1] = replace(box.rows[1], pass_=b"\x01" + bytes(18))
    line = relay.connect(bob)
    line.run()

    bob.queue(ALICE, "With a certificate", now_ms=NOW_MS)
    told = line.run()
    passed = bob.typing(ALICE, NOW_MS)

    asked = of(GetDevices, line.commands) + of(GetBundles, line.commands)
    answers = of(Submit, line.commands)
    assert {command.pass_ for command in asked if command.account == alice.identity.account} == {b"\x01" + bytes(18)}
    assert answers
    assert {passes for submit in answers for passes in submit.passes} == {b"\x01" + bytes(18)}
    assert passed is not None
    assert passed.pass_ == b"\x01" + bytes(18)
    assert of(EnvelopeFailed, told) == []


def test_whoever_needs_no_pass_shows_none(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob)
    bob.queue(ALICE, "text", now_ms=NOW_MS)
    line.run()

    assert {submit.passes for submit in of(Submit, line.commands)} == {()}


def test_what_each_turn_asks_of_the_inbox_does_not_grow_with_it(bob):
    class Asking(Step):
        __slots__ = ()

        def run(self, statement, *values):
            plans.extend(plan for *_, plan in super().rows(f"EXPLAIN QUERY PLAN {statement}", *values))
            return super().run(statement, *values)

        def rows(self, query, *values):
            return self.run(query, *values).fetchall()

    plans = []
    with bob._store.step() as step:
        asking = Asking(step._sql, step._vault, step.entropy)
        inbox.tell_read(asking, NOW_MS)

    assert len(plans) >= 2
    assert all(plan.startswith(("SEARCH inbox USING", "USE TEMP B-TREE")) for plan in plans), plans
