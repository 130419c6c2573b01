"""A relay that lies to a device: what it may achieve is delay, and that is told; never a false or unreported text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayclient.errors import RelayUntrusted
from relayclient.events import EnvelopeFailed, MessageState
from relayproto.codes import Class, Lane, Result
from relayproto.commands import GetBundles, GetRelayKeys, Lookup
from relayproto.notices import Outcome
from relayproto.replies import Account, RelayKeys
from support.changed import replace
from support.small_relay import NOW_MS, SmallRelay
from support.talk import ALICE, BOB, introduce, of, states, texts


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


def test_a_relay_that_names_itself_as_sender_shows_nothing(relay, alice, bob, tmp_path):
    with relay.join(tmp_path / "mallory", "mallory@office.example") as mallory:
        relay.connect(mallory).run()
        introduce(relay, alice, bob)
        alice.queue(BOB, "mine", now_ms=NOW_MS)
        relay.connect(alice).run()
        rows = relay.seat(bob).boxes[Lane.NORMAL].rows
        sequence = max(rows)
        rows[sequence] = replace(rows[sequence], sender=mallory.identity.account)

        told = relay.connect(bob).run()

    assert texts(told) == []
    assert len(of(EnvelopeFailed, told)) == 1


def test_another_class_or_lane_changes_nothing_that_is_believed(relay, alice, bob):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    row = box.rows.pop(max(box.rows))
    urgent = relay.seat(bob).boxes[Lane.URGENT]
    urgent.rows[1], urgent.next = replace(row, lane=Lane.URGENT, sequence=1, class_=Class.ALERT), 2

    told = relay.connect(bob).run()

    assert texts(told) == ["text"]
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_bundles_of_another_account_begin_no_session(relay, alice, bob, tmp_path):
    with relay.join(tmp_path / "mallory", "mallory@office.example") as mallory:
        relay.connect(mallory).run()
        message = alice.queue(BOB, "for bob alone", now_ms=NOW_MS)
        line = relay.connect(alice)
        theirs = relay.answer(line.key, GetBundles(mallory.identity.account, ()))
        ours = relay.answer(line.key, GetBundles(bob.identity.account, ()))
        relay.answers[GetBundles] = replace(ours, bundles=theirs.bundles)

        line.run()

    assert alice.state_of(message) == (MessageState.QUEUED, None)


def test_an_address_answered_with_another_account_after_the_first_sends_nothing_to_it(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with relay.join(tmp_path / "mallory", "mallory@office.example") as mallory:
        relay.connect(mallory).run()
        account = mallory.identity.account
        line = relay.connect(alice)
        alice.answered(Account(account, BOB, *relay.accounts[account]), Lookup(BOB), NOW_MS)
        alice.queue(BOB, "for bob alone", now_ms=NOW_MS)

        line.run()

        assert texts(relay.connect(mallory).run()) == []


def test_an_outcome_that_was_never_asked_for_moves_nothing(relay, alice, bob):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice)

    told = alice.noticed(Outcome(2, 99, 0, Result.DELIVERED), NOW_MS)

    assert told == []
    assert alice.state_of(message) == (MessageState.QUEUED, None)
    assert states(told) == []


def test_keys_of_another_root_stop_the_device(relay, alice):
    relay.answers[GetRelayKeys] = RelayKeys((SmallRelay("mallory").descriptor,))

    with pytest.raises(RelayUntrusted):
        relay.connect(alice).run()


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    relay = SmallRelay()
    folder = tmp_path_factory.mktemp("hostile")
    alice, bob = relay.join(folder / "alice", ALICE), relay.join(folder / "bob", BOB)
    for device in (alice, bob):
        relay.connect(device).run()
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    yield relay, bob, relay.seat(bob).boxes[Lane.NORMAL].rows[2]
    alice.close()
    bob.close()


@settings(max_examples=150)
@given(
    field=st.sampled_from(["stamp", "wrap", "body", "commitment", "sender"]),
    at=st.integers(0, 5_000),
    flip=st.integers(1, 255),
    data=st.data(),
)
def test_one_changed_byte_anywhere_shows_nothing_and_never_raises(listening, field, at, flip, data):
    relay, bob, row = listening
    octets = bytearray(getattr(row, field))
    octets[at % len(octets)] ^= flip
    line = relay.connect(bob)
    line._commands()
    sequence = data.draw(st.integers(10, 1 << 40))

    told = bob.noticed(replace(row, sequence=sequence, **{field: bytes(octets)}), NOW_MS)
    line._commands()

    assert texts(told + line.events) == []
