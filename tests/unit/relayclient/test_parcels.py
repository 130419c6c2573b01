"""Which parcels may go, and what must be asked first."""

from relayclient.events import MessageReceived, MessageState
from relayproto.codes import Code
from relayproto.commands import Submit
from support.small_relay import NOW_MS
from support.talk import BOB, CAROL, introduce, of, texts


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


def test_texts_of_one_sender_come_in_order_and_are_numbered(relay, alice, bob):
    for number in range(20):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)

    relay.connect(alice).run()
    came = of(MessageReceived, relay.connect(bob).run())

    assert [event.text for event in came] == [f"text {number}" for number in range(20)]
    assert [event.number for event in came] == list(range(1, 21))
