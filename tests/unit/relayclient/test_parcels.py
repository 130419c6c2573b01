"""Which parcels may go, and what must be asked first."""

from relayclient.events import MessageReceived, MessageState
from relayproto.codes import Code
from relayproto.commands import Submit
from support.small_relay import NOW_MS, drop_device, join_second
from support.talk import ALICE, BOB, CAROL, introduce, of, texts


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


def test_a_copy_for_own_devices_waits_until_it_is_known_whom_the_text_is_to(relay, alice, bob, tmp_path):
    with join_second(relay, alice, tmp_path / "alice2") as second, relay.join(tmp_path / "carol", CAROL) as carol:
        for device in (second, carol, alice):
            relay.connect(device).run()
        introduce(relay, alice, bob)
        message = alice.queue(CAROL, "to somebody new", now_ms=NOW_MS)

        relay.connect(alice).run()

        assert texts(relay.connect(carol).run()) == ["to somebody new"]
        assert "to somebody new" in texts(relay.connect(second).run())
        assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_copy_for_own_devices_ends_with_a_text_to_an_address_that_is_not_there(relay, alice, bob, tmp_path):
    with join_second(relay, alice, tmp_path / "alice2") as second:
        for device in (second, alice):
            relay.connect(device).run()
        introduce(relay, alice, bob)
        message = alice.queue("nobody@office.example", "to nobody", now_ms=NOW_MS)

        relay.connect(alice).run()

        assert alice.state_of(message) == (MessageState.REFUSED, Code.NOT_AVAILABLE)
        assert texts(relay.connect(second).run()) == ["hello", "hello to you"]
        with alice._store.step() as step:
            assert step.number("SELECT COUNT(*) FROM parcel WHERE state = 0") == 0


def test_a_device_that_was_removed_before_it_was_written_to_holds_nothing_up(relay, alice, bob, tmp_path):
    with join_second(relay, alice, tmp_path / "alice2") as second:
        relay.connect(second).run()
        introduce(relay, bob, alice)
        with bob._store.step() as step:
            step.run("DELETE FROM session WHERE device = 2")
        drop_device(relay, alice, 2)
        message = bob.queue(ALICE, "to who is left", now_ms=NOW_MS)

        relay.connect(bob).run()

        assert bob.state_of(message) == (MessageState.ACCEPTED, None)
        assert "to who is left" in texts(relay.connect(alice).run())
