"""A small relay in memory, over loopback TCP, for what a client does: it answers as spec 40 says, or as a test says.

``script`` maps a command's class to what replaces the ordinary answer; ``received`` holds every command that came.
It keeps no rule for its own sake: no quota, no expiry, no disk. The real relay is tested in tests/unit/relayd.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from relayproto import descriptor, identity, stamp
from relayproto.codes import Code, GoawayCode, Lane, PrekeyKind, Purpose, Result, Scope, Suite
from relayproto.commands import (
    Ack,
    Block,
    Body,
    Credit,
    Enrol,
    Ephemeral,
    GetBundles,
    GetDevices,
    GetRelayKeys,
    Hello,
    Lookup,
    PutDevices,
    PutPrekeys,
    Report,
    SignedPrekey,
    Submit,
)
from relayproto.connection import RelayConnection
from relayproto.events import Closed, HelloReceived, MessageReceived
from relayproto.ids import Address, KeyId, UnitId
from relayproto.invitation import Invitation, to_link
from relayproto.limits import LANE_OF
from relayproto.message import Message
from relayproto.notices import Deliver, Drained, Outcome, Passing
from relayproto.primitives import Aead, SigningKey, ed25519_public, x25519_public
from relayproto.replies import (
    Account,
    Bundle,
    Bundles,
    Devices,
    Done,
    Enrolled,
    LaneState,
    PrekeysLeft,
    Refused,
    RelayKeys,
    Submitted,
    Welcome,
)
from relayproto.standing import PLATFORM, Standing

HOUR_MS = 3_600_000
FAR_MS = 10**13
Answer = Callable[["Peer", Message, int], Message | None]


@dataclass
class Mailbox:
    """What the relay keeps of one device."""

    account: bytes
    device: int
    static_key: bytes
    waiting: dict[Lane, dict[int, Message]] = field(default_factory=lambda: {lane: {} for lane in Lane})
    floors: list[int] = field(default_factory=lambda: [0, 0, 0])
    next: list[int] = field(default_factory=lambda: [1, 1, 1])
    origin: dict[tuple[Lane, int], tuple["Mailbox", int, int]] = field(default_factory=dict)
    ledger: dict[int, Submitted] = field(default_factory=dict)
    ledger_epoch: int = 1
    prekeys: dict[PrekeyKind, list[SignedPrekey]] = field(default_factory=dict)
    peer: "Peer | None" = None

    def put(self, lane: Lane, make: Callable[[int], Message]) -> int:
        sequence = self.next[lane]
        self.next[lane] += 1
        self.waiting[lane][sequence] = make(sequence)
        if self.peer is not None:
            self.peer.pump()
        return sequence

    def left(self) -> PrekeysLeft:
        return PrekeysLeft(
            len(self.prekeys.get(PrekeyKind.ONE_TIME, ())), len(self.prekeys.get(PrekeyKind.KEM_ONE_TIME, ()))
        )


class Peer(asyncio.Protocol):
    """One connection at the relay's side."""

    def __init__(self, relay: "ScriptedRelay") -> None:
        self.relay = relay
        self.mailbox: Mailbox | None = None
        self.sent = [0, 0, 0]
        self.used = Credit(0, 0)
        self.credit = Credit(0, 0)
        self.drained = False

    def connection_made(self, transport) -> None:
        self.transport = transport
        relay = self.relay
        self.connection = RelayConnection(
            keys={relay.key_id: relay.private_key},
            suites=frozenset({Suite.HYBRID}),
            descriptor=relay.descriptor,
            entropy=os.urandom,
            now=time.monotonic(),
        )
        relay.peers.add(self)

    def data_received(self, data: bytes) -> None:
        self.connection.receive_data(data, time.monotonic())
        for event in self.connection.events():
            match event:
                case HelloReceived(hello, static_key):
                    self.greet(hello, static_key)
                case MessageReceived(request, message):
                    self.answer(request, message)
                case Closed():
                    self.relay.closed.append(event)
        self.flush()

    def connection_lost(self, exc) -> None:
        self.relay.peers.discard(self)
        if self.mailbox is not None and self.mailbox.peer is self:
            self.mailbox.peer = None

    def flush(self) -> None:
        self.transport.write(self.connection.data_to_send(time.monotonic()))
        if self.connection.closed:
            self.transport.close()

    def goaway(self, code: GoawayCode, *, reconnect: bool, after_ms: int = 0) -> None:
        self.connection.goaway(code, reconnect=reconnect, after_ms=after_ms)
        self.flush()

    def say(self, message: Message) -> None:
        self.connection.send(message)
        self.flush()

    def greet(self, hello: Hello, static_key: bytes) -> None:
        relay = self.relay
        relay.received.append(hello)
        mailbox = relay.mailboxes.get((hello.account, hello.device))
        if mailbox is None or mailbox.static_key != static_key:
            self.goaway(GoawayCode.AUTHENTICATION, reconnect=False)
            return
        if mailbox.peer is not None:
            mailbox.peer.goaway(GoawayCode.SUPERSEDED, reconnect=False)
        mailbox.peer = self
        self.mailbox = mailbox
        self.credit = hello.credit
        for lane in Lane:
            relay.acknowledge(mailbox, lane, range(hello.floors[lane] + 1))
            self.sent[lane] = mailbox.floors[lane]
        held = relay.lists.get(mailbox.account)
        version = 1 if held is None else identity.decode(*held).version
        welcome = Welcome(
            1, 0, int(time.time() * 1000), 1,
            tuple(LaneState(mailbox.floors[lane], mailbox.next[lane]) for lane in Lane),
            mailbox.ledger_epoch, max(mailbox.ledger, default=0), version, *mailbox.left().fields(),
            *relay.belongs.get(mailbox.account, (Standing.PUBLIC, PLATFORM)),
        )  # fmt: skip
        if (scripted := relay.script.get(Hello)) is not None:
            welcome = scripted(self, hello, 0) or welcome
        if not self.connection.closed:
            self.connection.welcome(welcome)
            self.pump()

    def answer(self, request: int, command: Message) -> None:
        self.relay.received.append(command)
        answer = self.relay.script.get(type(command), ordinary)
        reply = answer(self, command, request)
        if reply is not None and self.connection.open:
            self.connection.send(reply, request)

    def pump(self) -> None:
        mailbox = self.mailbox
        if mailbox is None or not self.connection.open:
            return
        for lane in (Lane.URGENT, Lane.OUTCOME, Lane.NORMAL):
            for sequence in [sequence for sequence in mailbox.waiting[lane] if sequence > self.sent[lane]]:
                message = mailbox.waiting[lane][sequence]
                if isinstance(message, Deliver) and not self.pay(message.cost()):
                    return
                self.connection.send(message)
                self.sent[lane] = sequence
        if not self.drained:
            self.drained = True
            self.connection.send(Drained())
        self.flush()

    def pay(self, octets: int) -> bool:
        if self.used.messages + 1 > self.credit.messages or self.used.octets + octets > self.credit.octets:
            self.flush()
            return False
        self.used = Credit(self.used.messages + 1, self.used.octets + octets)
        return True


class ScriptedRelay:
    """The relay: who is enrolled, what waits for whom, and the script."""

    def __init__(self) -> None:
        self.key_id = KeyId(1)
        self.private_key = os.urandom(32)
        self.root_seed = os.urandom(32)
        self.stamp_seed = os.urandom(32)
        self.relay_id = 7
        self.moderators: tuple[bytes, ...] = ()
        self.host, self.port = "127.0.0.1", 0
        self.descriptor = self.describe()
        self.tickets: dict[bytes, str] = {}
        self.addresses: dict[str, bytes] = {}
        self.lists: dict[bytes, tuple[bytes, bytes]] = {}
        self.mailboxes: dict[tuple[bytes, int], Mailbox] = {}
        self.bodies: dict[int, bytes] = {}
        self.belongs: dict[bytes, tuple[Standing, UnitId]] = {}
        self.script: dict[type[Message], Answer] = {}
        self.received: list[Message] = []
        self.closed: list[Closed] = []
        self.peers: set[Peer] = set()
        self.server: asyncio.Server | None = None

    def describe(self) -> bytes:
        now_ms = int(time.time() * 1000)
        return descriptor.make(
            self.root_seed,
            descriptor.KeyDescriptor(
                self.relay_id, self.key_id, x25519_public(self.private_key), ed25519_public(self.stamp_seed),
                now_ms - HOUR_MS, now_ms + 30 * 24 * HOUR_MS, now_ms, self.moderators,
            ),
        )  # fmt: skip

    def rotate(self) -> None:
        """Take another key; the old one is gone at once."""
        self.key_id = KeyId(self.key_id + 1)
        self.private_key = os.urandom(32)
        self.descriptor = self.describe()

    @property
    def root_fingerprint(self) -> bytes:
        return descriptor.fingerprint(ed25519_public(self.root_seed))

    def invite(self, address: str) -> Invitation:
        ticket = os.urandom(16)
        self.tickets[ticket] = address
        return Invitation(
            Address(address), self.host, self.port, self.key_id, x25519_public(self.private_key), self.root_fingerprint,
            ticket,
        )  # fmt: skip

    def link(self, address: str) -> str:
        return to_link(self.invite(address))

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Peer(self), self.host, self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be away: nobody listens, every connection is cut."""
        if self.server is not None:
            self.server.close()
        for peer in list(self.peers):
            peer.transport.abort()
        await asyncio.sleep(0)

    def got(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.received if isinstance(message, kind)]

    def acknowledge(self, mailbox: Mailbox, lane: Lane, sequences, undecryptable=()) -> None:
        for sequence in [each for each in mailbox.waiting[lane] if each in sequences]:
            del mailbox.waiting[lane][sequence]
            mailbox.floors[lane] = max(mailbox.floors[lane], sequence)
            if (lane, sequence) in mailbox.origin:
                sender, submission, position = mailbox.origin.pop((lane, sequence))
                result = Result.UNDECRYPTABLE if sequence in undecryptable else Result.DELIVERED
                sender.put(
                    Lane.OUTCOME,
                    lambda own, submission=submission, position=position, result=result: Outcome(
                        own, submission, position, result
                    ),
                )


def ordinary(peer: Peer, command: Message, request: int) -> Message | None:  # noqa: C901, PLR0911, PLR0912 - one match
    """What a relay answers that nothing is wrong with."""
    del request
    relay, mailbox = peer.relay, peer.mailbox
    match command:
        case Enrol():
            return enrol(peer, command)
        case Submit():
            return mailbox.ledger.get(command.submission) or submit(relay, mailbox, command)
        case Body(handle, octets):
            relay.bodies[handle] = octets
            return None
        case Ack():
            peer.credit = command.credit
            sequences = {*range(command.floor + 1)}
            for first, last in command.ranges:
                sequences.update(range(first, last + 1))
            relay.acknowledge(mailbox, command.lane, sequences, command.undecryptable)
            peer.pump()
            return None
        case PutPrekeys(prekeys):
            deposit(mailbox, prekeys)
            return mailbox.left()
        case GetBundles(account, devices):
            return bundles(relay, account, devices)
        case Lookup(address):
            account = relay.addresses.get(address)
            if account is None:
                return Refused(Code.NOT_AVAILABLE, 0)
            return Account(account, address, *relay.lists[account])
        case GetDevices(account) if account not in relay.lists:
            return Refused(Code.NOT_AVAILABLE, 0)
        case GetDevices(account):
            address = next((name for name, named in relay.addresses.items() if named == account), "")
            return Devices(*relay.lists[account], address)
        case PutDevices(devices, signature):
            relay.lists[mailbox.account] = (devices, signature)
            listed = identity.decode(devices, signature).devices
            for entry in listed:
                relay.mailboxes.setdefault(
                    (mailbox.account, entry.device), Mailbox(mailbox.account, entry.device, entry.dh_key)
                )
            for gone in {device for account, device in relay.mailboxes if account == mailbox.account} - {
                entry.device for entry in listed
            }:
                del relay.mailboxes[mailbox.account, gone]
            return Devices(devices, signature, "")
        case GetRelayKeys():
            return RelayKeys((relay.descriptor,))
        case Block() | Report():
            return Done()
        case Ephemeral(target):
            for wrap in target.wraps:
                listening = relay.mailboxes[target.account, wrap.device].peer
                if listening is not None:
                    listening.say(Passing(mailbox.account, mailbox.device, wrap.sealed))
            return None
    return Refused(Code.UNSUPPORTED, 0)


def deposit(mailbox: Mailbox, prekeys) -> None:
    for prekey in prekeys:
        kept = mailbox.prekeys.setdefault(prekey.kind, [])
        if prekey.kind in {PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT}:
            kept.clear()
        kept.append(prekey)


def enrol(peer: Peer, command: Enrol) -> Message:
    relay = peer.relay
    address = relay.tickets.get(command.ticket)
    if address is None or peer.connection.purpose is not Purpose.ENROL:
        return Refused(Code.BAD_TICKET, 0)
    devices = identity.decode(command.devices, command.signature)
    known = relay.addresses.setdefault(address, devices.account)
    if known != devices.account:
        return Refused(Code.ADDRESS_TAKEN, 0)
    relay.lists[devices.account] = (command.devices, command.signature)
    entry = devices.devices[0]
    mailbox = relay.mailboxes.setdefault(
        (devices.account, entry.device), Mailbox(devices.account, entry.device, entry.dh_key)
    )
    deposit(mailbox, command.prekeys)
    return Enrolled(devices.account, address, relay.descriptor)


def submit(relay: ScriptedRelay, sender: Mailbox, command: Submit) -> Message:
    now_ms = int(time.time() * 1000)
    hour_key = Aead(bytes(32))
    author = stamp.Author(sender.account, sender.device, Scope.PERSON, now_ms)
    seal = stamp.seal_author(
        hour_key, stamp.key_id_at(relay.relay_id, now_ms), os.urandom(12), command.commitment, author
    )  # fmt: skip
    [stamped] = stamp.stamp_all([(seal, command.commitment)], SigningKey(relay.stamp_seed))
    body = command.body if command.body is not None else relay.bodies[command.handle]
    codes = []
    for position, target in enumerate(command.targets):
        boxes = [relay.mailboxes.get((target.account, wrap.device)) for wrap in target.wraps]
        if not boxes or None in boxes:
            codes.append(Code.NOT_AVAILABLE)
            continue
        codes.append(Code.STORED)
        lane = LANE_OF[command.class_]
        for wrap, box in zip(target.wraps, boxes, strict=True):
            if command.flags:
                box.origin[lane, box.next[lane]] = (sender, command.submission, position)
            box.put(
                lane,
                lambda sequence, wrap=wrap, lane=lane: Deliver(
                    lane, sequence, sender.account, sender.device, command.class_, now_ms + command.ttl_s * 1000,
                    command.commitment, stamped, wrap.sealed, body,
                ),
            )  # fmt: skip
    reply = Submitted(command.submission, tuple(codes), (), 0)
    sender.ledger[command.submission] = reply
    return reply


def bundles(relay: ScriptedRelay, account: bytes, devices) -> Message:
    if account not in relay.lists:
        return Refused(Code.NOT_AVAILABLE, 0)
    made = []
    for (owner, device), box in relay.mailboxes.items():
        if owner == account and (not devices or device in devices):
            one_time = box.prekeys.get(PrekeyKind.ONE_TIME) or [None]
            kem = box.prekeys.get(PrekeyKind.KEM_ONE_TIME) or box.prekeys[PrekeyKind.KEM_LAST_RESORT][:1]
            made.append(Bundle(device, box.prekeys[PrekeyKind.SIGNED][0], one_time.pop(0), kem.pop(0)))
    return Bundles(*relay.lists[account], tuple(made))


class RelayThread:
    """A ScriptedRelay on a loop of its own, for code that runs a loop itself."""

    def __init__(self) -> None:
        self.relay = ScriptedRelay()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def do(self, call: Callable[[], object]) -> object:
        """Run ``call`` (or the coroutine that it returns) in the relay's loop and return what it gives."""

        async def within() -> object:
            made = call()
            return await made if asyncio.iscoroutine(made) else made

        return asyncio.run_coroutine_threadsafe(within(), self.loop).result(30)


@contextlib.contextmanager
def relay_thread() -> Iterator[RelayThread]:
    """Run a scripted relay in a thread until the block ends."""
    thread = RelayThread()
    thread.thread.start()
    try:
        thread.do(thread.relay.start)
        yield thread
    finally:
        thread.do(thread.relay.stop)
        thread.loop.call_soon_threadsafe(thread.loop.stop)
        thread.thread.join(10)
        thread.loop.close()
