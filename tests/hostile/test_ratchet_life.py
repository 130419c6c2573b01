"""Copies, thieves and lying relays against the life of a session: no key seals twice, nothing old is got, owners win.

Each is a Device with a real store; what it says is looked at where an observer of the relay would see it.
"""

import shutil

import pytest

from relayclient import sessions
from relayclient.device import Device
from relayclient.events import EnvelopeFailed, SessionBegunAnew
from relayproto.codes import Lane
from relayproto.e2e import session
from relayproto.e2e.content import Text
from relayproto.e2e.session import Peer
from support.changed import replace
from support.small_relay import NOW_MS, SmallRelay
from support.talk import ALICE, BOB, introduce, of, said, sent_by, texts


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


def sealed(submits):
    """Return what an observer sees of each wrap: (ratchet key and number, sealed)."""
    wraps = [wrap.sealed for submit in submits for target in submit.targets for wrap in target.wraps]
    messages = [session._parts(wrap)[1] for wrap in wraps]
    return [(message[1:33] + message[37:41], message[43:]) for message in messages]


def write(relay, device, text):
    device.queue(BOB, text, now_ms=relay.now_ms)
    return sealed(sent_by(relay, device))


def test_a_device_and_a_relay_that_are_both_put_back_use_no_key_twice(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    alice.close()
    copy = shutil.copytree(tmp_path / "alice", tmp_path / "copy")
    with Device.open(tmp_path / "alice") as lost:
        before = write(relay, lost, "what was said and lost")
    relay.restore()

    with Device.open(copy) as restored:
        after = write(relay, restored, "what is said instead")
        answer = texts(relay.connect(bob).run())

    assert before
    assert after
    assert not {place for place, _ in before} & {place for place, _ in after}
    assert answer == ["what is said instead"]


def test_a_relay_that_names_another_epoch_gets_nothing_sealed_in_an_old_chain(relay, alice, bob):
    """To a device a restore and a lie look the same: neither may lead it back to a chain that was copied."""
    introduce(relay, alice, bob)
    chains = {place[:32] for place, _ in write(relay, alice, "before")}
    seen = []
    for _ in range(3):
        relay.restore()
        seen += write(relay, alice, "after")

    assert len({place for place, _ in seen}) == len(seen)
    assert not chains & {place[:32] for place, _ in seen}
    relay.connect(bob).run()
    bob.queue(ALICE, "I hear you", now_ms=NOW_MS)
    relay.connect(bob).run()
    assert texts(relay.connect(alice).run()) == ["I hear you"]


def test_the_first_epoch_that_a_device_hears_of_costs_no_session(relay, alice, bob):
    introduce(relay, alice, bob)
    with alice._store.step() as step:
        assert step.number("SELECT COUNT(*) FROM session WHERE renew") == 0


def test_a_stolen_device_key_takes_a_conversation_over_for_a_while_and_is_told_of(relay, alice, bob):
    introduce(relay, alice, bob)
    with alice._store.step() as step:
        before = step.rows("SELECT account, device, sealed_state FROM session")
        step.run("UPDATE session SET renew = 1")
    # What the thief begins is what alice's own device would begin, had she the highest order there is.
    with alice._store.step() as step:
        held = sessions._held(step, Peer(bob.identity.account, 1))
        sessions._keep(step, replace(held, sessions=(replace(held.sessions[0], order=(1 << 32) - 2),)))
    alice.queue(BOB, "from the thief", now_ms=NOW_MS)
    relay.connect(alice).run()
    told = relay.connect(bob).run()
    with alice._store.step() as step:
        for account, device, state in before:
            step.run(
                "UPDATE session SET sealed_state = ?, renew = 1 WHERE account = ? AND device = ?",
                state, account, device,
            )  # fmt: skip

    assert of(SessionBegunAnew, told) == [SessionBegunAnew(alice.identity.account, 1, relay.now_ms)]
    assert bob.contact(ALICE).begun_anew == ((1, relay.now_ms),)
    for _ in range(2):
        with alice._store.step() as step:
            step.run("UPDATE session SET renew = 1")
        alice.queue(BOB, "from alice", now_ms=NOW_MS)
        relay.connect(alice).run()
        relay.connect(bob).run()
    bob.queue(ALICE, "for alice alone", now_ms=NOW_MS)
    relay.connect(bob).run()
    assert texts(relay.connect(alice).run()) == ["for alice alone"]


def test_a_first_session_is_told_to_nobody(relay, alice, bob):
    alice.queue(BOB, "hello", now_ms=NOW_MS)
    relay.connect(alice).run()

    told = relay.connect(bob).run()

    assert texts(told) == ["hello"]
    assert of(SessionBegunAnew, told) == []


def test_what_is_withheld_is_no_message_and_no_failure(relay, alice, bob, monkeypatch):
    introduce(relay, alice, bob)
    monkeypatch.setattr("support.talk.body.Wrapped.to_bytes", lambda self: b"\x02" + bytes(32) + self.commitment)
    said(relay, alice, bob, Text("kept from bob", 9))
    monkeypatch.undo()

    told = relay.connect(bob).run()

    assert (texts(told), of(EnvelopeFailed, told)) == ([], [])
    assert relay.seat(bob).boxes[Lane.NORMAL].rows == {}
