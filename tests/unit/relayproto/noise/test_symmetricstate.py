import hashlib

import pytest

from relayproto.errors import CryptoFailure
from relayproto.noise.suites import NOISE_SHA256
from relayproto.noise.symmetricstate import SymmetricState
from relayproto.primitives import hkdf_sha256
from support.noise_suites import SUITES

SHORT, LONG = b"Noise_short", b"Noise_" + b"n" * 40


def states(name: bytes = SHORT, suite=NOISE_SHA256):
    return SymmetricState(name, suite), SymmetricState(name, suite)


def test_a_short_name_is_padded_and_a_long_one_hashed():
    assert SymmetricState(SHORT, NOISE_SHA256).handshake_hash == SHORT.ljust(32, b"\x00")
    assert SymmetricState(LONG, NOISE_SHA256).handshake_hash == hashlib.sha256(LONG).digest()


def test_before_the_first_key_octets_are_hashed_and_pass():
    state = SymmetricState(SHORT, NOISE_SHA256)
    before = state.handshake_hash

    said = state.encrypt_and_hash(b"clear")

    assert said == b"clear"
    assert not state.has_key
    assert state.handshake_hash == hashlib.sha256(before + b"clear").digest()


def test_both_sides_go_the_same_way():
    alice, bob = states()
    for state in (alice, bob):
        state.mix_hash(b"prologue")
        state.mix_key(b"secret")
        state.mix_key_and_hash(b"psk")

    opened = bob.decrypt_and_hash(alice.encrypt_and_hash(b"said"))

    assert alice.has_key
    assert opened == b"said"
    assert alice.handshake_hash == bob.handshake_hash
    assert alice.split_keys() == bob.split_keys()


def test_an_encryption_is_bound_to_what_was_said_before():
    alice, bob = states()
    alice.mix_key(b"secret")
    bob.mix_key(b"secret")
    bob.mix_hash(b"something else")

    with pytest.raises(CryptoFailure):
        bob.decrypt_and_hash(alice.encrypt_and_hash(b"said"))


def test_the_key_schedule_is_hkdf_with_the_chaining_key_as_salt():
    state = SymmetricState(SHORT, NOISE_SHA256)
    chaining_key = hkdf_sha256(b"secret", salt=SHORT.ljust(32, b"\x00"), label=b"", length=64)[:32]

    state.mix_key(b"secret")

    expected = hkdf_sha256(b"", salt=chaining_key, label=b"", length=64)
    assert b"".join(state.split_keys()) == expected


def test_split_gives_a_key_for_each_direction():
    alice, bob = states()

    (first, second), (other_first, other_second) = alice.split(), bob.split()

    assert other_first.decrypt_with_ad(b"", first.encrypt_with_ad(b"", b"to the responder")) == b"to the responder"
    assert other_second.decrypt_with_ad(b"", second.encrypt_with_ad(b"", b"back")) == b"back"


def test_keys_of_a_64_byte_hash_are_cut_to_32():
    state = SymmetricState(SHORT, SUITES["25519_ChaChaPoly_BLAKE2b"])
    state.mix_key(b"secret")

    assert [len(key) for key in state.split_keys()] == [32, 32]
    assert len(state.handshake_hash) == 64
