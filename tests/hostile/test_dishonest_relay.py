"""A relay that lies to real devices, between messages that it carries honestly: these are shown, its own are not.

What lies beneath is attacked in test_dishonest_relay_e2e.py, and what else a relay may say in
test_dishonest_relay_device.py; here each attack comes with an honest message before it and one after it.
"""

import pytest

from relayclient import sessions
from relayclient.events import EnvelopeFailed, MessageReceived, MessageState
from relayproto import stamp
from relayproto.codes import Class, Code, Lane, PrekeyKind, Scope
from relayproto.commands import PutDevices
from relayproto.e2e.body import Sealed, seal
from relayproto.e2e.commitment import Context, commit, conversation_id, hide
from relayproto.e2e.content import Evidence, Forward, Text, encode
from relayproto.e2e.wrap import Wrapped
from relayproto.ids import MessageId
from relayproto.notices import Deliver
from relayproto.packed import unpack
from relayproto.primitives import Aead, SigningKey
from relayproto.replies import Refused
from support.changed import replace
from support.kem import stream
from support.small_relay import NOW_MS, SmallRelay, drop_device, join_second
from support.talk import ALICE, BOB, forget_sessions, introduce, of, texts

entropy = stream("mallory")


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


def rows_for(relay, device):
    return relay.seat(device).boxes[Lane.NORMAL].rows


def send(relay, device, *words):
    """Let a device send texts to bob; return their message ids."""
    messages = [device.queue(BOB, text, now_ms=NOW_MS) for text in words]
    relay.connect(device).run()
    return messages


def context(sender, recipient):
    own, other = sender.identity, recipient.identity
    return Context(
        conversation_id(own.account, other.account), MessageId(entropy(16)), own.account, own.device, NOW_MS
    )  # fmt: skip


def put(relay, sender, recipient, sealed: Sealed):
    """Let a device say what its outbox would not, with a stamp of the relay's."""
    own, other = sender.identity, recipient.identity
    with sender._store.step() as step:
        wrap = sessions.seal(step, other.account, other.device, sealed.wrapped.to_bytes())
    box = relay.seat(recipient).boxes[Lane.NORMAL]
    stamped = relay.stamped((own.account, own.device), sealed.commitment)
    box.rows[box.next] = Deliver(
        Lane.NORMAL, box.next, own.account, own.device, Class.CHAT, NOW_MS + 60_000, sealed.commitment, stamped, wrap,
        sealed.body,
    )  # fmt: skip
    box.next += 1


def of_another_relay(commitment: bytes) -> bytes:
    author = stamp.Author(bytes(32), 1, Scope.PERSON, NOW_MS)
    made = stamp.seal_author(Aead(bytes(32)), stamp.key_id_at(7, NOW_MS), bytes(12), commitment, author)
    return stamp.stamp_all([(made, commitment)], SigningKey(b"another relay's stamp seed......"))[0]


ATTACKS = {
    "the body of another message": lambda one, other: replace(one, body=other.body),
    "the commitment of another message": lambda one, other: replace(one, commitment=other.commitment),
    "its commitment and stamp": lambda one, other: replace(one, commitment=other.commitment, stamp=other.stamp),
    "all but the wrap of another message": lambda one, other: replace(other, sequence=one.sequence, wrap=one.wrap),
    "the wrap of another message": lambda one, other: replace(one, wrap=other.wrap),
    "a stamp of nothing": lambda one, other: replace(one, stamp=b""),
    "a stamp of junk": lambda one, other: replace(one, stamp=bytes(range(150))),
    "the stamp of another message": lambda one, other: replace(one, stamp=other.stamp),
    "the stamp of another relay": lambda one, other: replace(one, stamp=of_another_relay(one.commitment)),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_shown_of_a_changed_envelope_and_all_of_those_around_it(relay, alice, bob, attack):
    introduce(relay, alice, bob)
    before, attacked, after = send(relay, alice, "before", "pay 100", "after")
    rows = rows_for(relay, bob)
    _, second, third = sorted(rows)
    rows[second] = ATTACKS[attack](rows[second], rows[third])

    told = relay.connect(bob).run()
    relay.connect(alice).run()

    assert texts(told) == ["before", "after"]
    assert [message.text for message in bob.inbox()] == ["after", "before", "hello"]
    assert len(of(EnvelopeFailed, told)) == 1
    states = [alice.state_of(message)[0] for message in (before, attacked, after)]
    assert states == [MessageState.DELIVERED, MessageState.UNDECRYPTABLE, MessageState.DELIVERED]


@pytest.mark.parametrize("one_time", [True, False])
def test_a_first_message_that_comes_again_is_shown_once_whatever_was_forgotten(relay, alice, bob, one_time):
    if not one_time:
        relay.seat(bob).prekeys[PrekeyKind.ONE_TIME].clear()
        relay.seat(bob).prekeys[PrekeyKind.KEM_ONE_TIME].clear()
    send(relay, alice, "first")
    rows = rows_for(relay, bob)
    first = rows[1]
    assert texts(relay.connect(bob).run()) == ["first"]
    box = relay.seat(bob).boxes[Lane.NORMAL]
    forget_sessions(bob)
    with bob._store.step() as step:
        step.run("DELETE FROM seen")
        step.run("DELETE FROM inbox")
    rows[2], box.next = replace(first, sequence=2), 3

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert len(of(EnvelopeFailed, told)) == 1


def test_a_first_message_that_comes_again_amid_others_is_shown_once(relay, alice, bob):
    send(relay, alice, "first", "second")
    rows, box = rows_for(relay, bob), relay.seat(bob).boxes[Lane.NORMAL]
    rows[3], box.next = replace(rows[1], sequence=3), 4
    send(relay, alice, "third")

    told = relay.connect(bob).run()

    assert texts(told) == ["first", "second", "third"]
    assert rows == {}


def test_a_removed_device_is_not_shown_where_an_older_list_brings_it_back(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with join_second(relay, alice, tmp_path / "stolen") as stolen:
        older = relay.accounts[alice.identity.account]
        send(relay, stolen, "while I may")
        relay.connect(bob).run()
        drop_device(relay, alice, 2)
        send(relay, alice, "before")
        with bob._store.step() as step:
            step.run("UPDATE contact SET stale = 1 WHERE account = ?", alice.identity.account)
        bob.queue(ALICE, "to whom?", now_ms=NOW_MS)
        relay.connect(bob).run()
        relay.accounts[alice.identity.account] = older
        relay.answers[PutDevices] = Refused(Code.NOT_AVAILABLE, 0)
        put(relay, stolen, bob, seal(Text("stolen words", 2), context(stolen, bob), entropy))
    send(relay, alice, "after")

    told = relay.connect(bob).run()

    assert texts(told) == ["after"]
    assert "stolen words" not in [message.text for message in bob.inbox()]
    assert len(of(EnvelopeFailed, told)) == 1


def test_a_device_of_another_list_of_the_same_version_is_not_shown(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    account = alice.identity.account
    first_list = relay.accounts[account]
    with join_second(relay, alice, tmp_path / "genuine") as genuine:
        send(relay, genuine, "from my second device")
        assert texts(relay.connect(bob).run()) == ["from my second device"]
        relay.accounts[account] = first_list
        seat = relay.seats.pop((account, 2))
        with join_second(relay, alice, tmp_path / "split") as split:
            send(relay, split, "from a device that bob was not shown")
            relay.seats[account, 2] = seat
            send(relay, genuine, "from my second device again")

    told = relay.connect(bob).run()

    assert texts(told) == ["from my second device again"]
    assert len(of(EnvelopeFailed, told)) == 1


def test_a_content_whose_commitment_does_not_open_is_not_shown(relay, alice, bob):
    """Alice commits to something harmless and seals something else, so that a report would clear her."""
    introduce(relay, alice, bob)
    where = context(alice, bob)
    harmless = commit(encode(Text("good morning", 2)), hide(where, b"x" * 32), b"r" * 32)
    threat = seal(Text("a threat", 2), where, entropy)
    plaintext = Aead(threat.wrapped.content_key).open(bytes(12), threat.body[1:], b"\x01" + threat.commitment)
    body = b"\x01" + Aead(b"k" * 32).seal(bytes(12), plaintext, b"\x01" + harmless)
    send(relay, alice, "before")
    put(relay, alice, bob, Sealed(Wrapped(b"k" * 32, harmless), body))
    send(relay, alice, "after")

    told = relay.connect(bob).run()

    assert texts(told) == ["before", "after"]
    assert len(of(EnvelopeFailed, told)) == 1


def evidence_from(device, sender) -> Evidence:
    """Return the evidence of the one message that a device has of a sender."""
    with device._store.step() as step:
        query = "SELECT sealed_evidence, device, id FROM inbox WHERE sender = ?"
        [(sealed, number, message)] = step.rows(query, sender.identity.account)
        place = (sender.identity.account, number.to_bytes(4), message)
        return unpack(step.open(sealed, b"evidence", *place), Evidence)


def test_a_forwarder_makes_nobody_else_the_author_of_its_own_words(relay, alice, bob, tmp_path):
    with relay.join(tmp_path / "mallory", "mallory@office.example") as mallory:
        relay.connect(mallory).run()
        alice.queue("mallory@office.example", "good morning", now_ms=NOW_MS)
        relay.connect(alice).run()
        relay.connect(mallory).run()
        introduce(relay, mallory, bob)
        genuine = evidence_from(mallory, alice)
        words = encode(Text("a threat", 1))
        opens = replace(genuine, content=words, commitment=commit(words, genuine.hidden, genuine.opening))
        forged = (
            replace(genuine, content=words), opens, replace(opens, stamp=of_another_relay(opens.commitment)),
        )  # fmt: skip

        for evidence in (genuine, *forged):
            put(relay, mallory, bob, seal(Forward(evidence), context(mallory, bob), entropy))
        came = of(MessageReceived, relay.connect(bob).run())
        account = mallory.identity.account

    assert [(each.text, each.forwarded) for each in came] == [("good morning", True)] + [("a threat", False)] * 3
    assert {each.sender for each in came} == {account}
