"""The contract: origin stamps - the relay's word about a message's author, sealed until somebody complains.

At intake the relay seals the author under the hour's key and signs a tree over messages of one commit; recipients
check the stamp without learning more; moderators who hold the hour's key open it (spec 65). The rule of this file:
a stamp holds for one commitment only, and says nothing to anybody without the key of its hour.
"""

import struct
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from relayproto.codes import Scope
from relayproto.descriptor import KeyDescriptor
from relayproto.errors import CryptoFailure, LocalProtocolError
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import COMMITMENT_BYTES, STAMPED_TOGETHER_MAX
from relayproto.primitives import Aead, SigningKey, box_open, box_seal, verify

_VERSION: Final = 1
_LABEL: Final = b"relayd/stamp/1"
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_HASH_BYTES: Final = 32
_AUTHOR: Final = struct.Struct(">32sIBQ")
_KEY_ID: Final = struct.Struct(">II")
_PLACE: Final = struct.Struct(">HH")
HOUR_MS: Final = 3_600_000
KEY_ID_BYTES: Final = 8
NONCE_BYTES: Final = 12
SEAL_BYTES: Final = KEY_ID_BYTES + NONCE_BYTES + _AUTHOR.size + 16
_SIGNATURE_BYTES: Final = 64
_PATH_AT: Final = 1 + SEAL_BYTES + _PLACE.size


class Author(NamedTuple):
    """Who submitted a message, for whom it was (person, group, broadcast), and when (unix ms, the relay's time)."""

    account: AccountId
    device: DeviceId
    scope: Scope
    ms: int


class _Parts(NamedTuple):
    seal: bytes
    place: int
    size: int
    path: bytes
    signature: bytes


def key_id_at(relay_id: int, now_ms: int) -> bytes:
    """Return the id of the hour's key: relay id and hours since 1970 (spec 65 §2)."""
    return _KEY_ID.pack(relay_id, now_ms // HOUR_MS)


def seal_author(hour_key: Aead, key_id: bytes, nonce: bytes, commitment: bytes, author: Author) -> bytes:
    """Return the 81-byte seal of one message's author; ``nonce`` is 12 random bytes."""
    head = key_id + nonce
    return head + hour_key.seal(nonce, _AUTHOR.pack(*author), head + commitment)


def stamp_all(sealed: Sequence[tuple[bytes, bytes]], stamp_key: SigningKey) -> list[bytes]:
    """Return one stamp for each (seal, commitment), all under one signature.

    Raises LocalProtocolError for none, for more than STAMPED_TOGETHER_MAX and for seals of more than one hour.
    """
    size = len(sealed)
    if not 0 < size <= STAMPED_TOGETHER_MAX:
        raise LocalProtocolError(f"{size} messages can't be stamped together")
    key_id, *others = {seal[:KEY_ID_BYTES] for seal, _ in sealed}
    if others:
        raise LocalProtocolError("messages of two hours can't be stamped together")
    levels = _levels(
        [blake2b(_LEAF + seal + commitment, digest_size=_HASH_BYTES).digest() for seal, commitment in sealed]
    )
    signature = stamp_key.sign(_LABEL + key_id + levels[-1][0])
    version, place = bytes((_VERSION,)), _PLACE.pack
    return [
        version + seal + place(index, size) + path + signature
        for index, ((seal, _), path) in enumerate(zip(sealed, _paths(levels), strict=True))
    ]


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return all levels of the tree from the leaves up; a lone last node moves up as it is (RFC 9162 §2.1)."""
    levels = [leaves]
    while len(level := levels[-1]) > 1:
        above = [
            blake2b(_NODE + level[at] + level[at + 1], digest_size=_HASH_BYTES).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        levels.append([*above, level[-1]] if len(level) % 2 else above)
    return levels


def _paths(levels: list[list[bytes]]) -> list[bytes]:
    """Return every leaf's path. From the root down: what stands beside a node, before the path of the one above it."""
    paths = [b""]
    for level in reversed(levels[:-1]):
        last = len(level) - 1
        paths = [
            paths[at >> 1] if at == last and not at & 1 else level[at ^ 1] + paths[at >> 1] for at in range(last + 1)
        ]
    return paths


def _root(leaf: bytes, parts: _Parts) -> bytes:
    """Return the root that leaf and path lead to (RFC 9162 §2.1.3.2); CryptoFailure for a path of a wrong length."""
    node, index, last, at = leaf, parts.place, parts.size - 1, 0
    while last:
        if index % 2 or index < last:
            beside = parts.path[at : at + _HASH_BYTES]
            node = blake2b(_NODE + (beside + node if index % 2 else node + beside), digest_size=_HASH_BYTES).digest()
            at += _HASH_BYTES
        index >>= 1
        last >>= 1
    if at != len(parts.path):
        raise CryptoFailure
    return node


def _parts(stamp: bytes) -> _Parts:
    if len(stamp) < _PATH_AT + _SIGNATURE_BYTES or stamp[0] != _VERSION:
        raise CryptoFailure
    index, size = _PLACE.unpack_from(stamp, 1 + SEAL_BYTES)
    if not index < size <= STAMPED_TOGETHER_MAX:
        raise CryptoFailure
    return _Parts(
        stamp[1 : 1 + SEAL_BYTES], index, size, stamp[_PATH_AT:-_SIGNATURE_BYTES], stamp[-_SIGNATURE_BYTES:]
    )  # fmt: skip


def key_id(stamp: bytes) -> bytes:
    """Return the id of the hour's key that the stamp's seal is under; CryptoFailure for what is no stamp."""
    return _parts(stamp).seal[:KEY_ID_BYTES]


def check(stamp: bytes, commitment: bytes, stamp_key: bytes) -> None:
    """Return if the stamp was made for this commitment under this Ed25519 public key, else raise CryptoFailure."""
    parts = _parts(stamp)
    if len(commitment) != COMMITMENT_BYTES:
        raise CryptoFailure
    root = _root(blake2b(_LEAF + parts.seal + commitment, digest_size=_HASH_BYTES).digest(), parts)
    verify(stamp_key, _LABEL + parts.seal[:KEY_ID_BYTES] + root, parts.signature)


def check_known(stamp: bytes, commitment: bytes, descriptors: Iterable[KeyDescriptor]) -> None:
    """Return if the stamp is good under a key that its relay had in the stamp's hour, else raise CryptoFailure."""
    relay_id, hour = _KEY_ID.unpack(key_id(stamp))
    for descriptor in descriptors:
        begin_ms, end_ms = hour * HOUR_MS, (hour + 1) * HOUR_MS
        if descriptor.relay_id != relay_id or descriptor.not_before_ms >= end_ms or descriptor.not_after_ms < begin_ms:
            continue
        try:
            check(stamp, commitment, descriptor.stamp_key)
        except CryptoFailure:
            continue
        return
    raise CryptoFailure


def open_author(stamp: bytes, commitment: bytes, hour_key: Aead) -> Author:
    """Return the author; for moderators. CryptoFailure where key, commitment or seal do not fit.

    Opening does not replace ``check``: who has the hour's key could make a seal, but not the signature.
    """
    seal = _parts(stamp).seal
    head, nonce = seal[: KEY_ID_BYTES + NONCE_BYTES], seal[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES]
    account, device, scope, ms = _AUTHOR.unpack(hour_key.open(nonce, seal[len(head) :], head + commitment))
    try:
        return Author(AccountId(account), DeviceId(device), Scope(scope), ms)
    except ValueError:
        raise CryptoFailure from None


def seal_hour_key(hour_key: bytes, first_public: bytes, second_public: bytes) -> bytes:
    """Return the key so that it takes both moderators' X25519 keys to have it again (spec 65 §5)."""
    return box_seal(first_public, box_seal(second_public, hour_key))


def open_hour_key(sealed: bytes, first_private: bytes, second_private: bytes) -> bytes:
    """Return the hour's key; CryptoFailure where one of the two keys does not fit."""
    return box_open(second_private, box_open(first_private, sealed))
