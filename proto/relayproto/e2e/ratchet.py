"""The contract, between devices: the Double Ratchet (spec 60 §3).

A state and a plaintext enter, the next state and a message leave, and the other way round. The rule of this file: a
state is a value - nothing is changed in place, so what fails leaves nothing behind, and what is not committed did not
happen.
"""

import struct
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed
from relayproto.fields import U64, octets, octets_up_to, sequence, uint
from relayproto.limits import RATCHET_JUMP_MAX, RATCHET_KEPT_MAX, RATCHET_KEPT_MS
from relayproto.packed import pack, unpack
from relayproto.primitives import KEY_BYTES, Aead, Entropy, hkdf_sha256, hmac_sha256, x25519, x25519_public
from relayproto.value import Packable, Value

_VERSION: Final = 1
_LABEL: Final = b"relayd/ratchet/1"
_MESSAGE_KEY: Final = b"\x01"
_NEXT_CHAIN: Final = b"\x02"
_NO_NONCE: Final = bytes(12)
_NUMBER_MAX: Final = (1 << 32) - 1
_HEADER: Final = struct.Struct(">B32sIIH")
_PLACE: Final = struct.Struct(">32sI")


class Kept(NamedTuple):
    """A message key kept for one that was overtaken, and since when (unix ms)."""

    key: bytes
    since_ms: int

    def __repr__(self) -> str:
        return f"Kept(since_ms={self.since_ms})"


class Ratchet(Value, frozen=True):
    """One side of a session.

    ``associated`` binds every message to the handshake and the two devices; an empty chain or remote key is one that
    does not exist yet; ``previous`` is the length of the sending chain before this one; ``kept`` is by ratchet key and
    number, the oldest first.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"root", "private", "sending", "receiving", "kept"})
    associated: bytes
    root: bytes
    private: bytes
    public: bytes
    remote: bytes
    sending: bytes
    receiving: bytes
    sent: int = 0
    received: int = 0
    previous: int = 0
    kept: Mapping[bytes, Kept] = msgspec.field(default_factory=dict)


class _Header(NamedTuple):
    remote: bytes
    previous: int
    number: int
    bytes: int


_Key = Annotated[bytes, octets(KEY_BYTES)]
_MaybeKey = Annotated[bytes, octets_up_to(KEY_BYTES)]
_Number = Annotated[int, uint(_NUMBER_MAX)]


class _PackedKept(Packable, frozen=True):
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"key"})
    place: Annotated[bytes, octets(_PLACE.size)]
    key: _Key
    since_ms: U64


class _Packed(Packable, frozen=True):
    """A ratchet as it is packed: what it keeps in an order, by no key."""

    HIDDEN: ClassVar[frozenset[str]] = Ratchet.HIDDEN
    associated: _Key
    root: _Key
    private: _Key
    public: _Key
    remote: _MaybeKey
    sending: _MaybeKey
    receiving: _MaybeKey
    sent: _Number
    received: _Number
    previous: _Number
    kept: Annotated[tuple[_PackedKept, ...], sequence(RATCHET_KEPT_MAX)]


def _root_step(root: bytes, secret: bytes) -> tuple[bytes, bytes]:
    both = hkdf_sha256(secret, salt=root, label=_LABEL, length=2 * KEY_BYTES)
    return both[:KEY_BYTES], both[KEY_BYTES:]


def for_initiator(root: bytes, associated: bytes, signed_prekey: bytes, entropy: Entropy) -> Ratchet:
    """Return the state of the side that begins; the other's signed prekey is its first ratchet key."""
    private = entropy(KEY_BYTES)
    root, sending = _root_step(root, x25519(private, signed_prekey))
    return Ratchet(associated, root, private, x25519_public(private), signed_prekey, sending, b"")


def for_responder(root: bytes, associated: bytes, signed_private: bytes) -> Ratchet:
    """Return the state of the side that was asleep; it can send only after it has received."""
    return Ratchet(associated, root, signed_private, x25519_public(signed_private), b"", b"", b"")


def encrypt(ratchet: Ratchet, plaintext: bytes) -> tuple[Ratchet, bytes]:
    """Return the next state, to be committed before the message is sent, and the message."""
    if not ratchet.sending or ratchet.sent >= _NUMBER_MAX:
        raise LocalProtocolError("this side of the ratchet can't send now")
    header = _HEADER.pack(_VERSION, ratchet.public, ratchet.previous, ratchet.sent, 0)
    sealed = Aead(hmac_sha256(ratchet.sending, _MESSAGE_KEY)).seal(_NO_NONCE, plaintext, ratchet.associated + header)
    after = replace(ratchet, sending=hmac_sha256(ratchet.sending, _NEXT_CHAIN), sent=ratchet.sent + 1)
    return after, header + sealed


def decrypt(ratchet: Ratchet, message: bytes, *, now_ms: int, entropy: Entropy) -> tuple[Ratchet, bytes]:
    """Return the next state, to be committed with what the plaintext means, and the plaintext; or CryptoFailure."""
    header = _read(message)
    place = _PLACE.pack(header.remote, header.number)
    kept = ratchet.kept.get(place)
    if kept is not None and not _expired(kept, now_ms):
        plaintext = _opened(ratchet, kept.key, header, message)
        return replace(ratchet, kept={at: key for at, key in ratchet.kept.items() if at != place}), plaintext
    fresh = header.remote != ratchet.remote
    _check_jump(ratchet, header, fresh=fresh)
    keys = dict(ratchet.kept)
    if fresh:
        _skip(keys, ratchet, header.previous, now_ms)
        ratchet = _turned(ratchet, header.remote, entropy)
    chain = _skip(keys, ratchet, header.number, now_ms)
    plaintext = _opened(ratchet, hmac_sha256(chain, _MESSAGE_KEY), header, message)
    _forget(keys, now_ms)
    after = replace(ratchet, receiving=hmac_sha256(chain, _NEXT_CHAIN), received=header.number + 1, kept=keys)
    return after, plaintext


def expects(ratchet: Ratchet, message: bytes) -> bool:
    """Say whether the message belongs to a chain of this state, without trying to open it."""
    header = _read(message)
    return header.remote == ratchet.remote or _PLACE.pack(header.remote, header.number) in ratchet.kept


def _read(message: bytes) -> _Header:
    if len(message) < _HEADER.size or message[0] != _VERSION:
        raise CryptoFailure
    _, remote, previous, number, extension = _HEADER.unpack_from(message)
    return _Header(remote, previous, number, _HEADER.size + extension)


def _opened(ratchet: Ratchet, key: bytes, header: _Header, message: bytes) -> bytes:
    associated = ratchet.associated + message[: header.bytes]
    return Aead(key).open(_NO_NONCE, message[header.bytes :], associated)


def _check_jump(ratchet: Ratchet, header: _Header, *, fresh: bool) -> None:
    """Refuse what was received already, and what would cost more than the bound (before anything is computed)."""
    if fresh:
        jump = header.number + (max(header.previous - ratchet.received, 0) if ratchet.receiving else 0)
    else:
        jump = header.number - ratchet.received
    if not 0 <= jump <= RATCHET_JUMP_MAX or header.number >= _NUMBER_MAX or not (fresh or ratchet.receiving):
        raise CryptoFailure


def _skip(keys: dict[bytes, Kept], ratchet: Ratchet, until: int, now_ms: int) -> bytes:
    """Keep the keys of the receiving chain before ``until``; return the chain key there."""
    chain = ratchet.receiving
    if chain:
        for number in range(ratchet.received, until):
            keys[_PLACE.pack(ratchet.remote, number)] = Kept(hmac_sha256(chain, _MESSAGE_KEY), now_ms)
            chain = hmac_sha256(chain, _NEXT_CHAIN)
    return chain


def _turned(ratchet: Ratchet, remote: bytes, entropy: Entropy) -> Ratchet:
    """Return the state after the other side's new key: its chain, and a new key and chain of ours."""
    root, receiving = _root_step(ratchet.root, x25519(ratchet.private, remote))
    private = entropy(KEY_BYTES)
    root, sending = _root_step(root, x25519(private, remote))
    return Ratchet(
        ratchet.associated, root, private, x25519_public(private), remote, sending, receiving,
        previous=ratchet.sent,
    )  # fmt: skip


def _forget(keys: dict[bytes, Kept], now_ms: int) -> None:
    """Drop the oldest keys beyond the bounds of number and age."""
    expired = [place for place, kept in keys.items() if _expired(kept, now_ms)]
    for place in expired:
        del keys[place]
    for place in list(keys)[: max(len(keys) - RATCHET_KEPT_MAX, 0)]:
        del keys[place]


def _expired(kept: Kept, now_ms: int) -> bool:
    return kept.since_ms + RATCHET_KEPT_MS < now_ms


def to_bytes(ratchet: Ratchet) -> bytes:
    """Return the state for the device's own store; it holds secrets."""
    *others, _ = ratchet.fields()
    kept = [(place, key, since_ms) for place, (key, since_ms) in ratchet.kept.items()]
    return bytes((_VERSION,)) + pack(*others, kept)


def from_bytes(stored: bytes) -> Ratchet:
    """Return the state that ``to_bytes`` gave, or raise Malformed."""
    if stored[:1] != bytes((_VERSION,)):
        raise Malformed("not a ratchet of a known version")
    said = unpack(stored[1:], _Packed)
    kept = {each.place: Kept(each.key, each.since_ms) for each in said.kept}
    return Ratchet(
        said.associated, said.root, said.private, said.public, said.remote, said.sending, said.receiving,
        said.sent, said.received, said.previous, kept,
    )  # fmt: skip
