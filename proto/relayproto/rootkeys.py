"""The contract: what an organisation's root key signs - its domain, its successor, its documents (spec 70 §4, 75 §2).

A seed and words enter, a signature leaves; or a key, words and a signature, and nothing or CryptoFailure. The rule of
this file: each signature has a label of its own, so that none counts for anything else.
"""

from typing import Final

from relayproto.ids import UnitId
from relayproto.primitives import sign, verify

_OWNED: Final = b"relayd/owned/1"
_SUCCESSOR: Final = b"relayd/root-key/1"
_DOCUMENT: Final = b"relayd/document/1"


def sign_domain(root_seed: bytes, domain: str) -> bytes:
    """Return the signature by which a root key says that it speaks for a mail domain."""
    return sign(root_seed, _OWNED + domain.encode())


def check_domain(root_key: bytes, domain: str, signature: bytes) -> None:
    """Raise CryptoFailure where the root key has not signed this domain."""
    verify(root_key, _OWNED + domain.encode(), signature)


def sign_successor(root_seed: bytes, unit: UnitId, root_key: bytes) -> bytes:
    """Return the signature, by the old key or by the new one, that ``root_key`` is an organisation's from now on."""
    return sign(root_seed, _succession(unit, root_key))


def check_successor(key: bytes, unit: UnitId, root_key: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where ``key``, the old one or the new, has not signed this succession."""
    verify(key, _succession(unit, root_key), signature)


def sign_document(root_seed: bytes, document: bytes) -> bytes:
    """Return the signature that puts a version of a document in force; for the platform's, the relay's root's."""
    return sign(root_seed, _DOCUMENT + document)


def check_document(root_key: bytes, document: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where the root key has not signed this document."""
    verify(root_key, _DOCUMENT + document, signature)


def _succession(unit: UnitId, root_key: bytes) -> bytes:
    return _SUCCESSOR + unit.to_bytes(4) + root_key
