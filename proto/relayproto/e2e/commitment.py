"""The contract, between devices: what a sender commits to before the relay stamps it (spec 60 §5).

A context and a content enter, a commitment leaves. The rule of this file: it can be opened in one way only, so what a
recipient was shown is what can be reported; and until it is opened it says nothing.
"""

import struct
from typing import Final, NamedTuple

from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import AccountId, DeviceId, MessageId
from relayproto.limits import TIME_MS_MAX
from relayproto.primitives import blake2b_256, equal

_VERSION: Final = b"\x01"
_CONTEXT: Final = struct.Struct(">32s16s32sIQ")
_CONVERSATION_LABEL: Final = b"relayd/conversation/1"
CONTEXT_BYTES: Final = _CONTEXT.size


class Context(NamedTuple):
    """Where a content belongs: conversation, message, sending device, and when it was written (unix ms)."""

    conversation: bytes
    message: MessageId
    sender: AccountId
    device: DeviceId
    sent_ms: int

    def to_bytes(self) -> bytes:
        """Return the 92 bytes."""
        return _CONTEXT.pack(*self)


def read_context(octets: bytes) -> Context:
    """Return the context of 92 bytes; Malformed for a time that is none."""
    conversation, message, sender, device, sent_ms = _CONTEXT.unpack(octets)
    if sent_ms > TIME_MS_MAX:
        raise Malformed("a time beyond all times")
    return Context(conversation, MessageId(message), AccountId(sender), DeviceId(device), sent_ms)


def conversation_id(one: bytes, other: bytes) -> bytes:
    """Return the id of the conversation of two accounts, whichever comes first."""
    return blake2b_256(b"".join((_CONVERSATION_LABEL, *sorted((one, other)))))


def hide(context: Context, blinding: bytes) -> bytes:
    """Return the context's hash under a random 32-byte key, so that a forward need not show where it comes from."""
    return blake2b_256(context.to_bytes(), key=blinding)


def commit(content: bytes, hidden: bytes, opening: bytes) -> bytes:
    """Return the 33-byte commitment to a content and its hidden context under a random 32-byte key."""
    return _VERSION + blake2b_256(hidden + content, key=opening)


def check_opens(commitment: bytes, content: bytes, hidden: bytes, opening: bytes) -> None:
    """Return if the commitment is to this content, else raise CryptoFailure."""
    if not equal(commitment, commit(content, hidden, opening)):
        raise CryptoFailure
