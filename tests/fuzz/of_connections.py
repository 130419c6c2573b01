"""Preface, handshake, records, and what comes in records: anybody who reaches the port, and then a device.

Bytes enter a connection; the rule is that of ``relayproto.duplex``: whatever they are, nothing is raised.
"""

from typing import NamedTuple

from fuzz.rules import only, require, target
from relayproto import noise, preface, record
from relayproto.codes import Purpose, Suite, Transport
from relayproto.connection import ClientConnection, RelayConnection
from relayproto.duplex import Connection
from relayproto.errors import RemoteProtocolError
from relayproto.events import Closed
from relayproto.limits import HELLO_BYTES, RECORD_BUCKETS, UNAUTHENTICATED_BYTES_MAX
from relayproto.noise import HandshakeState
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import CHACHAPOLY
from relayproto.preface import PREFACE_BYTES, Preface
from relayproto.primitives import x25519_public
from relayproto.record import RecordBuffer, pack, prefixed, unpack
from relayproto.states import State, Step
from support.kem import stream
from support.wire import ALICE_KEY, DESCRIPTOR, HELLO, RELAY_KEY

RELAY_PUBLIC = x25519_public(RELAY_KEY)
ROOM = RECORD_BUCKETS[-1]
ANSWER_BYTES_MAX = 4 << 10
"""What may be said before anybody has shown who he is: message 2 or a descriptor, and a last frame."""


# --- preface ----------------------------------------------------------------------------------
def a_preface(octets: bytes) -> None:
    with only(RemoteProtocolError):
        wanted = preface.decode(octets[:PREFACE_BYTES].ljust(PREFACE_BYTES, b"\x00"))
    require(wanted.encode() == octets.ljust(PREFACE_BYTES, b"\x00")[:PREFACE_BYTES], "another preface comes back")


# --- handshake --------------------------------------------------------------------------------
def judged(connection: Connection, octets: bytes, cut: int) -> None:
    """Feed the bytes in pieces, then hold the connection to what it promises."""
    for piece in pieces(octets, cut):
        connection.receive_data(piece, 1.0)
    said = connection.data_to_send(1.0)
    closed = [event for event in connection.events() if isinstance(event, Closed)]
    require(len(closed) == connection.closed, "it ended without an event, or twice")
    require(connection.closed == (connection.next_deadline() is None), "an end with a deadline, or none without an end")
    require(len(said) <= max(ANSWER_BYTES_MAX, 2 * len(octets) + 4 * ROOM), "an answer longer than what was said")
    if closed:
        connection.receive_data(octets, 2.0)
        connection.handle_timeout(1e9)
        require(not connection.events() and not connection.data_to_send(2.0), "it speaks after its end")


def pieces(octets: bytes, cut: int) -> list[bytes]:
    step = cut or len(octets) or 1
    return [octets[at : at + step] for at in range(0, len(octets), step)]


def a_relay() -> RelayConnection:
    return RelayConnection(
        keys={1: RELAY_KEY}, suites=frozenset(Suite), descriptor=DESCRIPTOR, entropy=stream("relay"), now=0.0
    )


def a_client(suite: Suite = Suite.PLAIN_XK) -> ClientConnection:
    """Return a device's side; not that of ``support.wire``, whose slow KEM is for vectors that repeat."""
    return ClientConnection(
        purpose=Purpose.DEVICE, relay_key=RELAY_PUBLIC, key_id=1, hello=HELLO, static_key=ALICE_KEY,
        entropy=stream("alice"), now=0.0, suite=suite,
    )  # fmt: skip


def to_relay(octets: bytes, cut: int) -> None:
    judged(a_relay(), octets[:UNAUTHENTICATED_BYTES_MAX], cut)


def to_client(octets: bytes, cut: int) -> None:
    client = a_client(Suite.HYBRID if cut & 1 else Suite.PLAIN_XK)
    client.data_to_send(0.0)
    judged(client, octets, cut >> 1)


def as_hello(octets: bytes, cut: int) -> None:
    """Shake hands as the spec has it, with these bytes for HELLO."""
    relay = a_relay()
    wanted = Preface(Suite.PLAIN_XK, Purpose.DEVICE, 1)
    shaking = HandshakeState(
        protocol=noise.XK, initiator=True, prologue=wanted.prologue(Transport.TCP), entropy=stream("alice"),
        s=ALICE_KEY, rs=RELAY_PUBLIC,
    )  # fmt: skip
    relay.receive_data(wanted.encode() + prefixed(shaking.write_message()), 0.0)
    shaking.read_message(relay.data_to_send(0.0)[2:])
    payload = octets if cut & 1 else octets[:HELLO_BYTES].ljust(HELLO_BYTES, b"\x00")
    judged(relay, prefixed(shaking.write_message(payload)), cut >> 1)


def overlaid(octets: bytes, cut: int) -> None:
    """Change the device's first message, which the relay reads before it knows anything."""
    first = a_client(Suite.HYBRID).data_to_send(0.0)
    at = PREFACE_BYTES + cut * 5 % len(first)
    judged(a_relay(), first[:at] + octets[: len(first) - at] + first[at + len(octets) :], 0)


WAYS = (to_relay, to_client, as_hello, overlaid)


def a_handshake(octets: bytes) -> None:
    if len(octets) >= len("wc"):
        WAYS[octets[0] % len(WAYS)](octets[2:], octets[1])


# --- records ----------------------------------------------------------------------------------
def taken(octets: bytes, cut: int) -> tuple[list[bytes], str]:
    """Return the records and handshake messages that a buffer finds, and what it says at the end."""
    buffer, found, bulk = RecordBuffer(), [], bool(cut & 1)
    try:
        for piece in pieces(octets, cut):
            buffer.feed(piece)
            while (one := buffer.next_record(bulk=bulk)) is not None:
                found.append(one)
    except RemoteProtocolError as error:
        return found, error.detail
    return found, ""


def a_record(octets: bytes) -> None:
    if not octets:
        return
    whole, cut = octets[1:], octets[0]
    require(taken(whole, cut) == taken(whole, cut & 1 | 1 << 20), "how bytes are cut changes what they say")
    with only(RemoteProtocolError):
        frames = list(unpack(whole))
    require(2 * len(frames) + sum(map(len, frames)) <= len(whole), "frames longer than their record")
    if all(2 + len(each) <= ROOM for each in frames):
        packed = pack(frames)
        require([each for one in packed for each in unpack(one)] == frames, "other frames come back")
        require(all(len(one) in RECORD_BUCKETS for one in packed), "a record of a length that none has")


# --- what comes in records --------------------------------------------------------------------
KEYS = (b"r" * 32, b"d" * 32)


class Shaken(NamedTuple):
    """A handshake that is done, under known keys: shaking hands takes longer than all the rest."""

    keys: tuple[bytes, bytes]

    def split(self) -> tuple[CipherState, CipherState]:
        send, receive = (CipherState(CHACHAPOLY, key) for key in self.keys)
        return send, receive


def established(connection: Connection, purpose: Purpose, keys: tuple[bytes, bytes], *, greeted: bool) -> None:
    """Put a connection behind its handshake."""
    connection.data_to_send(0.0)
    connection.state, connection.purpose = State.HANDSHAKE, purpose
    connection._establish(Shaken(keys), Step.HELLO_DONE if greeted else Step.NOBODY_TO_GREET, 0.0)


def a_stream(octets: bytes) -> None:
    """Seal the bytes as records of an open connection, as a device or a relay could, and feed them in."""
    if not octets:
        return
    way, plain = octets[0], octets[1:]
    purpose = Purpose.ENROL if way & 2 else Purpose.DEVICE
    relay, client = a_relay(), a_client()
    established(relay, purpose, KEYS, greeted=False)
    established(client, purpose, KEYS[::-1], greeted=bool(way & 8) and purpose is Purpose.DEVICE)
    sender, receiver = (client, relay) if way & 1 else (relay, client)
    channel = sender._channel
    require(channel is not None, "an open connection without keys")
    size = record.bucket(len(plain), bulk=False)
    sealed = channel._sealer.seal(plain.ljust(size, b"\0"))
    judged(receiver, sealed + (sealed if way & 4 else b""), way >> 4)
    if receiver.open:
        sender.receive_data(receiver.data_to_send(1.0), 1.0)
        require(not sender.closed, "the answer ends the other side")


CONNECTIONS = {
    "preface": target(a_preface, 64),
    "handshake": target(a_handshake, 2_048),
    "record": target(a_record, 1 << 16),
    "stream": target(a_stream, ROOM),
}
