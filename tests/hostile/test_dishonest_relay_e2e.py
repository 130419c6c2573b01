"""A relay that lies, alone or together with somebody who has an account, against what devices say to each other.

Each test says what the attacker tries; all of them end with nothing shown.
"""

import pytest

from relayproto import identity, stamp
from relayproto.codes import PrekeyKind
from relayproto.e2e import session
from relayproto.e2e.body import open_body, seal
from relayproto.e2e.commitment import commit, hide
from relayproto.e2e.content import Forward, Text, encode
from relayproto.e2e.session import Peer, Sessions
from relayproto.e2e.wrap import Wrapped, read_wrapped
from relayproto.errors import CryptoFailure
from relayproto.identity import Rollback, SplitView, supersedes
from relayproto.primitives import Aead, x25519_public
from support.changed import replace
from support.kem import stream
from support.people import NOW_MS, Person, Stamping, context, said, talking


@pytest.fixture
def alice():
    return Person("alice")


@pytest.fixture
def bob():
    return Person("bob")


@pytest.fixture
def mallory():
    return Person("mallory")


RELAY = Stamping()


def sent(author, to, sessions, text="hello"):
    """Return what the author submits: the sealed content and the wrap."""
    sealed = seal(Text(text, 1), context(author, to), author.entropy)
    _, wrap = session.seal(sessions, sealed.wrapped.to_bytes())
    return sealed, wrap


def shown(recipient, held, author, delivered):
    """Open an envelope as a device does: wrap, then body."""
    received = recipient.receive(held, author, delivered.wrap)
    return open_body(delivered, read_wrapped(received.plaintext), author.peer, [RELAY.descriptor]).content


def test_what_an_honest_relay_delivers_is_shown(alice, bob):
    to_bob, to_alice = talking(alice, bob)
    sealed, wrap = sent(alice, bob, to_bob)

    assert shown(bob, to_alice, alice, RELAY.deliver(sealed, alice, wrap=wrap)) == Text("hello", 1)


def test_the_body_of_another_message_under_a_genuine_wrap(alice, bob):
    to_bob, to_alice = talking(alice, bob)
    sealed, wrap = sent(alice, bob, to_bob)
    other, _ = sent(alice, bob, to_bob, "pay 1000")

    with pytest.raises(CryptoFailure):
        shown(bob, to_alice, alice, RELAY.deliver(sealed, alice, wrap=wrap, body=other.body))


def test_body_commitment_and_stamp_of_another_message_under_a_genuine_wrap(alice, bob):
    to_bob, to_alice = talking(alice, bob)
    _, wrap = sent(alice, bob, to_bob)
    other, _ = sent(alice, bob, to_bob, "pay 1000")

    with pytest.raises(CryptoFailure):
        shown(bob, to_alice, alice, RELAY.deliver(other, alice, wrap=wrap))


@pytest.mark.parametrize("new_commitment", [False, True])
def test_another_recipient_and_the_relay_swap_the_body_under_a_genuine_wrap(alice, bob, new_commitment):
    """Mallory was a recipient too and has the content key; the relay stamps for it whatever it wants, as alice's."""
    to_bob, to_alice = talking(alice, bob)
    sealed, wrap = sent(alice, bob, to_bob)
    forged = seal(Text("pay 1000", 1), context(alice, bob), stream("mallory's choice"))
    plaintext = Aead(forged.wrapped.content_key).open(bytes(12), forged.body[1:], b"\x01" + forged.commitment)
    told = forged.commitment if new_commitment else sealed.commitment
    swapped = b"\x01" + Aead(sealed.wrapped.content_key).seal(bytes(12), plaintext, b"\x01" + told)
    delivered = RELAY.deliver(sealed, alice, wrap=wrap, body=swapped, commitment=told, stamp=RELAY.stamp(told, alice))

    with pytest.raises(CryptoFailure):
        shown(bob, to_alice, alice, delivered)


def test_somebody_elses_envelope_under_alices_name(alice, bob, mallory):
    _, to_alice = talking(alice, bob)
    to_bob, _ = talking(mallory, bob)
    sealed, wrap = sent(mallory, bob, to_bob)

    with pytest.raises(CryptoFailure):
        shown(bob, to_alice, alice, RELAY.deliver(sealed, alice, wrap=wrap))


def test_a_sender_who_writes_somebody_elses_name_into_the_context(alice, bob, mallory):
    to_bob, to_mallory = talking(mallory, bob)
    sealed = seal(Text("from alice", 1), context(alice, bob), mallory.entropy)
    _, wrap = session.seal(to_bob, sealed.wrapped.to_bytes())

    with pytest.raises(CryptoFailure):
        shown(bob, to_mallory, mallory, RELAY.deliver(sealed, mallory, wrap=wrap))


@pytest.mark.parametrize("one_time", [True, False])
def test_a_first_message_is_delivered_again_after_its_session_is_gone(alice, bob, one_time):
    sealed, wrap = sent(alice, bob, alice.begin(bob, one_time=one_time))
    delivered = RELAY.deliver(sealed, alice, wrap=wrap)

    assert shown(bob, None, alice, delivered) == Text("hello", 1)

    with pytest.raises(CryptoFailure):
        shown(bob, None, alice, delivered)


def test_a_first_message_is_delivered_to_another_device(alice, bob, mallory):
    sealed, wrap = sent(alice, bob, alice.begin(bob))
    delivered = RELAY.deliver(sealed, alice, wrap=wrap)
    mallory.secrets = dict(bob.secrets)

    with pytest.raises(CryptoFailure):
        shown(mallory, None, alice, delivered)


def test_a_first_message_is_passed_off_as_that_of_another_device_of_alices(alice, bob):
    both = alice.next_list(devices=(alice.entry, replace(alice.entry, device=2, dh_key=b"p" * 32)), highest_device=2)
    _, wrap = session.seal(alice.begin(bob), b"from my phone")
    answering = replace(bob.answering(alice, wrap), newest=both, seen_hashes={1: alice.list_hash})

    arguments = {"now_ms": NOW_MS, "entropy": bob.entropy, "answering": answering}

    assert session.open_wrap(Sessions(alice.peer), wrap, **arguments).plaintext == b"from my phone"
    with pytest.raises(CryptoFailure):
        session.open_wrap(Sessions(Peer(alice.account, 2)), wrap, **arguments)


def test_the_relay_puts_its_own_prekeys_under_bobs_name(alice, bob, mallory):
    forged = replace(bob.recipient(), bundle=mallory.bundle())

    with pytest.raises(CryptoFailure):
        session.begin(Sessions(bob.peer), alice.own, forged, entropy=alice.entropy)


def test_the_relay_tells_alice_another_list_of_bobs_than_bob_has(alice, bob, mallory):
    """It would take bob's identity key to sign it; even so bob does not answer whom was shown another list."""
    planted = replace(bob.list, devices=(bob.entry, replace(mallory.entry, device=2)), highest_device=2)
    told = replace(bob.recipient(), list_hash=identity.list_hash(identity.encode(planted)))
    begun = session.begin(Sessions(bob.peer), alice.own, told, entropy=alice.entropy)
    _, wrap = session.seal(begun, b"hello")

    with pytest.raises(CryptoFailure):
        bob.receive(None, alice, wrap)


def test_the_relay_tells_bob_another_list_of_alices_than_alice_has(alice, bob):
    _, wrap = session.seal(alice.begin(bob), b"hello")
    answering = bob.answering(alice, wrap)
    other = replace(alice.list, issued_ms=NOW_MS + 1)

    with pytest.raises(SplitView):
        session.open_wrap(
            Sessions(alice.peer), wrap, now_ms=NOW_MS, entropy=bob.entropy, answering=replace(answering, newest=other)
        )


def test_a_removed_device_begins_a_session(alice, bob):
    _, wrap = session.seal(alice.begin(bob), b"still me")
    phone = replace(alice.entry, device=2, dh_key=b"p" * 32)
    answering = replace(
        bob.answering(alice, wrap), newest=alice.next_list(devices=(phone,), highest_device=2),
        seen_hashes={1: alice.list_hash},
    )  # fmt: skip

    with pytest.raises(CryptoFailure):
        session.open_wrap(Sessions(alice.peer), wrap, now_ms=NOW_MS, entropy=bob.entropy, answering=answering)


def test_an_older_list_brings_a_removed_device_back(alice):
    phone = replace(alice.entry, device=2)
    without_first = alice.next_list(devices=(phone,), highest_device=2)

    with pytest.raises(Rollback):
        supersedes(without_first, alice.list)


def test_two_people_are_shown_two_lists_of_one_version(alice, mallory):
    one = alice.next_list(devices=(alice.entry, replace(mallory.entry, device=2)), highest_device=2)
    other = alice.next_list(devices=(alice.entry, replace(mallory.entry, device=3)), highest_device=3)

    with pytest.raises(SplitView):
        supersedes(one, other)


def test_the_relay_makes_a_list_of_its_own(alice, mallory):
    listed = identity.encode(alice.next_list(devices=(mallory.entry,)))

    with pytest.raises(CryptoFailure):
        identity.decode(listed, identity.sign_list(mallory.identity_seed, listed))


def test_a_content_that_could_not_be_reported_because_its_commitment_does_not_open(alice, bob):
    """Mallory commits to something harmless and seals something else, so that a report would clear it."""
    to_bob, to_alice = talking(alice, bob)
    where = context(alice, bob)
    harmless = commit(encode(Text("good morning", 1)), hide(where, b"x" * 32), b"r" * 32)
    honest = seal(Text("a threat", 1), where, alice.entropy)
    plaintext = Aead(honest.wrapped.content_key).open(bytes(12), honest.body[1:], b"\x01" + honest.commitment)
    body = b"\x01" + Aead(b"k" * 32).seal(bytes(12), plaintext, b"\x01" + harmless)
    _, wrap = session.seal(to_bob, Wrapped(b"k" * 32, harmless).to_bytes())
    delivered = RELAY.deliver(honest, alice, wrap=wrap, body=body, commitment=harmless)

    with pytest.raises(CryptoFailure):
        shown(bob, to_alice, alice, replace(delivered, stamp=RELAY.stamp(harmless, alice)))


@pytest.mark.parametrize("made", [b"", bytes(150), "of another message", "of another relay"])
def test_a_content_that_could_not_be_reported_because_its_stamp_does_not_hold(alice, bob, made):
    to_bob, to_alice = talking(alice, bob)
    sealed, wrap = sent(alice, bob, to_bob)
    if made == "of another message":
        made = RELAY.stamp(b"\x01" + bytes(32), alice)
    elif made == "of another relay":
        made = Stamping(7, name="another").stamp(sealed.commitment, alice)

    with pytest.raises(CryptoFailure):
        shown(bob, to_alice, alice, RELAY.deliver(sealed, alice, wrap=wrap, stamp=made))


def test_a_forwarder_makes_alice_the_author_of_its_own_words(alice, bob, mallory):
    """Whatever it takes from alice's message, the words are shown as mallory's own."""
    genuine = said(RELAY, alice, mallory, Text("good morning", 1)).evidence
    words = encode(Text("a threat", 1))
    opens = replace(genuine, content=words, commitment=commit(words, genuine.hidden, genuine.opening))
    own_stamp = replace(opens, stamp=Stamping(7, name="mallory's").stamp(opens.commitment, alice))

    for forged in (replace(genuine, content=words), opens, own_stamp):
        opened = said(RELAY, mallory, bob, Forward(forged))

        assert (opened.content, opened.origin) == (Text("a threat", 1), None)
        assert opened.context.sender == mallory.account
        author = stamp.open_author(opened.evidence.stamp, opened.evidence.commitment, Aead(RELAY.hour_key))
        assert author.account == mallory.account


def test_a_forward_of_a_forgery_is_traced_to_the_forger_not_to_whoever_sent_it_on(alice, bob, mallory):
    genuine = said(RELAY, alice, mallory, Text("good morning", 1)).evidence
    forged = Forward(replace(genuine, content=encode(Text("a threat", 1))))

    at_bob = said(RELAY, mallory, bob, forged)
    at_alice = said(RELAY, bob, alice, at_bob.forward())

    assert at_alice.content == Text("a threat", 1)
    author = stamp.open_author(at_alice.origin.stamp, at_alice.origin.commitment, Aead(RELAY.hour_key))
    assert author.account == mallory.account


def test_one_moderator_alone_opens_the_hour(alice):
    first, second = b"1" * 32, b"2" * 32
    kept = stamp.seal_hour_key(RELAY.hour_key, x25519_public(first), x25519_public(second))

    for private in (first, second):
        with pytest.raises(CryptoFailure):
            stamp.open_hour_key(kept, private, private)


def test_a_prekey_of_one_kind_is_handed_out_as_another(alice, bob):
    signed = bob.prekeys[PrekeyKind.SIGNED]
    passed_off = replace(bob.bundle(), one_time=replace(signed, kind=PrekeyKind.ONE_TIME))

    with pytest.raises(CryptoFailure):
        session.begin(
            Sessions(bob.peer), alice.own, replace(bob.recipient(), bundle=passed_off), entropy=alice.entropy
        )  # fmt: skip
