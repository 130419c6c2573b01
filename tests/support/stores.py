"""A store on a real SQLite file, and people who use it as their devices would."""

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from relayd.config import LifetimesSection, LimitsSection, StoreSection
from relayd.domain.entry import Entry
from relayd.domain.seat import Seat
from relayd.metrics import Counters
from relayd.store import Ears, Store
from relayproto import identity
from relayproto.codes import Class, Lane, PrekeyKind, SubmitFlag
from relayproto.commands import Ack, Credit, Enrol, Hello, Submit, Target, Wrap
from relayproto.identity import DeviceEntry, DeviceList
from relayproto.message import Message
from relayproto.notices import Gap
from relayproto.primitives import ed25519_public, x25519_public
from support.clocks import HandClock

MASTER_KEY = bytes(range(32))
STAMP_SEED = bytes(range(1, 33))
DAY_S = 86_400
NO_LIMIT = StoreSection(disk_warn_percent=100, disk_refuse_percent=100, ballast_bytes=0)
"""The disk of whoever runs the tests decides nothing."""


@dataclass
class Guest:
    """An account with keys of its own; ``seats`` are its devices' newest connections."""

    name: str
    identity_seed: bytes
    devices: DeviceList
    keys: dict[int, tuple[bytes, bytes]]
    """Device -> X25519 private and Ed25519 seed."""
    seats: dict[int, Seat] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    next_submission: int = 1

    @property
    def account(self) -> bytes:
        return self.devices.account

    @property
    def seat(self) -> Seat:
        return self.seats[1]

    def listed(self) -> tuple[bytes, bytes]:
        octets = identity.encode(self.devices)
        return octets, identity.sign_list(self.identity_seed, octets)

    def entry(self, device: int, added_ms: int = 1) -> DeviceEntry:
        if device not in self.keys:
            self.keys[device] = (os.urandom(32), os.urandom(32))
        private, sign_seed = self.keys[device]
        return DeviceEntry(device, ed25519_public(sign_seed), x25519_public(private), added_ms)

    def with_devices(self, *numbers: int) -> DeviceList:
        """Return the next version of the list, naming these devices."""
        held = self.devices
        return DeviceList(
            held.account, held.identity_key, held.version + 1, identity.list_hash(identity.encode(held)), 2,
            max(held.highest_device, *numbers), tuple(self.entry(number) for number in sorted(numbers)),
        )  # fmt: skip

    def prekey(self, kind: PrekeyKind, number: int, device: int = 1):
        return identity.sign_prekey(
            self.keys[device][1], kind, account=self.account, device=device, number=number,
            key=bytes([kind]) * identity.KEY_BYTES[kind],
        )  # fmt: skip


def guest(name: str) -> Guest:
    identity_seed = os.urandom(32)
    public = ed25519_public(identity_seed)
    empty = DeviceList(identity.account_id(public), public, 0, identity.FIRST_PREVIOUS, 1, 0, ())
    made = Guest(name, identity_seed, empty, {})
    first = DeviceList(empty.account, public, 1, identity.FIRST_PREVIOUS, 1, 1, (made.entry(1),))
    made.devices = first
    return made


@dataclass
class House:
    """An open store and what it told."""

    directory: Path
    clock: HandClock = field(default_factory=HandClock)
    limits: LimitsSection = field(default_factory=LimitsSection)
    lifetimes: LifetimesSection = field(default_factory=LifetimesSection)
    settings: StoreSection = field(default_factory=lambda: NO_LIMIT)
    moderators: tuple[bytes, ...] = ()
    master_key: bytes = MASTER_KEY
    audit_days: int = 400
    statistics_days: int = 400
    listening: set[int] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    gaps: list[tuple[int, Gap]] = field(default_factory=list)
    said: list[tuple[int, Message]] = field(default_factory=list)
    announced: list[Message] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    store: Store = field(init=False)

    async def open(self) -> "House":
        self.counters = Counters()
        self.store = await Store.open(
            self.directory,
            settings=self.settings,
            limits=self.limits,
            lifetimes=self.lifetimes,
            master_key=self.master_key,
            stamp_seed=STAMP_SEED,
            relay_id=7,
            moderators=self.moderators,
            retention_days=180,
            audit_days=self.audit_days,
            statistics_days=self.statistics_days,
            clock=self.clock,
            entropy=os.urandom,
            counters=self.counters,
            ears=Ears(
                self.entries.extend,
                lambda mailbox, gap: self.gaps.append((mailbox, gap)),
                lambda mailbox, notice: self.said.append((mailbox, notice)),
                self.announced.append,
                self.listening,
                lambda: None,
            ),
        )
        return self

    async def reopen(self) -> None:
        await self.store.close()
        await self.open()

    async def enrol(self, name: str, devices: int = 1) -> Guest:
        """Make an account and log its devices in."""
        someone = guest(name)
        ticket = await self.store.create_ticket(f"{name}@gad.example", self.clock.now_ms() + DAY_S * 1000)
        prekeys = (someone.prekey(PrekeyKind.SIGNED, 1), someone.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
        command = Enrol(ticket, *someone.listed(), prekeys)
        await self.store.enrol(command, someone.devices)
        await self.login(someone)
        if devices > 1:
            await self.put_devices(someone, *range(1, devices + 1))
            for device in range(2, devices + 1):
                await self.login(someone, device)
        return someone

    async def put_devices(self, someone: Guest, *numbers: int, by: int = 1):
        newer = someone.with_devices(*numbers)
        octets = identity.encode(newer)
        signature = identity.sign_list(someone.identity_seed, octets)
        changed = await self.store.put_devices(someone.seats[by], newer, octets, signature)
        someone.devices = newer
        return changed

    async def login(self, someone: Guest, device: int = 1, *, epoch: int | None = None, floors=(0, 0, 0)):
        hello = hello_of(someone, device, epoch=epoch, floors=floors)
        made = await self.store.login(hello, x25519_public(someone.keys[device][0]))
        someone.seats[device] = made.seat
        someone.epochs[device] = made.welcome.epoch
        return made

    async def submit(self, sender: Guest, *receivers: Guest, device: int = 1, **changes):
        """Submit to the receivers and return the settlement."""
        return (await self.submit_all(submit_of(sender, *receivers, device=device, **changes), sender, device))[0]

    async def submit_all(self, *works):
        """Submit (command, sender, device) triples given flat, in one turn, and return the settlements."""
        triples = [works[at : at + 3] for at in range(0, len(works), 3)]
        futures = []
        for command, sender, device in triples:
            future = asyncio.get_running_loop().create_future()
            futures.append(future)
            assert not self.store.full
            self.store.submit(sender.seats[device], command, command.body or b"", future.set_result)
        return [await future for future in futures]

    async def page(self, someone: Guest, lane=Lane.NORMAL, *, device=1, after=0, messages=100, octets=1 << 20):
        return await self.store.page(someone.seats[device].row, lane, after, messages, octets)

    async def acknowledge(self, someone: Guest, floor: int, *ranges, lane=Lane.NORMAL, device=1, undecryptable=()):
        """Acknowledge and wait until it is committed."""
        ack = Ack(someone.epochs[device], lane, floor, ranges, Credit(0, 0), undecryptable)
        self.store.acknowledge(someone.seats[device], ack)
        await self.store.probe()

    async def outcomes(self, someone: Guest, device: int = 1) -> list[tuple[int, int, int]]:
        """Return (submission, position, result) of what is queued for the sender."""
        page = await self.page(someone, Lane.OUTCOME, device=device)
        notices = [item.notice for item in page.items if isinstance(item, Entry)]
        return [(notice.submission, notice.position, notice.result) for notice in notices]


def hello_of(someone: Guest, device: int = 1, *, epoch: int | None = None, floors=(0, 0, 0)) -> Hello:
    known = someone.epochs.get(device, 0) if epoch is None else epoch
    return Hello(someone.account, device, someone.devices.version, known, floors, 0, 0, 0, Credit(64, 1 << 20), "test")


def target_of(receiver: Guest, *, without: tuple[bytes, int] | None = None, wrap=b"wrap", devices=None) -> Target:
    """Return a target that names every device of the receiver but the one that sends."""
    numbers = [entry.device for entry in receiver.devices.devices] if devices is None else devices
    wraps = tuple(Wrap(number, wrap) for number in numbers if (receiver.account, number) != without)
    return Target(receiver.account, receiver.devices.version, wraps)


def submit_of(sender: Guest, *receivers: Guest, device: int = 1, **changes) -> Submit:
    """Return a SUBMIT with the sender's next number, unless one is given."""
    fields = {
        "submission": 0, "slot": 0, "class_": Class.CHAT, "ttl_s": DAY_S, "flags": SubmitFlag.OUTCOME,
        "commitment": b"\x01" + os.urandom(32), "body": b"body", "handle": None,
        "targets": tuple(target_of(one, without=(sender.account, device)) for one in receivers), "condition": None,
    } | changes  # fmt: skip
    if not fields["submission"]:
        fields["submission"] = sender.next_submission
        sender.next_submission += 1
    return Submit(**fields)


@contextlib.asynccontextmanager
async def house(directory: Path, **settings):
    """Open a house and close it in the end."""
    opened = await House(directory, **settings).open()
    try:
        yield opened
    finally:
        await opened.store.close()
