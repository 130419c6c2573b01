"""The contract, between devices: the E2E sessions with one device of somebody (spec 60 §4).

A plaintext enters and a wrap leaves; a wrap enters and its plaintext leaves, with the state to commit and what to
remember. The rule of this file: both sides use the newest session that they know by the same order, so they agree
without a further message; and a first message makes a session once only.
"""

from collections.abc import Container, Mapping
from typing import Annotated, ClassVar, Final, NamedTuple

from msgspec.structs import replace

from relayproto.codes import WrapKind
from relayproto.e2e import handshake, ratchet
from relayproto.e2e.handshake import Agreed, Head, Own, Recipient, Secrets
from relayproto.e2e.ratchet import Ratchet
from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed
from relayproto.fields import U32, octets, octets_up_to, sequence, uint
from relayproto.identity import DeviceList
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import SESSIONS_MAX, WRAP_BYTES_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import KEY_BYTES, ML_KEM_768, Entropy, Kem, blake2b_256
from relayproto.value import Packable, Value

_VERSION: Final = 1
_LABEL: Final = b"relayd/session/1"
_U32: Final = (1 << 32) - 1
_LENGTH_AT: Final = 2
_FIRST_AT: Final = 4
_STORED_MAX: Final = 1 << 18
"""A ratchet with all keys that it may keep has 170 KB."""


class Peer(NamedTuple):
    """The device at the other end."""

    account: AccountId
    device: DeviceId


class Session(Value, frozen=True):
    """One session: its id is the hash of its first message, which an initiator repeats until it is answered.

    ``passing`` is the key of what passes by (``e2e.passing``). A ``retired`` one seals nothing any more and opens what
    is on its way.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"first", "passing"})
    id: bytes
    order: int
    first: bytes
    passing: bytes
    ratchet: Ratchet
    retired: bool = False


class Sessions(Value, frozen=True):
    """All sessions with one device, the one in use first; a value, kept by the device's store."""

    peer: Peer
    sessions: tuple[Session, ...] = ()


class Answering(Value, frozen=True):
    """What it takes to answer a first message.

    ``list_hashes`` are our own lists' by version, 37 days back; ``newest`` is the newest list that we know of the
    sender's account and ``seen_hashes`` are of those before it; ``seen`` holds what ``Begun.remember`` gave before.
    """

    own: Own
    secrets: Secrets
    list_hashes: Mapping[int, bytes]
    newest: DeviceList
    seen_hashes: Mapping[int, bytes]
    seen: Container[bytes]
    kem: Kem = ML_KEM_768


class Begun(NamedTuple):
    """A first message was answered: its prekeys, the one-time ones to be deleted with the same commit.

    ``remember`` is to be kept for as long as the signed prekey's secret, where no one-time prekey stops a replay.
    """

    used: Head
    remember: bytes | None


class Received(Value, frozen=True):
    """What a wrap held, and the state to commit together with what it means."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"plaintext"})
    sessions: Sessions
    plaintext: bytes
    begun: Begun | None


class _PackedSession(Packable, frozen=True):
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"first", "passing", "ratchet"})
    id: Annotated[bytes, octets(32)]
    order: U32
    first: Annotated[bytes, octets_up_to(WRAP_BYTES_MAX)]
    passing: Annotated[bytes, octets(KEY_BYTES)]
    ratchet: Annotated[bytes, octets_up_to(_STORED_MAX)]
    retired: bool = False


class _Packed(Packable, frozen=True):
    """Sessions as they are packed: each ratchet as bytes of its own."""

    account: Annotated[AccountId, octets(32)]
    device: Annotated[DeviceId, uint(_U32, 1)]
    sessions: Annotated[tuple[_PackedSession, ...], sequence(SESSIONS_MAX)]


def begin(
    held: Sessions, own: Own, recipient: Recipient, *, entropy: Entropy, kem: Kem = ML_KEM_768
) -> Sessions:  # fmt: skip
    """Return the sessions with a new one in use; CryptoFailure where the prekeys are not the device's own."""
    if held.peer != (recipient.account, recipient.entry.device):
        raise LocalProtocolError("the sessions are with another device")
    order = min(1 + max((session.order for session in held.sessions), default=0), _U32)
    message, agreed = handshake.initiate(own, recipient, order=order, entropy=entropy, kem=kem)
    associated = _associated(agreed, Peer(own.account, own.device), held.peer)
    state = ratchet.for_initiator(agreed.root, associated, recipient.bundle.signed.key, entropy)
    return _with(held, Session(blake2b_256(message), order, message, agreed.passing, state))


def seal(held: Sessions, plaintext: bytes) -> tuple[Sessions, bytes]:
    """Return the state to commit before anything is sent, and the wrap; LocalProtocolError without a session."""
    session = next((one for one in held.sessions if not one.retired), None)
    if session is None:
        raise LocalProtocolError("there is no session with this device that may be used")
    state, message = ratchet.encrypt(session.ratchet, plaintext)
    stepped = replace(session, ratchet=state)
    after = replace(held, sessions=tuple(stepped if one is session else one for one in held.sessions))
    if not session.first:
        return after, bytes((_VERSION, WrapKind.RATCHET)) + message
    return after, b"".join(
        (bytes((_VERSION, WrapKind.FIRST)), len(session.first).to_bytes(2), session.first, message)
    )  # fmt: skip


def retire(held: Sessions) -> Sessions:
    """Return the sessions with all sending chains at their end: one that may have gone back is never stepped again."""
    return replace(held, sessions=tuple(replace(one, retired=True) for one in held.sessions))


def is_living(held: Sessions) -> bool:
    """Say whether the device at the other end is known to have a session that is in use here."""
    return any(not one.first and not one.retired for one in held.sessions)


def prekeys_of(held: Sessions, wrap: bytes) -> Head | None:
    """Return which prekeys opening the wrap takes, None where a session for it exists; CryptoFailure for no wrap."""
    first, _ = _parts(wrap)
    if not first or _by_id(held, first) is not None:
        return None
    return handshake.head_of(first)


def open_wrap(
    held: Sessions, wrap: bytes, *, now_ms: int, entropy: Entropy, answering: Answering | None = None
) -> Received:
    """Return what the wrap holds, or raise CryptoFailure; then nothing has changed.

    ``answering`` is needed where ``prekeys_of`` gave any, else LocalProtocolError. NewerList asks for a newer device
    list of the sender's.
    """
    first, message = _parts(wrap)
    if not first:
        return _open_known(held, message, now_ms=now_ms, entropy=entropy)
    known = _by_id(held, first)
    if known is not None:
        return _opened(held, known, message, now_ms=now_ms, entropy=entropy)
    if answering is None:
        raise LocalProtocolError("a first message can't be opened without the prekeys")
    return _answer(held, first, message, answering, now_ms=now_ms, entropy=entropy)


def _answer(
    held: Sessions, first: bytes, message: bytes, answering: Answering, *, now_ms: int, entropy: Entropy
) -> Received:
    identity = blake2b_256(first)
    if identity in answering.seen:
        raise CryptoFailure
    own, secrets = answering.own, answering.secrets
    claim, agreed = handshake.respond(
        own, first, secrets, list_hashes=answering.list_hashes, kem=answering.kem
    )  # fmt: skip
    if held.peer != (claim.account, claim.device):
        raise CryptoFailure
    handshake.vouch(claim, answering.newest, answering.seen_hashes)
    associated = _associated(agreed, held.peer, Peer(own.account, own.device))
    state = ratchet.for_responder(agreed.root, associated, secrets.signed)
    state, plaintext = ratchet.decrypt(state, message, now_ms=now_ms, entropy=entropy)
    used = handshake.head_of(first)
    begun = Begun(used, None if used.one_time else identity)
    # A claim is bounded: above the highest order that can be claimed the owner of a stolen key could begin none.
    order = min(claim.order, 1 + max((one.order for one in held.sessions), default=0))
    return Received(_with(held, Session(identity, order, b"", agreed.passing, state)), plaintext, begun)


def _open_known(held: Sessions, message: bytes, *, now_ms: int, entropy: Entropy) -> Received:
    """Open a message in the session that expects it; where none says so the other side has a new ratchet key."""
    expecting = [session for session in held.sessions if ratchet.expects(session.ratchet, message)]
    for session in expecting or held.sessions:
        try:
            return _opened(held, session, message, now_ms=now_ms, entropy=entropy)
        except CryptoFailure:
            continue
    raise CryptoFailure


def _opened(held: Sessions, session: Session, message: bytes, *, now_ms: int, entropy: Entropy) -> Received:
    state, plaintext = ratchet.decrypt(session.ratchet, message, now_ms=now_ms, entropy=entropy)
    answered = replace(session, first=b"", ratchet=state)
    sessions = tuple(answered if held_one is session else held_one for held_one in held.sessions)
    return Received(replace(held, sessions=sessions), plaintext, None)


def _with(held: Sessions, session: Session) -> Sessions:
    """Add a session; the highest order is in use, and among equals the highest id, so that both sides agree.

    The new one stays, whatever its order: a peer that lost its sessions counts from 1 again.
    """
    kept = (session, *held.sessions[: SESSIONS_MAX - 1])
    return replace(held, sessions=tuple(sorted(kept, key=lambda one: (one.order, one.id), reverse=True)))


def _by_id(held: Sessions, first: bytes) -> Session | None:
    identity = blake2b_256(first)
    return next((session for session in held.sessions if session.id == identity), None)


def _associated(agreed: Agreed, initiator: Peer, responder: Peer) -> bytes:
    devices = (peer.account + peer.device.to_bytes(4) for peer in (initiator, responder))
    return blake2b_256(b"".join((_LABEL, agreed.hash, *devices)))


def _parts(wrap: bytes) -> tuple[bytes, bytes]:
    """Return the first message (empty: none) and the ratchet's message."""
    if len(wrap) > WRAP_BYTES_MAX or len(wrap) < _FIRST_AT or wrap[0] != _VERSION:
        raise CryptoFailure
    if wrap[1] == WrapKind.RATCHET:
        return b"", wrap[_LENGTH_AT:]
    length = int.from_bytes(wrap[_LENGTH_AT:_FIRST_AT])
    if wrap[1] != WrapKind.FIRST or length == 0:
        raise CryptoFailure
    return wrap[_FIRST_AT : _FIRST_AT + length], wrap[_FIRST_AT + length :]


def to_bytes(held: Sessions) -> bytes:
    """Return the sessions for the device's own store; they hold secrets."""
    kept = [
        (one.id, one.order, one.first, one.passing, ratchet.to_bytes(one.ratchet), one.retired) for one in held.sessions
    ]
    return bytes((_VERSION,)) + pack(held.peer.account, held.peer.device, kept)


def from_bytes(stored: bytes) -> Sessions:
    """Return the sessions that ``to_bytes`` gave, or raise Malformed."""
    if stored[:1] != bytes((_VERSION,)):
        raise Malformed("not sessions of a known version")
    said = unpack(stored[1:], _Packed)
    sessions = tuple(
        Session(one.id, one.order, one.first, one.passing, ratchet.from_bytes(one.ratchet), one.retired)
        for one in said.sessions
    )
    return Sessions(Peer(said.account, said.device), sessions)
