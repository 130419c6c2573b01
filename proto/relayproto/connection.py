"""The contract: one connection as a sans-I/O object, the relay's side and the device's (spec 20).

See ``duplex`` for what enters and leaves. The rule of this file: no negotiation - the client names a suite and a key,
the relay has them or says which it has and closes.
"""

from collections.abc import Mapping
from typing import ClassVar, cast, get_args

from relayproto import frame, message, noise, preface
from relayproto.codes import DESCRIPTOR_MAGIC, Code, GoawayCode, Kind, Purpose, Suite, Transport
from relayproto.commands import COMMANDS, EnrolCommand, Hello, OperatorCommand
from relayproto.duplex import Connection
from relayproto.errors import CryptoFailure, LocalProtocolError, RemoteProtocolError
from relayproto.events import DescriptorReceived, EnrolmentOpened, Established, HelloReceived, MessageReceived
from relayproto.limits import (
    CONNECTION_LIFETIME_S,
    ENROL_COMMANDS_MAX,
    HANDSHAKE_MESSAGE_BYTES_MAX,
    HANDSHAKE_TIMEOUT_S,
    HELLO_BYTES,
    PREFACE_TIMEOUT_S,
    UNAUTHENTICATED_BYTES_MAX,
    WELCOME_TIMEOUT_S,
)
from relayproto.message import Message
from relayproto.noise import HandshakeState
from relayproto.notices import NOTICES
from relayproto.preface import PREFACE_BYTES, Preface, UnknownChoice
from relayproto.primitives import ML_KEM_768, Entropy, Kem
from relayproto.record import pack, prefixed, unpack
from relayproto.replies import REPLIES, Refused, Welcome
from relayproto.states import State, Step, after

_PATTERNS = {
    (Suite.HYBRID, Purpose.DEVICE): noise.XKHFS,
    (Suite.HYBRID, Purpose.BULK): noise.XKHFS,
    (Suite.HYBRID, Purpose.ENROL): noise.NKHFS,
    (Suite.PLAIN_XK, Purpose.DEVICE): noise.XK,
    (Suite.PLAIN_XK, Purpose.BULK): noise.XK,
}
"""Which handshake a suite and a purpose mean. Enrolment has no plain one: a ticket is worth recording."""

_OPERATOR_KINDS = frozenset({kind.KIND for kind in get_args(OperatorCommand)})
_ENROL_KINDS = frozenset({kind.KIND for kind in get_args(EnrolCommand)})
_KINDS_OF_PURPOSE: dict[Purpose, Mapping[int, type[Message]]] = {
    Purpose.ENROL: {kind: COMMANDS[kind] for kind in sorted(_ENROL_KINDS)},
    Purpose.DEVICE: {k: v for k, v in COMMANDS.items() if k not in {Kind.HELLO} | _ENROL_KINDS | _OPERATOR_KINDS},
    Purpose.BULK: {},
}


class RelayConnection(Connection):
    """The relay's side of one connection (spec 20).

    ``keys`` are the X25519 private keys that the relay still holds, by key id; ``descriptor`` is what a client hears
    that names another one.
    """

    __slots__ = ("_descriptor", "_enrol_commands", "_entropy", "_handshake", "_handshake_until", "_kem", "_keys",
                 "_suites", "_transport", "_unauthenticated", "key_id")  # fmt: skip

    def __init__(
        self,
        *,
        keys: Mapping[int, bytes],
        suites: frozenset[Suite],
        descriptor: bytes,
        entropy: Entropy,
        now: float,
        transport: Transport = Transport.TCP,
        kem: Kem = ML_KEM_768,
    ) -> None:
        super().__init__(State.PREFACE, now, now + PREFACE_TIMEOUT_S)
        self.key_id: int | None = None
        self._keys = keys
        self._suites = suites
        self._descriptor = descriptor
        self._entropy = entropy
        self._transport = transport
        self._kem = kem
        self._handshake: HandshakeState | None = None
        self._handshake_until = now + HANDSHAKE_TIMEOUT_S
        self._unauthenticated = UNAUTHENTICATED_BYTES_MAX
        self._enrol_commands = ENROL_COMMANDS_MAX

    def welcome(self, said: Welcome) -> None:
        """Answer HELLO; with that the connection is open."""
        self.state = after(self.state, Step.WELCOMED)
        self.send(said)

    def keep_octets(self, octets: bytes, now: float) -> None:
        """Keep bytes from the peer, only so many before it has shown who it is (spec 20 §9)."""
        if self._channel is None and not self.closed:
            self._unauthenticated -= len(octets)
            if self._unauthenticated < 0:
                self._fail(RemoteProtocolError(GoawayCode.BAD_HANDSHAKE, "too much before authentication"))
                return
        super().keep_octets(octets, now)

    def _advance(self, now: float, frames_max: int) -> bool:
        if self.state is State.OPEN:
            return self._advance_record(frames_max)
        match self.state:
            case State.PREFACE:
                return self._read_preface()
            case State.HANDSHAKE:
                return self._read_handshake(now)
            case _:  # greeted; of a closed connection nothing is taken
                if self._buffer.next_record() is not None:
                    raise RemoteProtocolError(GoawayCode.BAD_STATE, "a record before WELCOME")
                return False

    def _read_preface(self) -> bool:
        octets = self._buffer.take(PREFACE_BYTES)
        if octets is None:
            return False
        try:
            wanted = preface.decode(octets)
            self._handshake = self._begin(wanted)
        except UnknownChoice:
            self._raw.append(prefixed(self._descriptor))
            raise
        self.purpose, self.key_id = wanted.purpose, wanted.key_id
        self.state = after(self.state, Step.PREFACE_READ)
        self._until = self._handshake_until
        return True

    def _begin(self, wanted: Preface) -> HandshakeState:
        protocol = _PATTERNS.get((wanted.suite, wanted.purpose))
        key = self._keys.get(wanted.key_id)
        if protocol is None or key is None or wanted.suite not in self._suites:
            raise UnknownChoice(GoawayCode.BAD_PREFACE, "a suite or key that this relay does not have")
        return HandshakeState(
            protocol=protocol,
            initiator=False,
            prologue=wanted.prologue(self._transport),
            entropy=self._entropy,
            s=key,
            kem=self._kem,
        )

    def _read_handshake(self, now: float) -> bool:
        received = self._buffer.next_message(HANDSHAKE_MESSAGE_BYTES_MAX)
        handshake = self._handshake
        if received is None or handshake is None:
            return False
        try:
            payload = handshake.read_message(received)
        except CryptoFailure:
            raise RemoteProtocolError(GoawayCode.BAD_HANDSHAKE, "a handshake message does not open") from None
        if handshake.finished:
            self._greet(handshake, payload, now)
        else:
            self._answer(handshake, payload, now)
        return True

    def _answer(self, handshake: HandshakeState, payload: bytes, now: float) -> None:
        if payload:
            raise RemoteProtocolError(GoawayCode.BAD_HANDSHAKE, "message 1 carries a payload")
        answer = handshake.write_message()
        self._raw.append(prefixed(answer))
        if handshake.finished:
            self._establish(handshake, Step.NOBODY_TO_GREET, now)
            self._events.append(EnrolmentOpened())

    def _greet(self, handshake: HandshakeState, payload: bytes, now: float) -> None:
        frames = list(unpack(payload)) if len(payload) == HELLO_BYTES else []
        if len(frames) != 1 or frame.kind_of(frames[0]) != Kind.HELLO:
            raise RemoteProtocolError(GoawayCode.BAD_HANDSHAKE, "message 3 is not one HELLO")
        hello = message.read(Hello, frames[0])
        static_key = cast("bytes", handshake.remote_static)  # message 3 of both XKs carries it
        self._establish(handshake, Step.HELLO_DONE, now)
        self._events.append(HelloReceived(hello, static_key))

    def _establish(self, handshake: HandshakeState, step: Step, now: float) -> None:
        super()._establish(handshake, step, now)
        self._handshake = None
        self._kinds = _KINDS_OF_PURPOSE[cast("Purpose", self.purpose)]  # the preface named it

    def _received(self, request: int, said: Message) -> None:
        if self.purpose is Purpose.ENROL:
            self._enrol_commands -= 1
            if self._enrol_commands < 0:
                raise RemoteProtocolError(GoawayCode.BAD_STATE, "too many commands without an account")
        self._events.append(MessageReceived(request, said))

    def _receive_unknown(self, request: int) -> None:
        self.send(Refused(Code.UNSUPPORTED, 0), request)


class ClientConnection(Connection):
    """A device's side of one connection.

    ``relay_key`` is the relay's X25519 public key from the invitation, ``key_id`` its number; a device names its own
    private ``static_key`` and what it says in HELLO, an enrolment has neither.
    """

    __slots__ = ("_handshake", "_hello")
    _ANSWERS: ClassVar[dict[int, type[Message]]] = {
        k: v for k, v in {**REPLIES, **NOTICES}.items() if k != Kind.WELCOME
    }

    def __init__(
        self,
        *,
        purpose: Purpose,
        relay_key: bytes,
        key_id: int,
        hello: Hello | None,
        static_key: bytes | None,
        entropy: Entropy,
        now: float,
        suite: Suite = Suite.HYBRID,
        transport: Transport = Transport.TCP,
        kem: Kem = ML_KEM_768,
    ) -> None:
        super().__init__(State.HANDSHAKE, now, now + HANDSHAKE_TIMEOUT_S)
        protocol = _PATTERNS.get((suite, purpose))
        if protocol is None or (purpose is Purpose.ENROL) != (hello is None) or (hello is None) != (static_key is None):
            raise LocalProtocolError("HELLO and a static key belong to every purpose but enrolment, which is hybrid")
        self.purpose = purpose
        self._hello = hello
        wanted = Preface(suite, purpose, key_id)
        self._handshake: HandshakeState | None = HandshakeState(
            protocol=protocol,
            initiator=True,
            prologue=wanted.prologue(transport),
            entropy=entropy,
            s=static_key,
            rs=relay_key,
            kem=kem,
        )
        first = self._handshake.write_message()
        self._raw.append(wanted.encode() + prefixed(first))

    def _advance(self, now: float, frames_max: int) -> bool:
        return self._read_handshake(now) if self.state is State.HANDSHAKE else self._advance_record(frames_max)

    def _read_handshake(self, now: float) -> bool:
        received = self._buffer.next_message(HANDSHAKE_MESSAGE_BYTES_MAX)
        handshake = self._handshake
        if received is None or handshake is None:
            return False
        if received.startswith(DESCRIPTOR_MAGIC):
            self._events.append(DescriptorReceived(received))
            raise RemoteProtocolError(GoawayCode.BAD_PREFACE, "the relay has another key or speaks another suite")
        try:
            handshake.read_message(received)
        except CryptoFailure:
            raise RemoteProtocolError(
                GoawayCode.BAD_HANDSHAKE, "the relay does not hold the key that we named"
            ) from None
        if self._hello is not None:
            [padded] = pack([message.encode(self._hello)])
            third = handshake.write_message(padded)
            self._raw.append(prefixed(third))
        hashed = handshake.handshake_hash
        step = Step.NOBODY_TO_GREET if self._hello is None else Step.HELLO_DONE
        self._establish(handshake, step, now)
        self._events.append(Established(hashed))
        return True

    def _establish(self, handshake: HandshakeState, step: Step, now: float) -> None:
        super()._establish(handshake, step, now)
        self._handshake = None
        self._kinds = self._ANSWERS
        if self.state is State.GREETED:
            self._until = now + WELCOME_TIMEOUT_S
            self._kinds = {Kind.WELCOME: Welcome}

    def _received(self, request: int, said: Message) -> None:
        if self.state is State.GREETED:
            self.state = after(self.state, Step.WELCOMED)
            self._until = self._heard + CONNECTION_LIFETIME_S
            self._kinds = self._ANSWERS
        self._events.append(MessageReceived(request, said))

    def _receive_unknown(self, request: int) -> None:  # noqa: ARG002 - whichever it is, it is too early
        if self.state is State.GREETED:
            raise RemoteProtocolError(GoawayCode.BAD_STATE, "another frame before WELCOME")
