"""The contract, lowest room: the cryptographic primitives, and which library does which.

Keys and bytes enter; bytes leave, or ``CryptoFailure``. The rule of this file: nothing above it knows PyNaCl,
``cryptography`` or hashlib, and no primitive is written by hand. What comes from the peer may have any length and
ends in ``CryptoFailure``; a key of our own of a wrong length is our mistake and raises ValueError (PyNaCl's
bindings hand the pointer to C unchecked, so every length is checked here).
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings, exceptions, pwhash

from relayproto.errors import CryptoFailure
from relayproto.limits import KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES

Entropy = Callable[[int], bytes]
"""Gives so many random bytes; an argument everywhere, so that a test can repeat what happened."""

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEM_SEED_BYTES: Final = 64
_HKDF_BYTES_MAX: Final = 255 * 32
_SALT_BYTES: Final = 16
_STRETCH_PASSES: Final = 3
_STRETCH_BYTES: Final = 64 << 20

equal = hmac.compare_digest
"""Compare two byte strings in a time that depends on their lengths only."""


def blake2b_256(octets: bytes, *, key: bytes = b"", person: bytes = b"") -> bytes:
    """Return BLAKE2b with 32 bytes of output (RFC 7693); ``key`` has at most 64 bytes, ``person`` at most 16."""
    return hashlib.blake2b(octets, digest_size=32, key=key, person=person).digest()


def hmac_sha256(key: bytes, octets: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104), 32 bytes."""
    return hmac.digest(key, octets, "sha256")


def hkdf_sha256(secret: bytes, *, salt: bytes, label: bytes, length: int) -> bytes:
    """Return ``length`` bytes of HKDF-SHA256 (RFC 5869); ValueError above 8,160 bytes, where it is not defined."""
    if not 0 < length <= _HKDF_BYTES_MAX:
        raise ValueError(f"HKDF gives 1 to {_HKDF_BYTES_MAX} bytes")
    extracted = hmac_sha256(salt, secret)
    block = output = b""
    counter = 0
    while len(output) < length:
        counter += 1
        block = hmac_sha256(extracted, block + label + bytes((counter,)))
        output += block
    return output[:length]


def _own(key: bytes, length: int) -> None:
    if len(key) != length:
        raise ValueError(f"a key of our own does not have {length} bytes")


def _foreign(octets: bytes, length: int) -> None:
    if len(octets) != length:
        raise CryptoFailure


def x25519_public(private: bytes) -> bytes:
    """Return the public key of a private one (RFC 7748), both 32 bytes."""
    _own(private, KEY_BYTES)
    return bindings.crypto_scalarmult_base(private)


def x25519(private: bytes, public: bytes) -> bytes:
    """Return the shared secret, 32 bytes; CryptoFailure for a point of low order, whose secret anybody knows."""
    _own(private, KEY_BYTES)
    _foreign(public, KEY_BYTES)
    try:
        return bindings.crypto_scalarmult(private, public)
    except exceptions.RuntimeError:
        raise CryptoFailure from None


def ed25519_public(seed: bytes) -> bytes:
    """Return the public key of a 32-byte seed (RFC 8032)."""
    _own(seed, KEY_BYTES)
    return bindings.crypto_sign_seed_keypair(seed)[0]


class SigningKey:
    """An Ed25519 private key, ready: to make it ready takes as long as to sign, so whoever signs often keeps this."""

    __slots__ = ("_pair",)

    def __init__(self, seed: bytes) -> None:
        """Take a seed of 32 bytes (RFC 8032); ValueError for another length."""
        _own(seed, KEY_BYTES)
        self._pair = bindings.crypto_sign_seed_keypair(seed)[1]

    def sign(self, message: bytes) -> bytes:
        """Return the signature, SIGNATURE_BYTES."""
        return bindings.crypto_sign(message, self._pair)[:SIGNATURE_BYTES]


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the Ed25519 signature, 64 bytes."""
    return SigningKey(seed).sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Return if the Ed25519 signature holds, else raise CryptoFailure."""
    _foreign(public, KEY_BYTES)
    _foreign(signature, SIGNATURE_BYTES)
    try:
        bindings.crypto_sign_open(signature + message, public)
    except exceptions.BadSignatureError:
        raise CryptoFailure from None


def box_seal(public: bytes, octets: bytes) -> bytes:
    """Return the octets for whoever has the X25519 private key, 48 bytes longer (libsodium's sealed box).

    The library draws the sender's one-time key itself: randomness is no argument here.
    """
    _foreign(public, KEY_BYTES)
    return bindings.crypto_box_seal(octets, public)


def box_open(private: bytes, sealed: bytes) -> bytes:
    """Return what ``box_seal`` was given, or raise CryptoFailure."""
    try:
        return bindings.crypto_box_seal_open(sealed, x25519_public(private), private)
    except exceptions.CryptoError:
        raise CryptoFailure from None


def argon2id(passphrase: bytes, salt: bytes) -> bytes:
    """Return the 32-byte key that Argon2id (RFC 9106) makes of a passphrase and 16 bytes of salt.

    3 passes over 64 MiB: RFC 9106's second recommended setting, in libsodium's one lane; about 0.1 s for whoever
    may open it.
    """
    _own(salt, _SALT_BYTES)
    return pwhash.argon2id.kdf(KEY_BYTES, passphrase, salt, opslimit=_STRETCH_PASSES, memlimit=_STRETCH_BYTES)


class Aead:
    """ChaCha20-Poly1305 (RFC 8439) under one key; a nonce is 12 bytes and must never come twice under a key."""

    __slots__ = ("_cipher", "seal")

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes; ValueError for another length."""
        self._cipher = ChaCha20Poly1305(key)
        self.seal: Callable[[bytes, bytes, bytes], bytes] = self._cipher.encrypt
        """Return, for a nonce, a plaintext and associated bytes, the ciphertext with its tag of 16 bytes."""

    def open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Return the plaintext, or raise CryptoFailure; a nonce of another length is ValueError."""
        try:
            return self._cipher.decrypt(nonce, sealed, associated)
        except InvalidTag:
            raise CryptoFailure from None


class KemPrivate(Protocol):
    """A KEM's private key, parsed: parsing costs as much as using it, so whoever uses it twice keeps this."""

    @property
    def public(self) -> bytes:
        """The public key."""

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """Return the shared secret, 32 bytes; CryptoFailure for a ciphertext of a wrong length."""


class Kem(Protocol):
    """A key encapsulation mechanism; an argument, so that frozen vectors can bring a deterministic one."""

    public_bytes: int
    ciphertext_bytes: int

    def private(self, seed: bytes) -> KemPrivate:
        """Return the private key that the 64-byte seed makes (FIPS 203: d | z)."""

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Return (ciphertext, shared secret of 32 bytes), or raise CryptoFailure for what is no public key."""

    def public_of(self, seed: bytes) -> bytes:
        """Return the public key of the seed."""
        return self.private(seed).public

    def decapsulate(self, seed: bytes, ciphertext: bytes) -> bytes:
        """Return the shared secret; CryptoFailure for a ciphertext of a wrong length."""
        return self.private(seed).decapsulate(ciphertext)


class _MlKem768Private:
    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        _own(seed, KEM_SEED_BYTES)
        self._key = MLKEM768PrivateKey.from_seed_bytes(seed)

    @property
    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        _foreign(ciphertext, KEM_CIPHERTEXT_BYTES)
        return self._key.decapsulate(ciphertext)


class MlKem768(Kem):
    """ML-KEM-768 (FIPS 203).

    ``encapsulate`` draws its own randomness: the library takes none. With ``box_seal`` it is the only place of the
    package where randomness is not an argument.
    """

    public_bytes = KEM_PUBLIC_BYTES
    ciphertext_bytes = KEM_CIPHERTEXT_BYTES

    def private(self, seed: bytes) -> KemPrivate:
        """Parse a seed of 64 bytes."""
        return _MlKem768Private(seed)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Return (ciphertext of 1,088 bytes, shared secret); CryptoFailure for what FIPS 203 §7.2 refuses."""
        _foreign(public, KEM_PUBLIC_BYTES)
        try:
            secret, ciphertext = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
        except ValueError:
            raise CryptoFailure from None
        return ciphertext, secret


ML_KEM_768: Final[Kem] = MlKem768()
