import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.e2e import ratchet
from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed
from relayproto.limits import RATCHET_JUMP_MAX, RATCHET_KEPT_MAX, RATCHET_KEPT_MS
from relayproto.primitives import x25519_public
from support.changed import replace
from support.kem import stream

ENTROPY = stream("ratchet")
SIGNED = ENTROPY(32)


def pair():
    root, associated = b"r" * 32, b"a" * 32
    alice = ratchet.for_initiator(root, associated, x25519_public(SIGNED), ENTROPY)
    return alice, ratchet.for_responder(root, associated, SIGNED)


def decrypt(state, message, now_ms=0):
    return ratchet.decrypt(state, message, now_ms=now_ms, entropy=ENTROPY)


def send(state, count):
    messages = []
    for number in range(count):
        state, message = ratchet.encrypt(state, b"%d" % number)
        messages.append(message)
    return state, messages


def talking():
    alice, bob = pair()
    alice, (first,) = send(alice, 1)
    bob, _ = decrypt(bob, first)
    bob, (answer,) = send(bob, 1)
    return decrypt(alice, answer)[0], bob


def test_a_conversation_turns_the_keys_each_time_the_speaker_changes():
    alice, bob = talking()
    keys = {alice.public, bob.public}

    for _ in range(3):
        alice, message = ratchet.encrypt(alice, b"ping")
        bob, heard = decrypt(bob, message)
        bob, answer = ratchet.encrypt(bob, b"pong")
        alice, back = decrypt(alice, answer)
        keys |= {alice.public, bob.public}

    assert (heard, back) == (b"ping", b"pong")
    assert len(keys) == 2 + 6
    assert len(message) == 43 + 4 + 16


def test_messages_come_in_any_order_across_a_turn_of_keys():
    alice, bob = talking()
    alice, early = send(alice, 3)
    bob, _ = decrypt(bob, early[1])
    bob, answers = send(bob, 1)
    alice, _ = decrypt(alice, answers[0])
    alice, late = send(alice, 2)

    opened = []
    for message in (late[1], early[2], late[0], early[0]):
        bob, plaintext = decrypt(bob, message)
        opened.append(plaintext)

    assert opened == [b"1", b"2", b"0", b"0"]
    assert not bob.kept


def test_a_message_opens_once():
    alice, bob = talking()
    alice, messages = send(alice, 2)
    bob, _ = decrypt(bob, messages[1])
    bob, _ = decrypt(bob, messages[0])

    for message in messages:
        with pytest.raises(CryptoFailure):
            decrypt(bob, message)


def test_the_side_that_was_asleep_cannot_send_first():
    _, bob = pair()

    with pytest.raises(LocalProtocolError):
        ratchet.encrypt(bob, b"too early")


def test_a_chain_has_an_end():
    alice, bob = pair()
    alice, (first,) = send(alice, 1)
    bob, _ = decrypt(bob, first)
    full = (1 << 32) - 1

    with pytest.raises(LocalProtocolError):
        ratchet.encrypt(replace(alice, sent=full), b"one too many")
    _, message = ratchet.encrypt(replace(alice, sent=full - 1), b"the last")
    with pytest.raises(CryptoFailure):
        decrypt(replace(bob, received=full - 1), ratchet._HEADER.pack(1, bob.remote, 0, full, 0) + bytes(32))
    assert decrypt(replace(bob, received=full - 1), message)[1] == b"the last"


def test_no_message_opens_under_a_chain_that_does_not_exist_yet():
    """Its key would be one that anybody can compute."""
    alice, _ = pair()
    forged = ratchet._HEADER.pack(1, alice.remote, 0, 0, 0)
    key = ratchet.hmac_sha256(b"", b"\x01")
    forged += ratchet.Aead(key).seal(bytes(12), b"forged", alice.associated + forged)

    with pytest.raises(CryptoFailure):
        decrypt(alice, forged)


def test_what_fails_leaves_the_state_as_it_was():
    alice, bob = talking()
    alice, messages = send(alice, 3)
    before = ratchet.to_bytes(bob)

    with pytest.raises(CryptoFailure):
        decrypt(bob, messages[2][:-1] + bytes((messages[2][-1] ^ 1,)))

    assert ratchet.to_bytes(bob) == before
    assert decrypt(bob, messages[2])[1] == b"2"


@pytest.mark.parametrize("at", [0, 1, 32, 33, 36, 37, 40, 41, 42, 43])
def test_a_changed_header_is_noticed(at):
    alice, bob = talking()
    alice, (message,) = send(alice, 1)
    changed = bytearray(message)
    changed[at] ^= 1

    with pytest.raises(CryptoFailure):
        decrypt(bob, bytes(changed))


def test_an_extension_of_the_header_is_authenticated_and_otherwise_ignored():
    alice, bob = talking()
    header = ratchet._HEADER.pack(1, alice.public, alice.previous, alice.sent, 3) + b"new"
    key = ratchet.hmac_sha256(alice.sending, b"\x01")
    sealed = ratchet.Aead(key).seal(bytes(12), b"hello", alice.associated + header)

    assert decrypt(bob, header + sealed)[1] == b"hello"
    with pytest.raises(CryptoFailure):
        decrypt(bob, header[:-1] + b"W" + sealed)


def test_a_jump_is_bounded_in_one_chain():
    alice, bob = talking()
    alice, messages = send(alice, RATCHET_JUMP_MAX + 2)

    assert len(decrypt(bob, messages[RATCHET_JUMP_MAX])[0].kept) == RATCHET_JUMP_MAX
    with pytest.raises(CryptoFailure):
        decrypt(bob, messages[RATCHET_JUMP_MAX + 1])


def test_a_jump_is_bounded_over_two_chains_together():
    alice, bob = talking()
    alice, early = send(alice, 601)
    bob, _ = decrypt(bob, early[0])
    bob, answers = send(bob, 1)
    alice, _ = decrypt(alice, answers[0])
    alice, late = send(alice, 402)

    assert alice.previous == 601
    assert len(decrypt(bob, late[400])[0].kept) == 1000
    with pytest.raises(CryptoFailure):
        decrypt(bob, late[401])


def test_the_oldest_kept_keys_are_dropped_beyond_the_bound():
    alice, bob = talking()
    alice, messages = send(alice, 3 * RATCHET_JUMP_MAX)
    for at in (999, 1999, 2999):
        bob, _ = decrypt(bob, messages[at])

    assert len(bob.kept) == RATCHET_KEPT_MAX
    assert decrypt(bob, messages[1998])[1] == b"1998"
    with pytest.raises(CryptoFailure):
        decrypt(bob, messages[0])
    assert ratchet.from_bytes(ratchet.to_bytes(bob)) == bob


def test_a_kept_key_is_not_used_after_thirty_days_and_goes_with_the_next_message():
    alice, bob = talking()
    alice, messages = send(alice, 4)
    bob, _ = decrypt(bob, messages[1], now_ms=5)

    assert decrypt(bob, messages[0], now_ms=5 + RATCHET_KEPT_MS)[1] == b"0"
    with pytest.raises(CryptoFailure):
        decrypt(bob, messages[0], now_ms=6 + RATCHET_KEPT_MS)
    assert not decrypt(bob, messages[2], now_ms=6 + RATCHET_KEPT_MS)[0].kept


def test_a_state_says_whose_messages_it_expects():
    alice, bob = talking()
    alice, early = send(alice, 2)
    bob, _ = decrypt(bob, early[1])
    bob, answers = send(bob, 1)
    alice, _ = decrypt(alice, answers[0])
    alice, late = send(alice, 1)

    assert not ratchet.expects(bob, late[0])
    bob, _ = decrypt(bob, late[0])
    assert ratchet.expects(bob, late[0])
    assert ratchet.expects(bob, early[0])
    assert not ratchet.expects(bob, early[1])


def test_a_ratchet_key_of_low_order_is_refused():
    _, bob = talking()

    with pytest.raises(CryptoFailure):
        decrypt(bob, ratchet._HEADER.pack(1, bytes(32), 0, 0, 0) + bytes(32))


@given(st.binary(max_size=80))
def test_any_bytes_open_or_fail(message):
    _, bob = talking()

    with pytest.raises(CryptoFailure):
        decrypt(bob, message)


def test_a_state_comes_back_from_its_bytes_and_shows_no_secret():
    alice, bob = talking()
    alice, messages = send(alice, 2)
    bob, _ = decrypt(bob, messages[1])

    for state in (alice, bob, *pair()):
        assert ratchet.from_bytes(ratchet.to_bytes(state)) == state
        for secret in (
            state.root,
            state.private,
            state.sending,
            state.receiving,
            *(k.key for k in state.kept.values()),
        ):
            assert not secret or repr(secret) not in repr((state, *state.kept.values()))


@pytest.mark.parametrize("stored", [b"", b"\x02\x90", b"\x01\x90", b"\x01\xc1"])
def test_bytes_that_are_no_state_are_malformed(stored):
    with pytest.raises(Malformed):
        ratchet.from_bytes(stored)
