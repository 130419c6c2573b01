"""The contract: Noise's SymmetricState (rev 34 §5.2), what both sides know so far.

Keys and the bytes of the handshake enter; ciphertexts, plaintexts and in the end two keys leave. The rule of this
file: everything that was said is in the hash, and every encryption is bound to that hash.
"""

import hashlib
import hmac

from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import NoiseSuite

_KEY_BYTES = 32


class SymmetricState:
    """The chaining key, the handshake hash and the key of the moment."""

    __slots__ = ("_chaining_key", "_cipher_state", "_hash", "_suite")

    def __init__(self, protocol_name: bytes, suite: NoiseSuite) -> None:
        """Begin with the protocol's name, padded or hashed to HASHLEN."""
        self._suite = suite
        length = suite.hash.length
        self._hash = protocol_name.ljust(length, b"\x00")
        if len(protocol_name) > length:
            self._hash = hashlib.new(suite.hash.name, protocol_name).digest()
        self._chaining_key = self._hash
        self._cipher_state = CipherState(suite.cipher)

    @property
    def handshake_hash(self) -> bytes:
        """The hash of everything said so far, HASHLEN bytes: a channel binding once the handshake is done."""
        return self._hash

    @property
    def has_key(self) -> bool:
        """Whether what is said now is encrypted."""
        return self._cipher_state.has_key

    def mix_key(self, ikm: bytes) -> None:
        """Put a shared secret into the chaining key and take a new key from it."""
        self._chaining_key, key = self._hkdf(ikm, 2)
        self._cipher_state = CipherState(self._suite.cipher, key[:_KEY_BYTES])

    def mix_hash(self, octets: bytes) -> None:
        """Put bytes that both sides know into the hash."""
        self._hash = hashlib.new(self._suite.hash.name, self._hash + octets).digest()

    def mix_key_and_hash(self, ikm: bytes) -> None:
        """Put a pre-shared key into both (rev 34 §9)."""
        self._chaining_key, mixed, key = self._hkdf(ikm, 3)
        self.mix_hash(mixed)
        self._cipher_state = CipherState(self._suite.cipher, key[:_KEY_BYTES])

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Encrypt, bound to the hash so far, and put the ciphertext into the hash."""
        ciphertext = self._cipher_state.encrypt_with_ad(self._hash, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Decrypt what ``encrypt_and_hash`` made, or raise CryptoFailure."""
        plaintext = self._cipher_state.decrypt_with_ad(self._hash, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split_keys(self) -> tuple[bytes, bytes]:
        """Return the two keys that the handshake ends with, 32 bytes each."""
        first, second = self._hkdf(b"", 2)
        return first[:_KEY_BYTES], second[:_KEY_BYTES]

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the initiator's and the responder's sending direction."""
        first, second = self.split_keys()
        return CipherState(self._suite.cipher, first), CipherState(self._suite.cipher, second)

    def _hkdf(self, ikm: bytes, outputs: int) -> list[bytes]:
        name = self._suite.hash.name
        extracted = hmac.digest(self._chaining_key, ikm, name)
        blocks: list[bytes] = []
        for counter in range(1, outputs + 1):
            previous = blocks[-1] if blocks else b""
            blocks.append(hmac.digest(extracted, previous + bytes((counter,)), name))
        return blocks
