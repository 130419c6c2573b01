"""The contract: the named functions that a Noise protocol is made with (Noise rev 34 §4, §12).

A suite is a value that the engine takes, so that the public vectors can bring ciphers and hashes that the relay
itself does not have. The rule of this file: the product has one suite.
"""

from collections.abc import Callable
from typing import Final, Protocol

from relayproto.primitives import Aead, x25519, x25519_public
from relayproto.value import Value


class KeyedAead(Protocol):
    """An AEAD under one key; ``open`` raises CryptoFailure."""

    def seal(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """Return ciphertext and tag."""

    def open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Return the plaintext."""


class Dh(Value, frozen=True):
    """A Diffie-Hellman function; keys and secrets have ``length`` bytes. ``exchange`` raises CryptoFailure."""

    length: int
    public: Callable[[bytes], bytes]
    exchange: Callable[[bytes, bytes], bytes]


class Cipher(Value, frozen=True):
    """A cipher: what makes an AEAD of a 32-byte key, and how it writes the 64-bit counter as 12 bytes of nonce."""

    keyed: Callable[[bytes], KeyedAead]
    nonce: Callable[[int], bytes]


class Hash(Value, frozen=True):
    """A hash function by hashlib's name, and HASHLEN in bytes."""

    name: str
    length: int


class NoiseSuite(Value, frozen=True):
    """What a protocol's name says after its pattern; ``name`` leaves out the KEM, which is an argument by itself."""

    name: str
    dh: Dh
    cipher: Cipher
    hash: Hash


def _counter_nonce(counter: int) -> bytes:
    return b"\x00\x00\x00\x00" + counter.to_bytes(8, "little")


X25519: Final = Dh(32, x25519_public, x25519)
CHACHAPOLY: Final = Cipher(Aead, _counter_nonce)
SHA256: Final = Hash("sha256", 32)
NOISE_SHA256: Final = NoiseSuite("25519_ChaChaPoly_SHA256", X25519, CHACHAPOLY, SHA256)
"""The relay's own: 25519, ChaChaPoly, SHA256 (decision 0004)."""
