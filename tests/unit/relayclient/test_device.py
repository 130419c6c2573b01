"""The device as a whole."""

import pytest

from relayclient import membership
from relayclient.device import Device
from relayclient.events import MessageState
from relayclient.store import database
from relayclient.store.database import Store
from support.kem import stream
from support.small_relay import NOW_MS
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


def test_a_device_that_could_not_be_opened_leaves_its_file_to_others(alice, tmp_path, monkeypatch):
    closed = []
    close = Store.close
    monkeypatch.setattr(Store, "close", lambda store: (closed.append(store), close(store)))

    def fail(_: object) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as failing:
        failing.setattr(membership, "joined", fail)
        with pytest.raises(ZeroDivisionError):
            Device.open(tmp_path / "alice", entropy=stream("other"))
    after = list(closed)

    with Device.open(tmp_path / "alice", entropy=stream("another")) as device:
        assert device.identity.account == alice.identity.account
    assert len(after) == 1


def test_a_turn_is_synced_once_and_one_in_which_nothing_is_written_not_at_all(relay, alice, bob, monkeypatch):
    introduce(relay, alice, bob)
    for number in range(5):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()
    synced = []
    monkeypatch.setattr(database.os, "fdatasync", synced.append)
    line = relay.connect(bob)
    hello = len(synced)

    line._notices()
    bob.make_last()
    came = len(synced)
    bob.next_submits(9, NOW_MS)
    bob.wait_ms(NOW_MS)
    bob.make_last()

    assert texts(line.events) == [f"text {number}" for number in range(5)]
    assert (hello, came, len(synced)) == (1, 2, 2)
