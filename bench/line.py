"""One connection of a generator's device: the real handshake and real records.

It reads only as much as a load generator must: a frame that it expects is known by its first bytes, every other one is
decoded. Bytes enter; counts leave, and ``heard`` is called once a read. What comes twice or is missing is counted.
"""

import asyncio
import os
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, cast

from msgpack import packb
from people import DEVICE, Person
from relay import Place

from relayproto import frame, message, noise
from relayproto.channel import Channel
from relayproto.codes import Code, Kind, Lane, Purpose, Suite, Transport
from relayproto.commands import Credit, Hello
from relayproto.limits import HANDSHAKE_MESSAGE_BYTES_MAX
from relayproto.noise import HandshakeState
from relayproto.notices import Outcome, Pong
from relayproto.preface import Preface
from relayproto.record import Opener, RecordBuffer, pack, prefixed
from relayproto.replies import NotTaken, Submitted, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW = Credit(1024, 4 << 20)
"""What a device may have unacknowledged; it grants as much again with each acknowledgement."""
NOTHING = Credit(0, 0)
_STORED = b"\x91\x00\x90\x00"
"""One target, code 0, no mismatch, no time to wait: how a good SUBMITTED ends."""
_SUBMITTED_HEAD = b"\x96\xcc\x82"
_OUTCOME_HEAD = b"\x96\xcc\xa3\x00"
_DELIVERED = b"\x9d\xcc\xa0\x00\x00"
"""The beginning of DELIVER in the normal lane, up to its sequence; behind 0xcc stands the kind."""
_DELIVERED_RESULT = b"\x00\x01"
"""The end of an OUTCOME: target 0, delivered."""
_SUBMITTED, _OUTCOME, _DELIVER = int(Kind.SUBMITTED), int(Kind.OUTCOME), int(Kind.DELIVER)
_REFUSALS: dict[int, type[Submitted | NotTaken]] = {Kind.SUBMITTED: Submitted, Kind.NOT_TAKEN: NotTaken}
_HARMLESS = {Kind.DRAINED, Kind.PREKEYS_LOW, Kind.PONG}
_BUILD = "bench"


class Line(asyncio.Protocol):
    """A device's connection. ``ready`` is done once WELCOME came; the first handshake message is made at once.

    ``submitted`` and ``outcomes`` are the highest submission that was answered, and whose outcome came; ``delivered``
    counts envelopes.
    """

    def __init__(self, place: Place, person: Person, credit: Credit = WINDOW) -> None:
        """Take who connects and what it grants in HELLO."""
        wanted = Preface(Suite.HYBRID, Purpose.DEVICE, place.key_id)
        self.person = person
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard: Callable[[], None] = _nobody
        self.troubles: Counter[str] = Counter()
        self.submitted = self.outcomes = self._begun = person.submission
        self.delivered = self.octets = 0
        self._credit = credit
        self._acknowledged = [0, 0, 0]
        self._transport: asyncio.Transport | None = None
        self._buffer = RecordBuffer()
        self._channel: Channel | None = None
        self._handshake = HandshakeState(
            protocol=noise.XKHFS, initiator=True, prologue=wanted.prologue(Transport.TCP), entropy=os.urandom,
            s=person.dh_private, rs=place.key,
        )  # fmt: skip
        self._first = wanted.encode() + prefixed(self._handshake.write_message())

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        """Take what came, acknowledge what of it was delivered, and tell whoever drives the load."""
        buffer = self._buffer
        buffer.feed(data)
        if self._channel is None:
            received = buffer.next_message(HANDSHAKE_MESSAGE_BYTES_MAX)
            if received is None:
                return
            self._established(received)
        while (record := buffer.next_record()) is not None:
            self._frames(self._opener.open(record))
        self._acknowledge()
        self.heard()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note an end that we did not ask for."""
        if self._transport is not None and not self._transport.is_closing():
            self.troubles["connection lost"] += 1
        if not self.ready.done():
            self.ready.set_exception(RuntimeError(f"no WELCOME: {exc}, {dict(self.troubles)}"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # --- speaking ---

    def say(self, frames: list[bytes]) -> None:
        """Send frames, in one write."""
        channel, transport = self._channel, self._transport
        assert channel is not None
        assert transport is not None
        for each in frames:
            channel.queue(each)
        transport.write(channel.seal(time.monotonic()))

    def grant(self, credit: Credit) -> None:
        """Let the relay send so much more at a time, from now on."""
        self._credit = credit
        self._say_ack(Lane.NORMAL)

    def _acknowledge(self) -> None:
        floors, said = self.person.floors, self._acknowledged
        for lane in (Lane.NORMAL, Lane.OUTCOME):
            if floors[lane] != said[lane]:
                self._say_ack(lane)

    def _say_ack(self, lane: Lane) -> None:
        floor = self._acknowledged[lane] = self.person.floors[lane]
        messages, octets = self._credit
        taken = self.delivered + self.outcomes - self._begun
        credit = (taken + messages, self.octets + octets)
        self.say([packb((Kind.ACK, 0, self.person.epoch, lane, floor, (), credit, ()))])

    # --- hearing ---

    def _established(self, received: bytes) -> None:
        """Finish the handshake with HELLO."""
        person, handshake, transport = self.person, self._handshake, self._transport
        assert transport is not None
        handshake.read_message(received)
        hello = Hello(
            person.account, DEVICE, 1, person.epoch, tuple(person.floors), person.ledger_epoch, person.submission, 0,
            self._credit, _BUILD,
        )  # fmt: skip
        [padded] = pack([message.encode(hello)])
        transport.write(prefixed(handshake.write_message(padded)))
        send, receive = handshake.split()
        self._channel = Channel(send, receive, bulk=False, now=time.monotonic())
        self._opener = Opener(receive)
        self._acknowledged = list(person.floors)

    def _frames(self, plain: bytes) -> None:
        """Count what is expected; ``_odd`` looks at the rest."""
        floors = self.person.floors
        at, end = 0, len(plain) - 1
        while at < end:
            length = plain[at] << 8 | plain[at + 1]
            if not length:
                return
            at += 2
            kind = plain[at + 2]
            if kind == _DELIVER and plain.startswith(_DELIVERED + packb(floors[0] + 1), at):
                floors[0] += 1
                self.delivered += 1
                self.octets += length
            elif kind == _SUBMITTED and plain.startswith(_answer(self.submitted + 1), at):
                self.submitted += 1
            elif kind == _OUTCOME and plain.startswith(_result(floors[2] + 1, self.outcomes + 1), at):
                floors[2] += 1
                self.outcomes += 1
            else:
                self._odd(plain[at : at + length])
            at += length

    def _odd(self, octets: bytes) -> None:
        """Take a frame that is not the next expected one."""
        received = frame.decode(octets)
        kind, fields, person = received.kind, received.fields, self.person
        if kind == Kind.WELCOME and not self.ready.done():
            welcome = message.read(Welcome, fields)
            person.epoch, person.ledger_epoch = welcome.epoch, welcome.ledger_epoch
            if welcome.ledger_floor != person.submission:
                self.troubles["submission numbers differ"] += 1
            self.ready.set_result(None)
        elif kind == Kind.REKEY:
            self._opener.rekey()
        elif kind == Kind.PING:
            self.say([message.encode(Pong(), received.request)])
        elif kind == Kind.DELIVER:
            self._out_of_order(Lane.NORMAL, fields[1])
            self.delivered += 1
        elif kind == Kind.OUTCOME:
            outcome = message.read(Outcome, fields)
            self._out_of_order(Lane.OUTCOME, outcome.sequence)
            self.outcomes += 1
        elif kind in _REFUSALS:
            answer = message.read(_REFUSALS[kind], fields)
            codes = answer.codes if isinstance(answer, Submitted) else (answer.code,)
            self.troubles[f"{Kind(kind).name} {'/'.join(str(Code(code).name) for code in codes)}"] += 1
        elif kind not in _HARMLESS:
            self.troubles[f"{Kind(kind).name} {fields}"] += 1

    def _out_of_order(self, lane: Lane, sequence: object) -> None:
        floors = self.person.floors
        assert isinstance(sequence, int)
        if sequence <= floors[lane]:
            self.troubles[f"duplicates, {lane.name}"] += 1
        else:
            self.troubles[f"lost, {lane.name}"] += sequence - floors[lane] - 1
            floors[lane] = sequence


def _nobody() -> None:
    """Hear nothing."""


def _answer(submission: int) -> bytes:
    """Return the SUBMITTED that a submission should get; its request has the same number."""
    number = packb(submission)
    return b"".join((_SUBMITTED_HEAD, number, number, _STORED))


def _result(sequence: int, submission: int) -> bytes:
    """Return the OUTCOME that a submission should get."""
    return b"".join((_OUTCOME_HEAD, packb(sequence), packb(submission), _DELIVERED_RESULT))
