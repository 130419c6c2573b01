import pytest

from relayproto.errors import CryptoFailure, LocalProtocolError
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import CHACHAPOLY
from relayproto.primitives import Aead

KEY = bytes(range(32))


def pair():
    return CipherState(CHACHAPOLY, KEY), CipherState(CHACHAPOLY, KEY)


def test_without_a_key_octets_pass_as_they_are():
    cipher = CipherState(CHACHAPOLY)

    assert not cipher.has_key
    assert cipher.encrypt_with_ad(b"ad", b"octets") == b"octets"
    assert cipher.decrypt_with_ad(b"ad", b"octets") == b"octets"


def test_each_message_has_a_nonce_of_its_own():
    sender, receiver = pair()

    sealed = [sender.encrypt_with_ad(b"ad", b"same") for _ in range(3)]

    assert sender.has_key
    assert len(set(sealed)) == 3
    assert [receiver.decrypt_with_ad(b"ad", each) for each in sealed] == [b"same"] * 3


def test_a_forgery_is_refused_and_does_not_move_the_counter():
    sender, receiver = pair()
    sealed = sender.encrypt_with_ad(b"", b"genuine")

    with pytest.raises(CryptoFailure):
        receiver.decrypt_with_ad(b"", bytes(len(sealed)))

    assert receiver.decrypt_with_ad(b"", sealed) == b"genuine"


def test_a_repeated_message_is_refused():
    sender, receiver = pair()
    sealed = sender.encrypt_with_ad(b"", b"once")
    receiver.decrypt_with_ad(b"", sealed)

    with pytest.raises(CryptoFailure):
        receiver.decrypt_with_ad(b"", sealed)


def test_a_new_key_is_the_papers_and_the_counter_goes_on():
    sender, receiver = pair()
    receiver.decrypt_with_ad(b"", sender.encrypt_with_ad(b"", b"before"))

    sender.rekey()
    receiver.rekey()

    sealed = sender.encrypt_with_ad(b"", b"after")
    next_key = Aead(KEY).seal(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
    assert Aead(next_key).open(CHACHAPOLY.nonce(1), sealed, b"") == b"after"
    assert receiver.decrypt_with_ad(b"", sealed) == b"after"


def test_without_a_key_there_is_none_to_replace():
    with pytest.raises(LocalProtocolError):
        CipherState(CHACHAPOLY).rekey()


def test_the_last_counter_is_kept_for_rekeying():
    sender, receiver = pair()
    sender._nonce = receiver._nonce = (1 << 64) - 2

    sealed = sender.encrypt_with_ad(b"", b"last")

    assert receiver.decrypt_with_ad(b"", sealed) == b"last"
    with pytest.raises(LocalProtocolError):
        sender.encrypt_with_ad(b"", b"one more")
    with pytest.raises(LocalProtocolError):
        receiver.decrypt_with_ad(b"", sealed)
