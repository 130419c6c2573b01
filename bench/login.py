"""A device's connection up to WELCOME: the real handshake (XKhfs) and the real login, then it is handed over.

A person enters; an open socket leaves with the keys of its two directions, for the load generator to go on with. Keys
go on in memory and through a pipe, never in an argument vector or the environment.
"""

import asyncio
import os
import socket
from dataclasses import dataclass, field

from msgspec.structs import replace
from people import DEVICE, Person
from relay import Place

from relayproto import frame, message, noise
from relayproto.codes import Kind, Purpose, Suite, Transport
from relayproto.commands import Credit, Hello
from relayproto.limits import HANDSHAKE_MESSAGE_BYTES_MAX
from relayproto.noise import HandshakeState
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import NOISE_SHA256, Cipher, KeyedAead
from relayproto.preface import Preface
from relayproto.record import RecordBuffer, pack, prefixed, unpack
from relayproto.replies import Welcome

WINDOW = Credit(1024, 4 << 20)
"""What a device may have unacknowledged; it grants as much again with each acknowledgement."""
NOTHING = Credit(0, 0)
LOGIN_S_MAX = 30.0
_HARMLESS = {Kind.DRAINED, Kind.PREKEYS_LOW}
_BUILD = "bench"
_READ_BYTES = 1 << 16


@dataclass(slots=True)
class Seat:
    """A connection that is logged in; ``pending`` came behind WELCOME and is not opened yet."""

    person: Person
    socket: socket.socket
    cipher: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    pending: bytes
    granted: bool

    def order(self) -> str:
        """Return the line that hands it to the load generator."""
        normal, urgent, outcome = self.person.floors
        return (
            f"conn fd={self.socket.fileno()} gcm={int('AESGCM' in self.cipher)} send={self.send_key.hex()}"
            f" receive={self.receive_key.hex()} sent=0 got=1 epoch={self.person.epoch} normal={normal}"
            f" urgent={urgent} outcome={outcome} granted={int(self.granted)} messages={WINDOW.messages}"
            f" octets={WINDOW.octets} pending={self.pending.hex()}"
        )

    def descriptor(self) -> int:
        """Return the socket's descriptor."""
        return self.socket.fileno()

    def handed_over(self) -> None:
        """Close our copy of the socket."""
        self.socket.close()


class Login:
    """One login to come; the first handshake message is made at once, so that dialling many at a time is fair."""

    def __init__(self, place: Place, person: Person, credit: Credit = WINDOW) -> None:
        """Take who connects and what it grants in HELLO."""
        wanted = Preface(Suite.HYBRID, Purpose.DEVICE, place.key_id)
        self._place = place
        self._person = person
        self._credit = credit
        self._keys: list[bytes] = []
        self._buffer = RecordBuffer()
        self._handshake = HandshakeState(
            protocol=noise.XKHFS, initiator=True, prologue=wanted.prologue(Transport.TCP), entropy=os.urandom,
            s=person.dh_private, rs=place.key, suite=replace(NOISE_SHA256, cipher=self._noting()),
        )  # fmt: skip
        self._first = wanted.encode() + prefixed(self._handshake.write_message())

    def _noting(self) -> Cipher:
        """Return the suite's cipher; the last two keys that it is asked for are those of the split."""
        cipher = NOISE_SHA256.cipher

        def keyed(key: bytes) -> KeyedAead:
            self._keys.append(key)
            return cipher.keyed(key)

        return Cipher(keyed, cipher.nonce)

    async def dial(self) -> Seat:
        """Connect and log in; raises where the relay says anything but WELCOME."""
        loop = asyncio.get_running_loop()
        link = socket.socket()
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # From an address of one's own, as people have; one that makes a hundred logins at once is a crowd to the relay.
        link.bind((f"127.200.{self._person.account[0]}.{1 + self._person.account[1] % 250}", 0))
        try:
            async with asyncio.timeout(LOGIN_S_MAX):
                await loop.sock_connect(link, (self._place.host, self._place.port))
                await loop.sock_sendall(link, self._first)
                while (answer := self._buffer.next_message(HANDSHAKE_MESSAGE_BYTES_MAX)) is None:
                    self._buffer.feed(await self._read(loop, link))
                receive = await self._greet(loop, link, answer)
                while (record := self._buffer.next_record()) is None:
                    self._buffer.feed(await self._read(loop, link))
        except BaseException:
            link.close()
            raise
        self._welcomed(receive.decrypt_with_ad(b"", record))
        pending = b""
        while (more := self._buffer.take(1)) is not None:
            pending += more
        send_key, receive_key = self._keys[-2:]
        return Seat(
            self._person, link, NOISE_SHA256.name, send_key, receive_key, pending, granted=self._credit != NOTHING
        )

    async def _read(self, loop: asyncio.AbstractEventLoop, link: socket.socket) -> bytes:
        got = await loop.sock_recv(link, _READ_BYTES)
        if not got:
            raise RuntimeError("the relay hung up before WELCOME")
        return got

    async def _greet(self, loop: asyncio.AbstractEventLoop, link: socket.socket, answer: bytes) -> CipherState:
        """Finish the handshake with HELLO and return the cipher of what comes back."""
        person = self._person
        self._handshake.read_message(answer)
        hello = Hello(
            person.account, DEVICE, 1, person.epoch, tuple(person.floors), person.ledger_epoch, person.submission, 0,
            self._credit, _BUILD,
        )  # fmt: skip
        [padded] = pack([message.encode(hello)])
        await loop.sock_sendall(link, prefixed(self._handshake.write_message(padded)))
        _, receive = self._handshake.split()
        return receive

    def _welcomed(self, plain: bytes) -> None:
        person = self._person
        first, *others = (frame.decode(octets) for octets in unpack(plain))
        if first.kind != Kind.WELCOME or any(other.kind not in _HARMLESS for other in others):
            raise RuntimeError(f"no WELCOME alone: {[first, *others]}")
        welcome = message.read(Welcome, first.octets)
        if welcome.ledger_floor != person.submission:
            raise RuntimeError(f"the ledger ends at {welcome.ledger_floor}, not at {person.submission}")
        person.epoch, person.ledger_epoch = welcome.epoch, welcome.ledger_epoch
