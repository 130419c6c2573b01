"""The contract: the first twelve bytes of a connection, in clear (spec 20 §1).

The bytes enter and a checked Preface leaves, and the other way round. The rule of this file: nothing is negotiated;
the preface is part of the prologue, so a changed bit breaks the handshake.
"""

import struct
from typing import Final, NamedTuple

from relayproto.codes import MAGIC, VERSION, GoawayCode, Purpose, Suite, Transport
from relayproto.errors import RemoteProtocolError

_LAYOUT: Final = struct.Struct(">4sBBBBI")
PREFACE_BYTES: Final = _LAYOUT.size


class UnknownChoice(RemoteProtocolError):  # noqa: N818 - an answer, more than an error
    """A version or suite that we do not speak: the client is told our key descriptor and closed (spec 20 §8)."""


class Preface(NamedTuple):
    """What the client wants: a purpose, under a suite, from the relay that holds a key."""

    suite: Suite
    purpose: Purpose
    key_id: int

    def encode(self) -> bytes:
        """Return the twelve bytes."""
        return _LAYOUT.pack(MAGIC, VERSION, self.suite, self.purpose, 0, self.key_id)

    def prologue(self, transport: Transport) -> bytes:
        """Return what both sides put into the handshake before its first message (spec 20 §3)."""
        return self.encode() + bytes((transport,))


def decode(octets: bytes) -> Preface:
    """Return the preface, or raise RemoteProtocolError; UnknownChoice where an answer is due."""
    magic, version, suite, purpose, flags, key_id = _LAYOUT.unpack(octets)
    if magic != MAGIC:
        raise RemoteProtocolError(GoawayCode.BAD_PREFACE, "not our protocol")
    if version != VERSION or suite not in iter(Suite):
        raise UnknownChoice(GoawayCode.BAD_PREFACE, "a version or suite that we do not speak")
    if purpose not in iter(Purpose) or flags:
        raise RemoteProtocolError(GoawayCode.BAD_PREFACE, "a purpose or flag that this version does not have")
    return Preface(Suite(suite), Purpose(purpose), key_id)
