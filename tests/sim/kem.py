"""What stands in for ML-KEM-768 in a simulated world: a KEM that hides nothing, and repeats where its entropy does.

The library draws its own randomness, so that with it no run would repeat to the byte; and its keys are most of what
joining costs. The rule of this file: sizes, and what fits what, are the real one's; that the real one is secret and
right is shown elsewhere (tests/vectors, tests/interop).
"""

import hashlib

from relayproto.errors import CryptoFailure
from relayproto.limits import KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES
from relayproto.primitives import Entropy, Kem, blake2b_256


def _secret(public: bytes, ciphertext: bytes) -> bytes:
    return blake2b_256(public + ciphertext, person=b"no secret")


class OpenPrivate:
    """A private key."""

    def __init__(self, seed: bytes) -> None:
        self.public = hashlib.shake_128(seed).digest(KEM_PUBLIC_BYTES)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        if len(ciphertext) != KEM_CIPHERTEXT_BYTES:
            raise CryptoFailure
        return _secret(self.public, ciphertext)


def stand_in(entropy: Entropy):
    """Return what takes the place of ``MlKem768``'s methods, by name."""

    def private(_: Kem, seed: bytes) -> OpenPrivate:
        return OpenPrivate(seed)

    def encapsulate(_: Kem, public: bytes) -> tuple[bytes, bytes]:
        if len(public) != KEM_PUBLIC_BYTES:
            raise CryptoFailure
        ciphertext = entropy(KEM_CIPHERTEXT_BYTES)
        return ciphertext, _secret(public, ciphertext)

    return {"private": private, "encapsulate": encapsulate}
