"""The contract: Noise's CipherState (rev 34 §5.1), one direction's key and counter.

Plaintexts enter and ciphertexts leave, or the other way round. The rule of this file: a counter is used once.
"""

from typing import Final

from relayproto.errors import LocalProtocolError
from relayproto.noise.suites import Cipher

_NONCE_MAX: Final = (1 << 64) - 1
"""Kept for rekeying, never for a message (rev 34 §5.1)."""


class CipherState:
    """A key, or none yet, and the number of the next message under it."""

    __slots__ = ("_aead", "_cipher", "_nonce")

    def __init__(self, cipher: Cipher, key: bytes | None = None) -> None:
        """Start at message 0 under ``key`` (32 bytes), or without one: then bytes pass as they are."""
        self._cipher = cipher
        self._aead = None if key is None else cipher.keyed(key)
        self._nonce = 0

    @property
    def has_key(self) -> bool:
        """Whether what passes is encrypted."""
        return self._aead is not None

    def encrypt_with_ad(self, associated: bytes, plaintext: bytes) -> bytes:
        """Return the ciphertext, 16 bytes longer; LocalProtocolError once 2^64-1 messages have been sealed."""
        if self._aead is None:
            return plaintext
        sealed = self._aead.seal(self._next_nonce(), plaintext, associated)
        self._nonce += 1
        return sealed

    def decrypt_with_ad(self, associated: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext, or raise CryptoFailure and stay at the same counter (rev 34 §5.1)."""
        if self._aead is None:
            return ciphertext
        plaintext = self._aead.open(self._next_nonce(), ciphertext, associated)
        self._nonce += 1
        return plaintext

    def rekey(self) -> None:
        """Replace the key by one that does not lead back to it; the counter goes on (rev 34 §4.2, §11.3)."""
        if self._aead is None:
            raise LocalProtocolError("there is no key to replace")
        self._aead = self._cipher.keyed(self._aead.seal(self._cipher.nonce(_NONCE_MAX), bytes(32), b"")[:32])

    def _next_nonce(self) -> bytes:
        if self._nonce >= _NONCE_MAX:
            raise LocalProtocolError("the counter of this key is used up")
        return self._cipher.nonce(self._nonce)
