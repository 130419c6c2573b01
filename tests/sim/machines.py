"""The relay's machine and people's devices: what starts, crashes, is put back and goes on in a simulated world.

A relay is ``relayd.app.App`` and a device ``relayclient.Client``, each over its real store; what stands in for their
surroundings is a loop, a network, a clock, a thread. The rule of this file: a process that ends leaves behind what the
operating system would have: files as they are, connections that break.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec

from relayclient.client import Client
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.events import BlockSettled, EnvelopeFailed, Event, MessageReceived
from relayd import keyring
from relayd.app import App
from relayd.clock import SystemClock
from relayd.config import Config
from relayd.domain.refusals import Fatal
from relayd.exits import Exit
from relayd.lifecycle import CannotStart
from relayd.net.rooms import Rooms
from relayd.notices import Notifier
from relayd.store import Store, daykeys, restored
from relayproto.codes import GapReason, Lane
from relayproto.commands import Ack, Body, DeviceCommand, Submit
from relayproto.ids import Address
from relayproto.notices import Deliver, Gap, Notice, Outcome, RolledBack
from relayproto.replies import Reply, Submitted, Welcome
from sim.checkers import Sender, Truth, expect
from sim.disk import MADE, Machine
from sim.loop import Process, VirtualLoop
from sim.network import NoSocket

START_MS = 1_790_000_000_000
RESTART_S = 2.0
"""What systemd waits."""


class Surroundings(Protocol):
    """What machines need of the world."""

    loop: VirtualLoop
    truth: Truth
    closing: bool

    def say(self, line: str) -> None:
        """Note what happens."""

    def count(self, what: str) -> None:
        """Count it."""

    def found(self, what: str, error: BaseException | None) -> None:
        """Something should not have happened."""

    def shown(self, phone: "Phone", event: MessageReceived) -> None:
        """A text was shown to a person."""

    def blocked(self, phone: "Phone", account: bytes, *, blocked: bool) -> None:
        """The relay has done what somebody wished about another."""


class WallClock(SystemClock):
    """The relay's own clock over a machine whose time is the loop's, and whose wall clock can be turned."""

    __slots__ = ("_loop",)

    def __init__(self, loop: VirtualLoop, turned_ms: Callable[[], int]) -> None:
        self._loop = loop
        super().__init__(
            wall_ms=lambda: START_MS + int(loop.now * 1000) + turned_ms(),
            steady_ms=lambda: int(loop.now * 1000),
            synchronised=lambda: False,
        )

    def monotonic(self) -> float:
        return self._loop.now


@dataclass
class Copy:
    """A copy of the database and the day keys of one moment."""

    database: bytes
    day_keys: bytes
    since: float


class Relay:
    """One relay, over all its processes."""

    def __init__(self, world: Surroundings, directory: Path, config: Config, rng: Random) -> None:
        self.world = world
        self.home = directory
        self.config = config
        self.rng = rng
        self.disk = Machine(Random(rng.random()), world.count)
        self.turned_ms = 0
        self.turned_back = False
        self.incarnation = 0
        self.process: Process | None = None
        self.app: App | None = None
        self.copies: list[Copy] = []

    @property
    def state(self) -> Path:
        return self.home / str(self.incarnation)

    @property
    def serves(self) -> bool:
        return self.app is not None and self.app._devices is not None and bool(self.app._devices._acceptor)

    @property
    def store(self) -> Store | None:
        return self.rooms_now.store if self.rooms_now is not None else None

    @property
    def rooms_now(self) -> Rooms | None:
        """What the running relay's connections share; None while it starts or does not run."""
        if self.app is None or self.app._devices is None:
            return None
        return self.app._devices._rooms

    def start(self) -> None:
        """Start it in the state directory as it is."""
        process = self.process = Process(f"relay {self.incarnation}")
        process.things["disk"] = self.disk
        self.world.say(f"{process} starts")
        self.world.loop.start(process, self._run(process))

    async def _run(self, process: Process) -> None:
        clock = WallClock(self.world.loop, lambda: self.turned_ms)
        relay = _replaced(self.config, state=str(self.state))
        keys = keyring.load(self.state, clock.now_ms())
        app = self.app = App(relay, keys, clock=clock, entropy=self.rng.randbytes, notifier=Notifier({}))
        sockets: dict[str, Any] = {name: NoSocket(name) for name in ("devices", "operations")}
        try:
            status = await app.run(sockets)
        except Exception as error:  # noqa: BLE001 - Fatal and CannotStart are ends like others; the rest is looked at
            if not (isinstance(error, Fatal | CannotStart) or str(error) == MADE):
                self.world.found(f"{process} ended", error)
            self.ended(process, type(error).__name__)
        else:
            if status not in {Exit.OK, Exit.FATAL}:
                self.world.found(f"{process} ended with {status.name}", None)
            self.ended(process, status.name)

    def ended(self, process: Process, how: str) -> None:
        """The process is over; whatever ended it, somebody starts it again."""
        loop = self.world.loop
        self.world.say(f"{process} ended: {how}")
        self.world.count(f"relay ended: {how.lower()}")
        self.look_at_it()
        self.app = None
        self._next(process)
        if not self.world.closing:
            operator = Process("operator")
            loop.within(operator, loop.call_later, RESTART_S, self.start)

    def _next(self, process: Process) -> None:
        """Let the next process have the files as this one leaves them."""
        before = self.state
        self.incarnation += 1
        shutil.copytree(before, self.state, ignore=shutil.ignore_patterns("*.sock", "*-shm"))
        self.world.loop.end(process)
        shutil.rmtree(before)
        self.process = None

    def crash(self) -> None:
        """End the process here and now."""
        if self.process is None:
            return
        process = self.process
        self.world.say(f"{process} is killed")
        self.world.count("relay crashes")
        self.look_at_it()
        self.app = None
        self._next(process)
        operator = Process("operator")
        self.world.loop.within(operator, self.world.loop.call_later, RESTART_S, self.start)

    def stop(self) -> None:
        """End it in order."""
        if self.app is not None and self.process is not None:
            self.world.say(f"{self.process} is told to stop")
            self.world.loop.within(self.process, self.app.stop)

    def look_at_it(self) -> None:
        """No mistake of the relay's own may have been reported."""
        if self.app is not None:
            expect(not self.app._counters.internal_errors, "incident", "the relay reported a mistake of its own")

    def copy(self) -> Copy | None:
        """Keep a copy, as a backup does, and return it; None where that is not the moment for one."""
        if self.app is None or not self.serves:
            return None
        store = self.store
        db = store._opened.writer._db
        if db.in_transaction:
            return None
        keys = self.state / daykeys.FILE_NAME
        made = Copy(db.serialize(), keys.read_bytes() if keys.exists() else b"", self.world.loop.now)
        self.copies = [*self.copies[-1:], made]
        self.world.count("copies made")
        return made

    def restore(self, copy: Copy) -> None:
        """Stop it by force, put an older copy in its place, renew it as the runbook says, and start it."""
        process = self.process
        if process is None:
            return
        self.world.say(f"{process} is put back to {copy.since:.3f}")
        self.world.count("restores")
        self.look_at_it()
        self.app = None
        self._next(process)
        for name in ("relay.db-wal", daykeys.FILE_NAME):
            (self.state / name).unlink(missing_ok=True)
        (self.state / "relay.db").write_bytes(copy.database)
        if copy.day_keys:
            (self.state / daykeys.FILE_NAME).write_bytes(copy.day_keys)
        with contextlib.closing(sqlite3.connect(self.state / "relay.db", isolation_level=None)) as db:
            restored.renew(db, self.rng.randbytes, restored.Mark(self.state).read())
            self.world.truth.begin(db)
        self.world.truth.restored()
        self.copies.clear()
        self.start()

    async def ticket(self, address: str) -> bytes:
        return await self.store.create_ticket(Address(address), START_MS + 10_000_000_000)


def _replaced(config: Config, **relay: str) -> Config:
    return msgspec.structs.replace(config, relay=msgspec.structs.replace(config.relay, **relay))


class Held:
    """The right to connect, where nobody else could have it."""

    wake = -1

    def poked(self) -> None:
        pass

    def release(self) -> None:
        pass


class WatchedDevice(Device):
    """A device that says to the truth what it hears and says."""

    phone: "Phone"

    def hello(self, **options):
        said = super().hello(**options)
        phone = self.phone
        phone.row = phone.world.truth.row_of(phone.sender) or phone.row
        phone.world.truth.greets(phone.row, said)
        return said

    def welcomed(self, welcome: Welcome, now_ms: int) -> list[Event]:
        self.phone.welcomed(welcome)
        return super().welcomed(welcome, now_ms)

    def answered(self, reply: Reply, command: DeviceCommand, now_ms: int) -> list[Event]:
        phone = self.phone
        if isinstance(reply, Submitted) and isinstance(command, Submit):
            stored = phone.world.truth.answered(phone.sender, phone.ledger_epoch, reply, command)
            phone.world.truth.figures["accepted"] += stored
        return super().answered(reply, command, now_ms)

    def noticed(self, notice: Notice, now_ms: int) -> list[Event]:
        phone = self.phone
        if isinstance(notice, Deliver | Outcome | Gap):
            phone.world.truth.heard(phone.row, phone.epoch, notice)
            if isinstance(notice, Gap) and (notice.lane, notice.reason) == (Lane.OUTCOME, GapReason.EXPIRED):
                phone.outcomes_lost |= {(phone.epoch, number) for number in range(notice.first, notice.last + 1)}
        elif isinstance(notice, RolledBack):
            phone.world.truth.rolled_back(phone.row, phone.epoch, notice.lane, notice.floor)
        return super().noticed(notice, now_ms)

    def next_submits(self, limit: int, now_ms: int) -> list[Submit | Body]:
        said = super().next_submits(limit, now_ms)
        for each in said:
            if isinstance(each, Submit):
                self.phone.world.truth.submits(each)
        return said

    def acks(self) -> list[Ack]:
        said = super().acks()
        for ack in said:
            self.phone.world.truth.acknowledges(self.phone.row, ack)
        return said


class Phone:
    """One device of one person, over all its processes."""

    def __init__(self, world: Surroundings, owner: str, name: str, home: Path, rng: Random) -> None:
        self.world = world
        self.owner = owner
        self.name = name
        self.home = home
        self.rng = rng
        self.disk = Machine(Random(rng.random()), world.count)
        self.turned_s = 0.0
        self.ahead_s = 0.0
        """How far its clock was ever ahead."""
        self.process: Process | None = None
        self.device: WatchedDevice | None = None
        self.client: Client | None = None
        self.task: asyncio.Task[None] | None = None
        self.sender: Sender = (b"", 0)
        self.row = 0
        self.epoch = 0
        self.ledger_epoch = 0
        self.over = ""
        """Why it will not connect any more, the error's name."""
        self.removed = False
        self.removed_at: float | None = None
        self.may_be_removed = False
        self.went_back = False
        """Its store was put back to an older copy."""
        self.older: bytes | None = None
        self.outcomes_lost: set[tuple[int, int]] = set()
        """Epochs and numbers of outcomes that had expired before it was there."""
        self.since = 0.0
        """When it became a device of its account."""

    def __repr__(self) -> str:
        return self.name

    @property
    def lives(self) -> bool:
        return not self.over and not self.removed

    @property
    def online(self) -> bool:
        return self.process is not None

    def clock(self) -> RelayClock:
        loop = self.world.loop
        return RelayClock(lambda: START_MS / 1000 + loop.now + self.turned_s, lambda: loop.now)

    def start(self) -> None:
        """Start the program and let it connect."""
        if self.process is not None or self.over:
            return
        process = self.process = Process(self.name)
        process.things |= {"disk": self.disk, "dies at once": True}
        self.task = self.world.loop.start(process, self._live(process))

    async def _live(self, process: Process) -> None:
        try:
            device = WatchedDevice.open(self.home, entropy=self.rng.randbytes)
        except Exception as error:  # noqa: BLE001 - looked at
            self._ended(process, error)
            return
        process.at_death.append(device.close)
        self.device = device
        device.phone = self
        self.sender = (device.identity.account, device.identity.device)
        client = Client(device, self.home, clock=self.clock(), entropy=self.rng.randbytes, held=Held())
        try:
            async with client:
                self.client = client
                async for event in client.events():
                    self._told(event)
        except asyncio.CancelledError:
            self._ended(process, None)
        except Exception as error:  # noqa: BLE001 - looked at
            self._ended(process, error)

    def _told(self, event: Event) -> None:
        world = self.world
        more = f" {event.failure.name} of {event.device}" if isinstance(event, EnvelopeFailed) else ""
        world.say(f"{self} {type(event).__name__}{more}")
        match event:
            case MessageReceived():
                world.shown(self, event)
            case BlockSettled(account, blocked, None):
                world.blocked(self, bytes(account), blocked=blocked)

    def welcomed(self, welcome: Welcome) -> None:
        self.world.count("connections")
        self.row = self.world.truth.row_of(self.sender) or self.row  # a WELCOME may come after its removal
        if welcome.epoch != self.epoch:
            # Where another epoch begins is all that a device knows of it; ROLLED_BACK may not come any more.
            for lane, begins in zip(Lane, welcome.lanes, strict=True):
                self.world.truth.rolled_back(self.row, welcome.epoch, lane, begins.floor)
        self.epoch, self.ledger_epoch = welcome.epoch, welcome.ledger_epoch

    def _ended(self, process: Process, error: Exception | None) -> None:
        name = type(error).__name__ if error is not None else ""
        self.world.say(f"{self} ended {name}")
        if name:
            self.world.count(f"device ended: {name}")
        if name == "DeviceRemoved":
            expect(self.may_be_removed, "removed", f"{self} is sent away and was not removed")
            self.removed = True
            self.over = name
        elif name == "Cloned":
            expect(self.went_back, 20, f"{self} takes itself for a copy and is none")
            self.over = name
        elif name not in {"", "Superseded", "HomeUnusable"}:
            self.over = name
            self.world.found(f"{self} ended", error)
        self._gone(process)

    def _gone(self, process: Process) -> None:
        self.process = self.device = self.client = self.task = None
        self.world.loop.end(process)

    def crash(self) -> None:
        """Kill the program."""
        if self.process is not None:
            self.world.say(f"{self} is killed")
            self.world.count("device crashes")
            self._gone(self.process)

    def leave(self) -> None:
        """End the program in order."""
        if self.client is None:
            self.crash()  # it has not come so far that there is an order to end in
        elif self.task is not None:
            self.world.count("went offline")
            self.task.cancel()

    def put_back(self, older: bytes) -> None:
        """Replace the store by an older copy; the program does not run."""
        self.world.say(f"{self} is put back to an older copy")
        self.world.count("devices put back")
        self.went_back = True
        for ending in ("-wal", "-shm"):
            (self.home / f"device.db{ending}").unlink(missing_ok=True)
        (self.home / "device.db").write_bytes(older)
