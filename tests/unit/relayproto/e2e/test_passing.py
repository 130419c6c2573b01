import pytest

from relayproto.codes import PassingKind
from relayproto.e2e import passing, session
from relayproto.e2e.passing import WRAP_BYTES, Passed
from relayproto.e2e.session import Sessions
from relayproto.errors import CryptoFailure
from relayproto.limits import WRAP_BYTES_MAX
from support.kem import stream
from support.people import NOW_MS, Person, talking

TYPING = Passed(PassingKind.TYPING, NOW_MS)


def test_what_passes_by_is_read_by_the_other_side_in_either_direction():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)

    there = passing.seal(to_bob, alice.peer, TYPING, stream("alice"))
    back = passing.seal(to_alice, bob.peer, TYPING, stream("bob"))

    assert len(there) == WRAP_BYTES == 62 <= WRAP_BYTES_MAX
    assert passing.read(to_alice, there) == passing.read(to_bob, back) == TYPING


def test_nobody_reads_what_they_have_said_themselves():
    alice, bob = Person("alice"), Person("bob")
    to_bob, _ = talking(alice, bob)
    wrap = passing.seal(to_bob, alice.peer, TYPING, stream("alice"))

    with pytest.raises(CryptoFailure):
        passing.read(to_bob, wrap)


def test_nothing_is_said_in_a_session_that_the_other_side_may_not_have():
    alice, bob = Person("alice"), Person("bob")

    assert passing.seal(Sessions(bob.peer), alice.peer, TYPING, stream("alice")) is None
    assert passing.seal(alice.begin(bob), alice.peer, TYPING, stream("alice")) is None


def test_while_a_newer_session_is_unanswered_the_older_one_carries_it():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    newer = alice.begin(bob, to_bob)

    wrap = passing.seal(newer, alice.peer, TYPING, stream("alice"))

    assert newer.sessions[0].first
    assert passing.read(to_alice, wrap) == TYPING


def test_a_reader_tries_each_session_that_it_has():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    wrap = passing.seal(to_bob, alice.peer, TYPING, stream("alice"))
    _, first = session.seal(alice.begin(bob, to_bob, one_time=False), b"newer")
    both = bob.receive(to_alice, alice, first).sessions

    assert len(both.sessions) == 2
    assert passing.read(both, wrap) == TYPING


@pytest.mark.parametrize("at", [0, 1, 2, 14, 61])
def test_a_changed_wrap_is_refused(at):
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    wrap = bytearray(passing.seal(to_bob, alice.peer, TYPING, stream("alice")))
    wrap[at] ^= 1

    with pytest.raises(CryptoFailure):
        passing.read(to_alice, bytes(wrap))


@pytest.mark.parametrize("length", [0, 61, 63])
def test_a_wrap_of_another_length_is_refused(length):
    with pytest.raises(CryptoFailure):
        passing.read(talking(Person("alice"), Person("bob"))[1], b"\x01\x03".ljust(length, b"\x00")[:length])


def test_a_kind_of_a_newer_program_is_read_and_what_passes_by_opens_no_session():
    alice, bob = Person("alice"), Person("bob")
    to_bob, to_alice = talking(alice, bob)
    wrap = passing.seal(to_bob, alice.peer, Passed(200, 0), stream("alice"))

    assert passing.read(to_alice, wrap) == (200, 0)
    with pytest.raises(CryptoFailure):
        session.open_wrap(to_alice, wrap, now_ms=NOW_MS, entropy=stream("bob"))
