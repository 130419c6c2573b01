"""The device as a whole."""

from relayclient.device import Device
from relayclient.events import MessageState
from support.kem import stream
from support.small_relay import DAY_MS, NOW_MS
from support.talk import BOB, introduce, texts


def test_nothing_is_said_before_the_relay_has_welcomed_the_device(alice):
    alice.hello()

    assert (alice.next_needs(NOW_MS), alice.next_submits(9, NOW_MS), alice.acks()) == ([], [], [])
    assert alice.wait_ms(NOW_MS) is None


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
