"""What lies sealed in the device's store, and the key that opens it.

Contents and secrets enter and sealed bytes leave, or the other way round. The store key lies beside them in the
private file, or is wrapped with a passphrase. The rule of this file: what was sealed for one place opens in no other,
so that nobody who can write to the file can put one thing where another belongs.
"""

from typing import Final, NamedTuple

from relayclient.errors import PassphraseNeeded, StoreDamaged, WrongPassphrase
from relayproto.errors import CryptoFailure
from relayproto.primitives import Aead, Entropy, argon2id

_NONCE_BYTES: Final = 12
"""Random, hence good for 2^32 seals with a chance of 2^-33 that one comes twice: more than a device ever makes."""
_SALT_BYTES: Final = 16
_WRAP_PLACE: Final = b"relayd/store-key/1"


class Lock(NamedTuple):
    """How the store key lies in the file: in clear where ``salt`` is empty, else wrapped with a passphrase."""

    salt: bytes
    key: bytes

    def __repr__(self) -> str:
        """Hide the key."""
        return f"Lock(wrapped={bool(self.salt)})"


class Vault:
    """Seals and opens under the store key."""

    __slots__ = ("_aead", "_entropy")

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        """Take the store key, 32 bytes."""
        self._aead = Aead(key)
        self._entropy = entropy

    def seal(self, octets: bytes, place: bytes) -> bytes:
        """Return the bytes sealed for a place: the column and the row that they are for."""
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + self._aead.seal(nonce, octets, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return what was sealed for this place, or raise StoreDamaged."""
        try:
            return self._aead.open(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (CryptoFailure, ValueError):
            raise StoreDamaged from None


def new_lock(passphrase: str | None, entropy: Entropy) -> tuple[Lock, Vault]:
    """Make a store key; return how it lies in the file and the vault that it opens."""
    key = entropy(32)
    if passphrase is None:
        return Lock(b"", key), Vault(key, entropy)
    salt = entropy(_SALT_BYTES)
    wrapped = Vault(argon2id(passphrase.encode(), salt), entropy).seal(key, _WRAP_PLACE)
    return Lock(salt, wrapped), Vault(key, entropy)


def unlock(lock: Lock, passphrase: str | None, entropy: Entropy) -> Vault:
    """Return the vault. Raises PassphraseNeeded and WrongPassphrase; a passphrase that isn't needed is ignored."""
    if not lock.salt:
        return Vault(lock.key, entropy)
    if passphrase is None:
        raise PassphraseNeeded
    try:
        key = Vault(argon2id(passphrase.encode(), lock.salt), entropy).open(lock.key, _WRAP_PLACE)
    except StoreDamaged:
        raise WrongPassphrase from None
    return Vault(key, entropy)
