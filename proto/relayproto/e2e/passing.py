"""The contract, between devices: what passes by, sealed under a session and outside its ratchet (spec 60 §9).

A kind and a time enter, a wrap leaves, and back. The rule of this file: no state changes on either side, so that what
nobody was there to hear costs no key, and what an old copy of a device says spoils none.
"""

import struct
from typing import Final, NamedTuple

from relayproto.codes import WrapKind
from relayproto.e2e.session import Peer, Session, Sessions
from relayproto.errors import CryptoFailure
from relayproto.primitives import Aead, Entropy

_HEAD: Final = bytes((1, WrapKind.PASSING))
_NONCE_BYTES: Final = 12
_SEALED_AT: Final = len(_HEAD) + _NONCE_BYTES
_PLAIN: Final = struct.Struct(">BQ23x")
WRAP_BYTES: Final = _SEALED_AT + _PLAIN.size + 16


class Passed(NamedTuple):
    """What passed by: a PassingKind, or one of a newer program, and when it was said (unix ms)."""

    kind: int
    sent_ms: int


def seal(held: Sessions, own: Peer, passed: Passed, entropy: Entropy) -> bytes | None:
    """Return the wrap, or None where there is no session that the device at the other end is known to have."""
    session = next((one for one in held.sessions if not one.first), None)
    if session is None:
        return None
    nonce = entropy(_NONCE_BYTES)
    sealed = Aead(session.passing).seal(nonce, _PLAIN.pack(*passed), _associated(session, own))
    return _HEAD + nonce + sealed


def read(held: Sessions, wrap: bytes) -> Passed:
    """Return what a wrap from the device at the other end says, or raise CryptoFailure."""
    if len(wrap) != WRAP_BYTES or not wrap.startswith(_HEAD):
        raise CryptoFailure
    nonce, sealed = wrap[len(_HEAD) : _SEALED_AT], wrap[_SEALED_AT:]
    for session in held.sessions:
        try:
            plain = Aead(session.passing).open(nonce, sealed, _associated(session, held.peer))
        except CryptoFailure:
            continue
        return Passed(*_PLAIN.unpack(plain))
    raise CryptoFailure


def _associated(session: Session, sender: Peer) -> bytes:
    return session.ratchet.associated + sender.account + sender.device.to_bytes(4) + _HEAD
