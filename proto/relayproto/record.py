"""The contract: records, between the bytes of a connection and the frames inside (spec 10).

Bytes of any cut enter and whole records leave; frames enter and padded plaintexts leave, and the other way round.
The rule of this file: a length that is not one of the few allowed ends the connection before anything is kept for it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from relayproto.codes import GoawayCode
from relayproto.errors import LocalProtocolError, RemoteProtocolError
from relayproto.limits import BULK_BUCKET, RECORD_BUCKETS, REKEY_AFTER_S, REKEY_BYTES, REKEY_RECORDS, TAG_BYTES
from relayproto.noise.cipherstate import CipherState

_PREFIX_BYTES: Final = 2
_BULK_BUCKETS: Final = (*RECORD_BUCKETS, BULK_BUCKET)
_RECORD_LENGTHS: Final = frozenset(size + TAG_BYTES for size in RECORD_BUCKETS)
_BULK_LENGTHS: Final = frozenset(size + TAG_BYTES for size in _BULK_BUCKETS)


def bucket(length: int, *, bulk: bool) -> int:
    """Return the smallest plaintext size that holds ``length`` bytes (spec 10 §1), or raise LocalProtocolError."""
    for size in _BULK_BUCKETS if bulk else RECORD_BUCKETS:
        if length <= size:
            return size
    raise LocalProtocolError(f"no record holds {length} bytes")


def prefixed(message: bytes) -> bytes:
    """Return the message behind its length, as records and handshake messages are on the wire (spec 10 §1, 20 §4)."""
    return len(message).to_bytes(_PREFIX_BYTES, "big") + message


def pack(frames: Iterable[bytes], *, bulk: bool = False) -> list[bytes]:
    """Return the plaintexts, padded, that hold the frames in their order, each record filled before the next begins.

    Raises LocalProtocolError for a frame that is empty or longer than a record: both are our own mistake.
    """
    room = BULK_BUCKET if bulk else RECORD_BUCKETS[-1]
    plaintexts: list[bytes] = []
    parts: list[bytes] = []
    size = 0
    for frame in frames:
        length = len(frame)
        cost = _PREFIX_BYTES + length
        if not length or cost > room:
            raise LocalProtocolError(f"a frame of {length} bytes fits no record")
        if size + cost > room:
            plaintexts.append(b"".join(parts).ljust(bucket(size, bulk=bulk), b"\x00"))
            parts, size = [], 0
        parts += (length.to_bytes(_PREFIX_BYTES), frame)
        size += cost
    if parts:
        plaintexts.append(b"".join(parts).ljust(bucket(size, bulk=bulk), b"\x00"))
    return plaintexts


def unpack(plaintext: bytes) -> Iterator[bytes]:
    """Yield the frames of a record; a length of 0, or too few bytes for a length, ends them (spec 10 §3).

    Raises RemoteProtocolError where a frame is longer than what is left of the record. One by one, since a record can
    hold three thousand: whoever takes only some of them keeps the record and nothing else.
    """
    at, end = 0, len(plaintext)
    while at + _PREFIX_BYTES <= end:
        length = plaintext[at] << 8 | plaintext[at + 1]
        if length == 0:
            break
        at += _PREFIX_BYTES + length
        if at > end:
            raise RemoteProtocolError(GoawayCode.BAD_RECORD, "a frame is longer than its record")
        yield plaintext[at - length : at]


class RecordBuffer:
    """What has arrived and was not yet taken: at most one incomplete record beside the bytes that were just fed."""

    __slots__ = ("_at", "_octets")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0

    def feed(self, octets: bytes) -> None:
        """Put what arrived behind what is here."""
        self._octets = self._octets[self._at :] + octets
        self._at = 0

    @property
    def begun(self) -> bool:
        """Whether the length of what comes next is here, and with it nearly always the rest."""
        return self._at + _PREFIX_BYTES <= len(self._octets)

    def take(self, length: int) -> bytes | None:
        """Return exactly so many bytes, or None until they are here."""
        return self._cut(self._at, length)

    def next_message(self, maximum: int) -> bytes | None:
        """Return the next handshake message without its length, or None until it is here whole (spec 20 §4).

        Raises RemoteProtocolError as soon as its length is known to be 0 or above ``maximum``.
        """
        length = self._length()
        if length is None:
            return None
        if not 0 < length <= maximum:
            raise RemoteProtocolError(GoawayCode.BAD_HANDSHAKE, "a handshake message of a length that none has")
        return self._cut(self._at + _PREFIX_BYTES, length)

    def next_record(self, *, bulk: bool = False) -> bytes | None:
        """Return the next record's ciphertext, or None until it is here whole.

        Raises RemoteProtocolError as soon as its length is known to be none of the allowed (spec 10 §1).
        """
        length = self._length()
        if length is None:
            return None
        if length not in (_BULK_LENGTHS if bulk else _RECORD_LENGTHS):
            raise RemoteProtocolError(GoawayCode.BAD_RECORD, "a record of a length that none has")
        return self._cut(self._at + _PREFIX_BYTES, length)

    def _length(self) -> int | None:
        octets, at = self._octets, self._at
        return octets[at] << 8 | octets[at + 1] if at + _PREFIX_BYTES <= len(octets) else None

    def _cut(self, start: int, length: int) -> bytes | None:
        if start + length > len(self._octets):
            return None
        self._at = start + length
        return self._octets[start : self._at]


class Sealer:
    """Our direction of the connection; knows when its key is worn (spec 10 §4)."""

    __slots__ = ("_cipher", "_octets", "_records", "_since")

    def __init__(self, cipher: CipherState, now: float) -> None:
        self._cipher = cipher
        self._records = self._octets = 0
        self._since = now

    def seal(self, plaintext: bytes) -> bytes:
        """Return the record, with its length in front. It must be sent, and in this order: its nonce is used."""
        self._records += 1
        self._octets += len(plaintext)
        return prefixed(self._cipher.encrypt_with_ad(b"", plaintext))

    def due(self, now: float) -> bool:
        """Whether the key has sealed enough records or bytes, or is old enough, to be replaced."""
        return self._records >= REKEY_RECORDS or self._octets >= REKEY_BYTES or now - self._since >= REKEY_AFTER_S

    def rekey(self, now: float) -> None:
        """Take the next key; the record before must have ended with REKEY."""
        self._cipher.rekey()
        self._records = self._octets = 0
        self._since = now


class Opener:
    """The peer's direction of the connection."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher

    def open(self, record: bytes) -> bytes:
        """Return the plaintext of a record, or raise CryptoFailure: the connection can't go on after that."""
        return self._cipher.decrypt_with_ad(b"", record)

    def rekey(self) -> None:
        """Take the next key, after the record that ended with REKEY."""
        self._cipher.rekey()
