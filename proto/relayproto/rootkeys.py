"""The contract: what an organisation's root key signs - its domain, its successor, its documents (spec 70 §4, 75 §2).

A seed and words enter, a signature leaves; or a key, words and a signature, and nothing or CryptoFailure. The rules of
this file: each signature has a label of its own, so that none counts for anything else; each names the relay that it is
for by the fingerprint of its root, so that none counts at another, where units have the same numbers.
"""

from typing import Final

from relayproto.ids import UnitId
from relayproto.primitives import sign, verify

_OWNED: Final = b"relayd/owned/1"
_SUCCESSOR: Final = b"relayd/root-key/1"
_DOCUMENT: Final = b"relayd/document/1"


def sign_domain(root_seed: bytes, relay: bytes, domain: str) -> bytes:
    """Return the signature by which a root key says at a relay that it speaks for a mail domain."""
    return sign(root_seed, _OWNED + relay + domain.encode())


def check_domain(root_key: bytes, relay: bytes, domain: str, signature: bytes) -> None:
    """Raise CryptoFailure where the root key has not signed this domain for this relay."""
    verify(root_key, _OWNED + relay + domain.encode(), signature)


def sign_successor(root_seed: bytes, relay: bytes, unit: UnitId, root_key: bytes) -> bytes:
    """Return the signature, by the old key or by the new one, that ``root_key`` is an organisation's from now on."""
    return sign(root_seed, _succession(relay, unit, root_key))


def check_successor(key: bytes, relay: bytes, unit: UnitId, root_key: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where ``key``, the old one or the new, has not signed this succession."""
    verify(key, _succession(relay, unit, root_key), signature)


def sign_document(root_seed: bytes, relay: bytes, document: bytes) -> bytes:
    """Return the signature that puts a version of a document in force; for the platform's, the relay's root's."""
    return sign(root_seed, _DOCUMENT + relay + document)


def check_document(root_key: bytes, relay: bytes, document: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where the root key has not signed this document for this relay."""
    verify(root_key, _DOCUMENT + relay + document, signature)


def _succession(relay: bytes, unit: UnitId, root_key: bytes) -> bytes:
    return _SUCCESSOR + relay + unit.to_bytes(4) + root_key
