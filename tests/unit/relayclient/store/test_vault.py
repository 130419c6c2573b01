"""What lies sealed, and the passphrase."""

import pytest

from relayclient.errors import PassphraseNeeded, StoreDamaged, WrongPassphrase
from relayclient.store.vault import Vault, new_lock, unlock
from support.kem import stream


def test_what_was_sealed_opens_in_its_place_only():
    vault = Vault(bytes(32), stream("vault"))
    sealed = vault.seal(b"secret", b"here")

    assert vault.open(sealed, b"here") == b"secret"
    assert b"secret" not in sealed
    with pytest.raises(StoreDamaged):
        vault.open(sealed, b"there")


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s[:5], lambda s: b"", lambda s: bytes((s[0] ^ 1,)) + s[1:]]
)
def test_what_was_changed_is_damaged(change):
    vault = Vault(bytes(32), stream("vault"))

    with pytest.raises(StoreDamaged):
        vault.open(change(vault.seal(b"secret", b"here")), b"here")


def test_the_store_key_is_not_shown_in_a_repr():
    lock, _ = new_lock(None, lambda count: b"k" * count)

    assert "kkkk" not in repr(lock)


def test_the_same_is_never_sealed_the_same():
    vault = Vault(bytes(32), stream("vault"))

    assert vault.seal(b"secret", b"here") != vault.seal(b"secret", b"here")


def test_without_a_passphrase_the_key_lies_in_clear():
    lock, vault = new_lock(None, stream("lock"))

    again = unlock(lock, "not needed", stream("other"))

    assert lock.salt == b""
    assert again.open(vault.seal(b"secret", b"p"), b"p") == b"secret"


def test_a_passphrase_is_needed_and_checked():
    lock, vault = new_lock("correct horse", stream("lock"))

    again = unlock(lock, "correct horse", stream("other"))

    assert again.open(vault.seal(b"secret", b"p"), b"p") == b"secret"
    with pytest.raises(PassphraseNeeded):
        unlock(lock, None, stream("other"))
    with pytest.raises(WrongPassphrase):
        unlock(lock, "battery staple", stream("other"))
