"""The ciphers, hashes and curves that Noise names and the relay does not use: for the public vectors alone."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relayproto.errors import CryptoFailure
from relayproto.noise.suites import CHACHAPOLY, SHA256, X25519, Cipher, Dh, Hash, NoiseSuite


class AesGcm:
    """AES-256-GCM under one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        return self._cipher.encrypt(nonce, plaintext, associated)

    def open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, associated)
        except InvalidTag:
            raise CryptoFailure from None


def x448_public(private: bytes) -> bytes:
    return X448PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x448(private: bytes, public: bytes) -> bytes:
    return X448PrivateKey.from_private_bytes(private).exchange(X448PublicKey.from_public_bytes(public))


DHS = {"25519": X25519, "448": Dh(56, x448_public, x448)}
CIPHERS = {
    "ChaChaPoly": CHACHAPOLY,
    "AESGCM": Cipher(AesGcm, lambda counter: bytes(4) + counter.to_bytes(8, "big")),
}
HASHES = {
    "SHA256": SHA256,
    "SHA512": Hash("sha512", 64),
    "BLAKE2s": Hash("blake2s", 32),
    "BLAKE2b": Hash("blake2b", 64),
}
SUITES = {
    f"{dh}_{cipher}_{digest}": NoiseSuite(f"{dh}_{cipher}_{digest}", DHS[dh], CIPHERS[cipher], HASHES[digest])
    for dh in DHS
    for cipher in CIPHERS
    for digest in HASHES
}
