import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.codes import PrekeyKind
from relayproto.e2e import session
from relayproto.e2e.handshake import NewerList
from relayproto.e2e.session import Peer, Sessions
from relayproto.e2e.wrap import WRAPPED_BYTES
from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed
from relayproto.limits import SESSIONS_MAX, WRAP_BYTES_MAX
from support.changed import replace
from support.kem import stream
from support.people import NOW_MS, Person, talking

TALKING = talking(Person("alice"), Person("bob"))


def test_a_first_message_is_repeated_until_it_is_answered():
    alice, bob = Person("alice"), Person("bob")
    to_bob, one = session.seal(alice.begin(bob), b"one")
    to_bob, two = session.seal(to_bob, b"two")

    second = bob.receive(None, alice, two)
    first = bob.receive(second.sessions, alice, one)
    to_alice, answer = session.seal(first.sessions, b"answer")
    back = alice.receive(to_bob, bob, answer)
    _, three = session.seal(back.sessions, b"three")

    assert (first.plaintext, second.plaintext, back.plaintext) == (b"one", b"two", b"answer")
    assert bob.receive(to_alice, alice, three).plaintext == b"three"
    assert [len(wrap) for wrap in (one, answer, three)] == [1359, 67, 66]


def test_the_largest_wraps_fit_their_bound():
    _, first = session.seal(Person("alice").begin(Person("bob")), bytes(WRAPPED_BYTES))

    assert len(first) == 1422 <= WRAP_BYTES_MAX
    assert len(session.seal(talking(Person("alice"), Person("bob"))[0], bytes(WRAPPED_BYTES))[1]) == 127


def test_an_answered_first_message_says_which_prekeys_are_used_up():
    alice, bob = Person("alice"), Person("bob")
    _, with_one = session.seal(alice.begin(bob), b"hello")
    _, without = session.seal(alice.begin(bob, one_time=False), b"hello")

    used = bob.receive(None, alice, with_one).begun
    last_resort = bob.receive(None, alice, without).begun

    assert used.remember is None
    assert used.used == session.prekeys_of(Sessions(alice.peer), with_one)
    assert last_resort.used.one_time == 0
    assert last_resort.remember is not None


def test_a_first_message_for_a_session_that_exists_needs_no_prekeys():
    alice, bob = Person("alice"), Person("bob")
    to_bob, one = session.seal(alice.begin(bob), b"one")
    held = bob.receive(None, alice, one).sessions
    _, two = session.seal(to_bob, b"two")

    assert session.prekeys_of(held, two) is None
    assert session.open_wrap(held, two, now_ms=NOW_MS, entropy=bob.entropy).plaintext == b"two"
    with pytest.raises(LocalProtocolError):
        session.open_wrap(Sessions(alice.peer), two, now_ms=NOW_MS, entropy=bob.entropy)


@pytest.mark.parametrize("who_is_heard_first", ["alice", "bob"])
def test_two_who_begin_at_once_end_in_one_session(who_is_heard_first):
    alice, bob = Person("alice"), Person("bob")
    to_bob, from_alice = session.seal(alice.begin(bob), b"from alice")
    to_alice, from_bob = session.seal(bob.begin(alice), b"from bob")
    if who_is_heard_first == "alice":
        to_alice = bob.receive(to_alice, alice, from_alice).sessions
        to_bob = alice.receive(to_bob, bob, from_bob).sessions
    else:
        to_bob = alice.receive(to_bob, bob, from_bob).sessions
        to_alice = bob.receive(to_alice, alice, from_alice).sessions

    assert [one.id for one in to_bob.sessions] == [one.id for one in to_alice.sessions]
    for _ in range(2):
        to_bob, wrap = session.seal(to_bob, b"ping")
        to_alice = bob.receive(to_alice, alice, wrap).sessions
        to_alice, wrap = session.seal(to_alice, b"pong")
        to_bob = alice.receive(to_bob, bob, wrap).sessions
    assert not to_bob.sessions[0].first
    assert not to_alice.sessions[0].first


def test_a_new_session_is_used_by_both_and_what_was_on_its_way_under_the_old_one_still_opens():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    to_bob, late = session.seal(to_bob, b"late")
    bob.make_prekey(PrekeyKind.ONE_TIME)
    to_bob, wrap = session.seal(alice.begin(bob, to_bob), b"anew")

    to_alice = bob.receive(to_alice, alice, wrap).sessions
    opened = bob.receive(to_alice, alice, late)
    _, answer = session.seal(opened.sessions, b"under the new one")

    assert opened.plaintext == b"late"
    assert [one.order for one in opened.sessions.sessions] == [2, 1]
    assert alice.receive(to_bob, bob, answer).sessions.sessions[0].first == b""


def test_old_sessions_are_bounded_and_the_oldest_goes():
    alice, bob = Person("alice"), Person("bob")
    held = Sessions(bob.peer)

    for _ in range(SESSIONS_MAX + 2):
        held = alice.begin(bob, held)

    assert [one.order for one in held.sessions] == [8, 7, 6, 5, 4, 3]


def test_a_peer_that_lost_its_sessions_is_heard_however_many_there_were():
    alice, bob = Person("alice"), Person("bob")
    held = Sessions(alice.peer)
    for _ in range(SESSIONS_MAX):
        held = bob.begin(alice, held)
    _, wrap = session.seal(alice.begin(bob), b"I lost everything")

    received = bob.receive(held, alice, wrap)

    assert received.plaintext == b"I lost everything"
    assert [one.order for one in received.sessions.sessions] == [6, 5, 4, 3, 2, 1]
    assert received.sessions.sessions[-1] not in held.sessions


def test_the_order_of_sessions_does_not_overflow():
    alice, bob = Person("alice"), Person("bob")
    held = alice.begin(bob)
    last = replace(held, sessions=(replace(held.sessions[0], order=(1 << 32) - 1),))

    assert {one.order for one in alice.begin(bob, last).sessions} == {(1 << 32) - 1}


def test_a_turned_message_is_found_among_several_sessions():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    older, answer = session.seal(to_alice, b"under the older one")
    to_bob = alice.receive(alice.begin(bob, to_bob), bob, answer).sessions
    to_bob_older = replace(to_bob, sessions=to_bob.sessions[1:])
    _, turned = session.seal(to_bob_older, b"turned")
    held = Sessions(alice.peer, (*bob.begin(alice).sessions, *older.sessions))

    assert bob.receive(held, alice, turned).plaintext == b"turned"


def test_a_turned_message_that_no_session_opens_is_refused():
    alice, bob, mallory = Person("alice"), Person("bob"), Person("mallory")
    _, foreign = session.seal(talking(mallory, bob)[0], b"of another session")

    with pytest.raises(CryptoFailure):
        bob.receive(TALKING[1], alice, foreign)


def test_a_first_message_without_a_one_time_prekey_makes_a_session_once():
    alice, bob = Person("alice"), Person("bob")
    _, wrap = session.seal(alice.begin(bob, one_time=False), b"pay 100")
    bob.receive(None, alice, wrap)

    with pytest.raises(CryptoFailure):
        bob.receive(None, alice, wrap)


def test_a_session_is_not_begun_with_another_device_than_it_is_kept_for():
    alice, bob, carol = Person("alice"), Person("bob"), Person("carol")

    with pytest.raises(LocalProtocolError):
        alice.begin(bob, Sessions(carol.peer))


def test_nothing_is_sealed_without_a_session():
    with pytest.raises(LocalProtocolError):
        session.seal(Sessions(Peer(bytes(32), 1)), b"")


def test_a_sender_other_than_the_relay_says_is_refused():
    alice, bob, mallory = Person("alice"), Person("bob"), Person("mallory")
    _, wrap = session.seal(mallory.begin(bob), b"I am alice")

    with pytest.raises(CryptoFailure):
        bob.receive(None, alice, wrap)


def test_a_newer_list_of_the_senders_is_asked_for_and_nothing_is_lost():
    alice, bob = Person("alice"), Person("bob")
    old = alice.list
    alice.list = alice.next_list()
    _, wrap = session.seal(alice.begin(bob), b"hello")
    answering = bob.answering(alice, wrap)

    with pytest.raises(NewerList):
        session.open_wrap(
            Sessions(alice.peer), wrap, now_ms=NOW_MS, entropy=bob.entropy, answering=replace(answering, newest=old)
        )
    assert bob.receive(None, alice, wrap).plaintext == b"hello"


@pytest.mark.parametrize(
    "wrap",
    [
        b"",
        b"\x01\x01",
        b"\x02\x01\x00\x00",
        b"\x01\x03\x00\x01x",
        b"\x01\x02\x00\x00x",
        b"\x01\x02\x00\x01xy",
        b"\x01\x02\xff\xffx",
    ],
)
def test_what_is_no_wrap_is_refused(wrap):
    with pytest.raises(CryptoFailure):
        session.prekeys_of(TALKING[1], wrap)


def test_a_wrap_above_its_bound_is_refused():
    with pytest.raises(CryptoFailure):
        session.prekeys_of(Sessions(Peer(bytes(32), 1)), b"\x01\x01" + bytes(WRAP_BYTES_MAX))


@given(st.binary(max_size=120))
def test_any_bytes_open_or_fail(octets):
    _, bob = TALKING

    with pytest.raises(CryptoFailure):
        session.open_wrap(bob, b"\x01\x01" + octets, now_ms=NOW_MS, entropy=stream("x"))


def test_sessions_come_back_from_their_bytes_and_show_no_secret():
    alice, bob = Person("alice"), Person("bob")
    held = alice.begin(bob, TALKING[0])

    assert session.from_bytes(session.to_bytes(held)) == held
    for one in held.sessions:
        assert repr(one.ratchet.private) not in repr(held)
        assert repr(one.ratchet.root) not in repr(held)


@pytest.mark.parametrize("stored", [b"", b"\x02\x90", b"\x01\x90"])
def test_bytes_that_are_no_sessions_are_malformed(stored):
    with pytest.raises(Malformed):
        session.from_bytes(stored)


@pytest.mark.parametrize("claimed", [7, (1 << 32) - 1])
def test_no_session_can_be_claimed_so_far_ahead_that_the_owner_begins_none_above_it(claimed):
    """Mallory has stolen Alice's device key: what he begins counts as the next session, not as the last."""
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    bob.make_prekey(PrekeyKind.ONE_TIME)
    far = replace(to_bob, sessions=(replace(to_bob.sessions[0], order=claimed - 1),))
    _, stolen = session.seal(alice.begin(bob, far), b"from mallory")
    to_alice = bob.receive(to_alice, alice, stolen).sessions
    assert [one.order for one in to_alice.sessions] == [2, 1]

    for _ in range(2):
        bob.make_prekey(PrekeyKind.ONE_TIME)
        to_bob, wrap = session.seal(alice.begin(bob, to_bob), b"from alice")
        to_alice = bob.receive(to_alice, alice, wrap).sessions
    _, answer = session.seal(to_alice, b"for alice alone")

    assert alice.receive(to_bob, bob, answer).plaintext == b"for alice alone"


def test_a_retired_session_seals_nothing_and_opens_what_is_on_its_way():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    to_alice, late = session.seal(to_alice, b"late")

    retired = session.from_bytes(session.to_bytes(session.retire(to_bob)))

    with pytest.raises(LocalProtocolError):
        session.seal(retired, b"with a key that sealed something else")
    opened = alice.receive(retired, bob, late)
    assert opened.plaintext == b"late"
    with pytest.raises(LocalProtocolError):
        session.seal(opened.sessions, b"not even after the ratchet has turned")
    bob.make_prekey(PrekeyKind.ONE_TIME)
    begun, anew = session.seal(alice.begin(bob, opened.sessions), b"anew")
    assert bob.receive(to_alice, alice, anew).plaintext == b"anew"
    assert [one.retired for one in begun.sessions] == [False, True]


def test_a_session_lives_where_the_other_side_has_it_and_it_is_in_use():
    alice, bob = Person("alice"), Person("bob")
    to_bob, _ = talking(alice, bob)

    assert session.is_living(to_bob)
    assert not session.is_living(session.retire(to_bob))
    assert not session.is_living(alice.begin(bob))
    assert not session.is_living(Sessions(bob.peer))
