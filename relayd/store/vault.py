"""The store room: what of a row is sealed, and how (protocol.md §6, cryptography.md §7).

The parts of an envelope or an outcome enter, one sealed blob leaves, and the other way round. The rules of this file:
a blob opens only at its own lane and sequence; and no nonce comes twice under a key - eight random bytes a process
and a counter.
"""

import struct
from itertools import count
from typing import Final

from relayd.domain.lifetimes import day
from relayd.store.daykeys import DayKeys
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import COMMITMENT_BYTES
from relayproto.primitives import Entropy
from relayproto.value import Value

_PREFIX_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_COUNTS: Final = 1 << 32
_PLACE: Final = struct.Struct(">QQ")
_BODY_PLACE: Final = struct.Struct(">4sQ")
_ENVELOPE: Final = struct.Struct(f">32sIQQHHHB{COMMITMENT_BYTES}s")
_OUTCOME: Final = struct.Struct(">QHB")


class Origin(Value, frozen=True):
    """Where a row came from: the sending device, its mailbox's number, its submission, and the target's position."""

    account: AccountId
    device: DeviceId
    mailbox: int
    submission: int
    position: int


class Contents(Value, frozen=True):
    """What one device gets; ``pass_`` is empty where it needs none, ``body`` where it is a row of its own."""

    commitment: bytes
    stamp: bytes
    wrap: bytes
    pass_: bytes
    body: bytes


class Nonces:
    """Twelve bytes that never come twice: eight drawn at the start, four counted."""

    __slots__ = ("_counter", "_entropy", "_prefix")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._renew()

    def _renew(self) -> None:
        self._prefix = self._entropy(_PREFIX_BYTES)
        self._counter = count()

    def next(self) -> bytes:
        """Return the next one."""
        number = next(self._counter)
        if number == _COUNTS:
            self._renew()
            number = next(self._counter)
        return self._prefix + number.to_bytes(4)


class Vault:
    """Seals and opens rows. Sealing is for the writer's thread only; any thread may open."""

    __slots__ = ("_keys", "_nonces")

    def __init__(self, keys: DayKeys, nonces: Nonces) -> None:
        self._keys = keys
        self._nonces = nonces

    def _seal(self, expires_ms: int, plain: bytes, associated: bytes) -> bytes:
        nonce = self._nonces.next()
        return nonce + self._keys.cipher_for_sealing(day(expires_ms)).seal(nonce, plain, associated)

    def _open(self, expires_ms: int, sealed: bytes, associated: bytes) -> bytes:
        return self._keys.cipher(day(expires_ms)).open(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)

    def seal_envelope(self, lane: int, sequence: int, expires_ms: int, origin: Origin, contents: Contents) -> bytes:
        """Return the sealed part of an envelope's row."""
        stamp, wrap, pass_ = contents.stamp, contents.wrap, contents.pass_
        head = _ENVELOPE.pack(
            origin.account, origin.device, origin.mailbox, origin.submission, origin.position,
            len(stamp), len(wrap), len(pass_), contents.commitment,
        )  # fmt: skip
        return self._seal(expires_ms, head + stamp + wrap + pass_ + contents.body, _PLACE.pack(lane, sequence))

    def open_envelope(self, lane: int, sequence: int, expires_ms: int, sealed: bytes) -> tuple[Origin, Contents]:
        """Return the parts of an envelope's row; KeyGone or CryptoFailure where it cannot be opened."""
        plain = self._open(expires_ms, sealed, _PLACE.pack(lane, sequence))
        *origin, stamp_bytes, wrap_bytes, pass_bytes, commitment = _ENVELOPE.unpack_from(plain)
        wrap_at = _ENVELOPE.size + stamp_bytes
        pass_at = wrap_at + wrap_bytes
        body_at = pass_at + pass_bytes
        return Origin(*origin), Contents(
            commitment, plain[_ENVELOPE.size : wrap_at], plain[wrap_at:pass_at], plain[pass_at:body_at], plain[body_at:]
        )

    def seal_outcome(self, lane: int, sequence: int, expires_ms: int, outcome: tuple[int, int, int]) -> bytes:
        """Return the sealed part of an outcome's row: (submission, position, result)."""
        return self._seal(expires_ms, _OUTCOME.pack(*outcome), _PLACE.pack(lane, sequence))

    def open_outcome(self, lane: int, sequence: int, expires_ms: int, sealed: bytes) -> tuple[int, int, int]:
        """Return (submission, position, result)."""
        submission, position, result = _OUTCOME.unpack(self._open(expires_ms, sealed, _PLACE.pack(lane, sequence)))
        return submission, position, result

    def seal_body(self, body: int, expires_ms: int, octets: bytes) -> bytes:
        """Return the sealed part of a shared body's row."""
        return self._seal(expires_ms, octets, _BODY_PLACE.pack(b"body", body))

    def open_body(self, body: int, expires_ms: int, sealed: bytes) -> bytes:
        """Return the body."""
        return self._open(expires_ms, sealed, _BODY_PLACE.pack(b"body", body))
