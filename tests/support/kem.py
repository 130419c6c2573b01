"""ML-KEM-768 by a second implementation, kyber-py, that takes its randomness as an argument: for frozen vectors."""

import hashlib

from kyber_py.ml_kem import ML_KEM_768 as KYBER

from relayproto.errors import CryptoFailure
from relayproto.limits import KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES
from relayproto.primitives import Entropy, Kem


def stream(label: str) -> Entropy:
    """Return randomness that is none: the n-th call gives SHAKE-256 of the label and n. An Entropy for tests."""
    calls = 0

    def entropy(count: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_256(f"{label}/{calls}".encode()).digest(count)

    return entropy


class KyberPrivate:
    """A private key, kept as kyber-py wants it."""

    def __init__(self, seed: bytes) -> None:
        self.public, self._key = KYBER.key_derive(seed)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        try:
            return KYBER.decaps(self._key, ciphertext)
        except ValueError:
            raise CryptoFailure from None


class DeterministicKem(Kem):
    """ML-KEM-768 whose encapsulations repeat where their entropy does."""

    public_bytes = KEM_PUBLIC_BYTES
    ciphertext_bytes = KEM_CIPHERTEXT_BYTES

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def private(self, seed: bytes) -> KyberPrivate:
        return KyberPrivate(seed)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        try:
            secret, ciphertext = KYBER._encaps_internal(public, self._entropy(32))
        except ValueError:
            raise CryptoFailure from None
        return ciphertext, secret
