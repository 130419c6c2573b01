import hashlib
import os

import pytest

from relayproto.errors import CryptoFailure
from relayproto.primitives import (
    ML_KEM_768,
    Aead,
    SigningKey,
    argon2id,
    blake2b_256,
    box_open,
    box_seal,
    ed25519_public,
    equal,
    hkdf_sha256,
    hmac_sha256,
    sign,
    verify,
    x25519,
    x25519_public,
)

ALICE, BOB = bytes(range(32)), bytes(range(32, 64))
SEED = bytes(range(64))


def test_blake2b_is_keyed_and_personal():
    plain, keyed, personal = blake2b_256(b"x"), blake2b_256(b"x", key=b"k"), blake2b_256(b"x", person=b"p")

    assert plain == hashlib.blake2b(b"x", digest_size=32).digest()
    assert len({plain, keyed, personal}) == 3


def test_hmac_is_that_of_rfc_4231():
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@pytest.mark.parametrize("length", [1, 32, 33, 8160])
def test_hkdf_gives_the_length_that_was_asked_for(length):
    assert len(hkdf_sha256(b"secret", salt=b"", label=b"label", length=length)) == length


@pytest.mark.parametrize("length", [-1, 0, 8161])
def test_hkdf_refuses_a_length_that_it_is_not_defined_for(length):
    with pytest.raises(ValueError, match="8160"):
        hkdf_sha256(b"secret", salt=b"", label=b"label", length=length)


def test_equal_compares_bytes():
    assert equal(b"same", b"same")
    assert not equal(b"same", b"sane")
    assert not equal(b"same", b"sam")


def test_two_sides_agree_on_a_secret():
    assert x25519(ALICE, x25519_public(BOB)) == x25519(BOB, x25519_public(ALICE))


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31), b"", bytes(31), bytes(33)])
def test_a_point_of_low_order_or_of_a_wrong_length_is_refused(public):
    with pytest.raises(CryptoFailure):
        x25519(ALICE, public)


@pytest.mark.parametrize("short", [b"", bytes(31), bytes(33)])
def test_a_private_key_of_a_wrong_length_is_our_own_mistake(short):
    for use in (
        x25519_public,
        lambda key: x25519(key, x25519_public(BOB)),
        ed25519_public,
        lambda key: sign(key, b""),
        Aead,
        SigningKey,
        ML_KEM_768.private,
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each library has its own text
            use(short)


def test_a_signature_holds_for_its_key_and_message_alone():
    signature = sign(ALICE, b"message")

    verify(ed25519_public(ALICE), b"message", signature)
    assert len(signature) == 64
    for public, message, claimed in (
        (ed25519_public(BOB), b"message", signature),
        (ed25519_public(ALICE), b"massage", signature),
        (ed25519_public(ALICE), b"message", bytes(64)),
        (ed25519_public(ALICE), b"message", signature[:63]),
        (ed25519_public(ALICE), b"message", signature + b"\x00"),
        (ed25519_public(ALICE)[:31], b"message", signature),
    ):
        with pytest.raises(CryptoFailure):
            verify(public, message, claimed)


def test_a_seal_opens_only_unchanged_under_its_nonce_and_associated_octets():
    cipher, nonce = Aead(ALICE), bytes(12)
    sealed = cipher.seal(nonce, b"plaintext", b"associated")

    assert cipher.open(nonce, sealed, b"associated") == b"plaintext"
    assert len(sealed) == 9 + 16
    for changed in (
        (nonce, sealed[:-1] + bytes((sealed[-1] ^ 1,)), b"associated"),
        (nonce, sealed, b""),
        (b"\x01" * 12, sealed, b"associated"),
        (nonce, b"", b"associated"),
        (nonce, sealed[:15], b"associated"),
    ):
        with pytest.raises(CryptoFailure):
            cipher.open(*changed)


@pytest.mark.parametrize("kind", [Aead, SigningKey])
def test_what_keeps_a_key_does_not_show_it(kind):
    assert ALICE.hex() not in repr(kind(ALICE))
    assert not hasattr(kind(ALICE), "__dict__")


def test_a_kem_key_parsed_once_is_the_key_of_its_seed():
    key = ML_KEM_768.private(SEED)

    ciphertext, secret = ML_KEM_768.encapsulate(key.public)

    assert key.public == ML_KEM_768.public_of(SEED)
    assert (len(key.public), len(ciphertext), len(secret)) == (1184, 1088, 32)
    assert (ML_KEM_768.public_bytes, ML_KEM_768.ciphertext_bytes) == (1184, 1088)
    assert key.decapsulate(ciphertext) == ML_KEM_768.decapsulate(SEED, ciphertext) == secret


@pytest.mark.parametrize("public", [b"", bytes(1183), b"\xff" * 1184])
def test_what_is_no_kem_key_is_refused(public):
    with pytest.raises(CryptoFailure):
        ML_KEM_768.encapsulate(public)


def test_a_kem_ciphertext_of_a_wrong_length_is_refused_and_a_changed_one_gives_another_secret():
    ciphertext, secret = ML_KEM_768.encapsulate(ML_KEM_768.public_of(SEED))

    with pytest.raises(CryptoFailure):
        ML_KEM_768.decapsulate(SEED, ciphertext[:-1])
    assert ML_KEM_768.decapsulate(SEED, bytes(1088)) != secret


def test_a_sealed_box_opens_for_its_key_alone():
    sealed = box_seal(x25519_public(ALICE), b"octets")

    assert box_open(ALICE, sealed) == b"octets"
    for private, claimed in ((BOB, sealed), (ALICE, sealed[:-1]), (ALICE, b""), (ALICE, os.urandom(60))):
        with pytest.raises(CryptoFailure):
            box_open(private, claimed)


def test_a_box_is_sealed_for_a_key_alone():
    with pytest.raises(CryptoFailure):
        box_seal(bytes(31), b"octets")


def test_a_passphrase_makes_a_key_that_depends_on_the_salt():
    key = argon2id(b"passphrase", bytes(16))

    assert len(key) == 32
    assert key == argon2id(b"passphrase", bytes(16))
    assert key != argon2id(b"passphrase", b"\x01" * 16)
    with pytest.raises(ValueError, match="16 bytes"):
        argon2id(b"passphrase", bytes(15))
