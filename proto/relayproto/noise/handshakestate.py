"""The contract: Noise's HandshakeState (rev 34 §5.3), one side of one handshake.

Messages of the peer enter, messages to the peer leave, and in the end two CipherStates. The rule of this file: what
the peer sends either fits or raises CryptoFailure, and after that, as after the split, no secret is left here.
"""

from dataclasses import dataclass, field
from typing import Final, TypeVar

from relayproto.errors import CryptoFailure, LocalProtocolError
from relayproto.limits import TAG_BYTES
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.patterns import Message, NoiseProtocol, Token
from relayproto.noise.suites import NOISE_SHA256, NoiseSuite
from relayproto.noise.symmetricstate import SymmetricState
from relayproto.primitives import ML_KEM_768, Entropy, Kem, KemPrivate

T = TypeVar("T")

MESSAGE_BYTES_MAX: Final = 65_535
"""Noise rev 34 §3."""
_PSK_BYTES: Final = 32
_SEED_BYTES: Final = 64


@dataclass(slots=True, repr=False)
class _Secrets:
    """What a side holds while it shakes hands: private keys of its own, public ones (r...) of the peer."""

    symmetric: SymmetricState
    s: bytes | None = None
    e: bytes | None = None
    rs: bytes | None = None
    re: bytes | None = None
    e1: KemPrivate | None = None
    encapsulated: tuple[bytes, bytes] | None = None
    psks: list[bytes] = field(default_factory=list)


def _needed(key: T | None) -> T:
    if key is None:
        raise LocalProtocolError("the pattern needs a key that was not given")
    return key


def _bounded(message: bytes, fault: Exception) -> bytes:
    if len(message) > MESSAGE_BYTES_MAX:
        raise fault
    return message


class HandshakeState:
    """One side's handshake: ``write_message`` and ``read_message`` in turn until ``finished``, then ``split``."""

    __slots__ = (
        "_entropy",
        "_hash",
        "_initiator",
        "_kem",
        "_protocol",
        "_remote_static",
        "_secrets",
        "_suite",
        "_turn",
    )

    def __init__(
        self,
        *,
        protocol: NoiseProtocol,
        initiator: bool,
        prologue: bytes,
        entropy: Entropy,
        s: bytes | None = None,
        rs: bytes | None = None,
        e: bytes | None = None,
        psks: tuple[bytes, ...] = (),
        suite: NoiseSuite = NOISE_SHA256,
        kem: Kem = ML_KEM_768,
    ) -> None:
        """Start; ``s`` is our private static key, ``rs`` the peer's public one where the pattern knows it beforehand.

        ``e`` fixes the ephemeral key, for vectors only. Raises LocalProtocolError where the keys do not suit the
        pattern or the suite is not the one in the name.
        """
        pattern = protocol.pattern
        known = pattern.knows_responder if initiator else pattern.knows_initiator
        if protocol.suite != suite.name or known != (rs is not None):
            raise LocalProtocolError("not the suite that the name says, or not the peer's key that the pattern knows")
        if len(psks) != pattern.psks or any(len(psk) != _PSK_BYTES for psk in psks):
            raise LocalProtocolError(f"the pattern takes {pattern.psks} pre-shared keys of 32 bytes")
        self._protocol = protocol
        self._suite = suite
        self._kem = kem
        self._initiator = initiator
        self._entropy = entropy
        self._remote_static = rs
        self._turn = 0
        symmetric = SymmetricState(protocol.name.encode(), suite)
        symmetric.mix_hash(prologue)
        for is_known, whose in ((pattern.knows_initiator, True), (pattern.knows_responder, False)):
            if is_known:
                symmetric.mix_hash(self._public(s) if whose == initiator else _needed(rs))
        self._hash = b""
        self._secrets: _Secrets | None = _Secrets(symmetric, s=s, e=e, rs=rs, psks=list(psks))

    @property
    def finished(self) -> bool:
        """Whether every message was written or read."""
        return self._turn == len(self._protocol.pattern.messages)

    @property
    def handshake_hash(self) -> bytes:
        """The hash of all that was said so far; once finished, the same on both sides and of no other handshake.

        It outlives the split; of a handshake that failed it is empty.
        """
        return self._hash if self._secrets is None else self._secrets.symmetric.handshake_hash

    @property
    def remote_static(self) -> bytes | None:
        """The peer's static key, given or learned; proven only once the handshake is finished."""
        return self._remote_static

    def write_message(self, payload: bytes = b"") -> bytes:
        """Return the next message.

        Raises LocalProtocolError out of turn or for more than 65,535 bytes. Raises CryptoFailure in a pattern whose
        responder uses the peer's ephemeral key only now and finds it of low order; ``XK``, ``XKhfs`` and ``NKhfs``
        have used it while reading. The handshake is dead after any of these but the first.
        """
        tokens = self._begin(ours=True)
        try:
            parts = [self._write(token) for token in tokens]
            parts.append(self._alive().symmetric.encrypt_and_hash(payload))
            message = _bounded(b"".join(parts), LocalProtocolError("a handshake message holds 65,535 bytes"))
        except Exception:
            self._secrets = None
            raise
        self._turn += 1
        return message

    def read_message(self, message: bytes) -> bytes:
        """Return the payload of the peer's next message.

        Raises CryptoFailure for whatever is not that message; the handshake is dead after that. LocalProtocolError
        out of turn.
        """
        tokens = self._begin(ours=False)
        try:
            rest = _bounded(message, CryptoFailure())
            for token in tokens:
                rest = self._read(token, rest)
            payload = self._alive().symmetric.decrypt_and_hash(rest)
        except Exception:
            self._secrets = None
            raise
        self._remote_static = self._alive().rs
        self._turn += 1
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """Return our sending and our receiving direction, once; a one-way pattern's responder must not send."""
        symmetric = self._alive().symmetric
        if not self.finished:
            raise LocalProtocolError("the handshake is not finished")
        self._hash = symmetric.handshake_hash
        self._secrets = None
        first, second = symmetric.split()
        return (first, second) if self._initiator else (second, first)

    def _alive(self) -> _Secrets:
        if self._secrets is None:
            raise LocalProtocolError("the handshake has failed or was split")
        return self._secrets

    def _begin(self, *, ours: bool) -> Message:
        self._alive()
        if self.finished or (self._turn % 2 == 0) != (self._initiator == ours):
            raise LocalProtocolError("it is not the turn for this message")
        return self._protocol.pattern.messages[self._turn]

    def _public(self, private: bytes | None) -> bytes:
        return self._suite.dh.public(_needed(private))

    def _write(self, token: Token) -> bytes:
        keys = self._alive()
        symmetric = keys.symmetric
        match token:
            case Token.E:
                if keys.e is None:
                    keys.e = self._entropy(self._suite.dh.length)
                public = self._public(keys.e)
                self._ephemeral(public)
                return public
            case Token.S:
                return symmetric.encrypt_and_hash(self._public(keys.s))
            case Token.E1:
                keys.e1 = self._kem.private(self._entropy(_SEED_BYTES))
                return symmetric.encrypt_and_hash(keys.e1.public)
            case Token.EKEM1:
                ciphertext, secret = _needed(keys.encapsulated)
                sealed = symmetric.encrypt_and_hash(ciphertext)
                symmetric.mix_key(secret)
                return sealed
            case _:
                self._mix(token)
                return b""

    def _read(self, token: Token, message: bytes) -> bytes:
        """Take what the token says from the front of the message and return the rest."""
        keys = self._alive()
        symmetric = keys.symmetric
        match token:
            case Token.E:
                keys.re, rest = self._cut(message, self._suite.dh.length)
                self._ephemeral(keys.re)
            case Token.S:
                sealed, rest = self._cut_sealed(message, self._suite.dh.length)
                keys.rs = symmetric.decrypt_and_hash(sealed)
            case Token.E1:
                sealed, rest = self._cut_sealed(message, self._kem.public_bytes)
                # Here and not in our next message: that a KEM key is none shows while the peer's message is judged.
                keys.encapsulated = self._kem.encapsulate(symmetric.decrypt_and_hash(sealed))
            case Token.EKEM1:
                sealed, rest = self._cut_sealed(message, self._kem.ciphertext_bytes)
                symmetric.mix_key(_needed(keys.e1).decapsulate(symmetric.decrypt_and_hash(sealed)))
            case _:
                self._mix(token)
                rest = message
        return rest

    def _mix(self, token: Token) -> None:
        """Do what both sides do alike: a pre-shared key or a DH; ``es`` is the initiator's e and the responder's s."""
        keys = self._alive()
        if token is Token.PSK:
            keys.symmetric.mix_key_and_hash(keys.psks.pop(0))
            return
        ours, theirs = (0, 1) if self._initiator else (1, 0)
        private, public = keys.e if token[ours] == "e" else keys.s, keys.re if token[theirs] == "e" else keys.rs
        keys.symmetric.mix_key(self._suite.dh.exchange(_needed(private), _needed(public)))

    def _ephemeral(self, public: bytes) -> None:
        symmetric = self._alive().symmetric
        symmetric.mix_hash(public)
        if self._protocol.pattern.psks:  # rev 34 §9.2: a psk's key is not used before both sides gave randomness
            symmetric.mix_key(public)

    def _cut_sealed(self, message: bytes, length: int) -> tuple[bytes, bytes]:
        return self._cut(message, length + TAG_BYTES if self._alive().symmetric.has_key else length)

    @staticmethod
    def _cut(message: bytes, length: int) -> tuple[bytes, bytes]:
        if len(message) < length:
            raise CryptoFailure
        return message[:length], message[length:]
