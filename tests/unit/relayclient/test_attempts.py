"""An envelope that ends this program stops neither the device nor what lies behind it."""

import pytest

from relayclient import attempts, inbox
from relayclient.device import Device
from relayclient.errors import HomeUnusable
from relayclient.events import EnvelopeFailed, Failure, MessageState
from relayproto.codes import Lane
from relayproto.commands import Submit
from support.kem import stream
from support.small_relay import DAY_MS, NOW_MS
from support.talk import BOB, introduce, of, sent_by, states, texts


class Died(BaseException):
    """What ends a process in the middle of an envelope."""


@pytest.fixture
def deadly(monkeypatch):
    """Let every envelope with a commitment of the set end the process."""
    commitments = set()
    take_in = inbox.take_in

    def dying(step, delivered, now_ms, fetched):
        if delivered.commitment in commitments:
            raise Died
        return take_in(step, delivered, now_ms, fetched)

    monkeypatch.setattr(inbox, "take_in", dying)
    return commitments


def test_what_ended_the_program_three_times_is_left_alone_and_the_rest_comes(relay, alice, bob, tmp_path, deadly):
    introduce(relay, alice, bob)
    poison = alice.queue(BOB, "poison", now_ms=NOW_MS)
    alice.queue(BOB, "behind it", now_ms=NOW_MS)
    [first, _] = sent_by(relay, alice)
    deadly.add(first.commitment)
    deaths = 0

    for _ in range(attempts.DEATHS_MAX):
        with pytest.raises(Died), Device.open(tmp_path / "bob", entropy=stream("again")) as device:
            relay.connect(device).run()
        deaths += 1
    with Device.open(tmp_path / "bob", entropy=stream("at last")) as device:
        line = relay.connect(device)
        told = line.run()
        unread = [event.text for event in device.inbox(unread=True)]

    assert deaths == 3
    assert of(EnvelopeFailed, told) == [EnvelopeFailed(alice.identity.account, 1, Failure.POISON)]
    assert texts(told) == ["behind it"]
    assert unread == ["behind it", "hello"]
    assert of(Submit, line.commands) == []
    assert relay.seat(bob).boxes[Lane.NORMAL].rows == {}
    assert (poison, MessageState.UNDECRYPTABLE) in states(relay.connect(alice).run())


def test_a_copy_of_it_is_left_alone_at_once(relay, alice, bob, deadly):
    introduce(relay, alice, bob)
    alice.queue(BOB, "poison", now_ms=NOW_MS)
    [submit] = sent_by(relay, alice)
    [row] = relay.seat(bob).boxes[Lane.NORMAL].rows.values()
    with bob._store.step() as step:
        for _ in range(attempts.DEATHS_MAX):
            attempts.begin(step, row, NOW_MS)
    deadly.add(submit.commitment)
    line = relay.connect(bob)

    first = line.run()
    line.notice(row)
    again = line.run()

    assert [event.failure for event in of(EnvelopeFailed, first)] == [Failure.POISON]
    assert again == []


def test_what_succeeds_leaves_no_note(relay, alice, bob):
    introduce(relay, alice, bob)

    with bob._store.step() as step:
        assert step.rows("SELECT * FROM attempt") == []


def test_waiting_for_an_answer_or_a_full_disk_is_no_death(relay, alice, bob, monkeypatch):
    alice.queue(BOB, "first, so that bob must ask", now_ms=NOW_MS)
    relay.connect(alice).run()
    line = relay.connect(bob)
    line._notices()
    with bob._store.step() as step:
        after_asking = step.rows("SELECT tries FROM attempt")
    monkeypatch.setattr(inbox, "take_in", lambda *_: (_ for _ in ()).throw(HomeUnusable("disk full")))
    with pytest.raises(HomeUnusable):
        line.run()

    with bob._store.step() as step:
        assert after_asking == step.rows("SELECT tries FROM attempt") == [(0,)]


def test_attempts_are_forgotten_when_nothing_can_come_of_them(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    [row] = relay.seat(bob).boxes[Lane.NORMAL].rows.values()
    with bob._store.step() as step:
        attempts.begin(step, row, NOW_MS)

    bob.housekeep(NOW_MS + 38 * DAY_MS)

    with bob._store.step() as step:
        assert step.rows("SELECT * FROM attempt") == []
