"""The contract, between devices: what goes through a ratchet for one envelope (spec 60 §4).

A content key and a commitment enter, 66 bytes leave, and back. The rule of this file: the key comes with the commitment
that it is for, so that no other body can be put under it.
"""

from typing import ClassVar, Final

from relayproto.codes import WrapKind
from relayproto.errors import CryptoFailure
from relayproto.limits import COMMITMENT_BYTES
from relayproto.primitives import KEY_BYTES
from relayproto.value import Value

_VERSION: Final = b"\x01"
_WITHHELD: Final = b"\x02"
_COMMITMENT_AT: Final = 1 + KEY_BYTES
UNSEALED: Final = bytes((1, WrapKind.UNSEALED))
"""The wrap for a device with which no session could be begun; it does not open, so that the device asks for it."""
WRAPPED_BYTES: Final = _COMMITMENT_AT + COMMITMENT_BYTES


class Wrapped(Value, frozen=True):
    """The key of a body and the commitment of its content."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"content_key"})
    content_key: bytes
    commitment: bytes

    def to_bytes(self) -> bytes:
        """Return the plaintext for the ratchet."""
        return _VERSION + self.content_key + self.commitment


def withheld(commitment: bytes) -> bytes:
    """Return the plaintext for a device that is among the target's and is not to get the content; as long as any."""
    return _WITHHELD + bytes(KEY_BYTES) + commitment


def is_withheld(plaintext: bytes) -> bool:
    """Say whether the sender keeps the content from this device."""
    return len(plaintext) == WRAPPED_BYTES and plaintext.startswith(_WITHHELD)


def read_wrapped(plaintext: bytes) -> Wrapped:
    """Return what the ratchet's plaintext holds, or raise CryptoFailure."""
    if len(plaintext) != WRAPPED_BYTES or not plaintext.startswith(_VERSION):
        raise CryptoFailure
    return Wrapped(plaintext[1:_COMMITMENT_AT], plaintext[_COMMITMENT_AT:])
