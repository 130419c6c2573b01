"""Two devices that write to each other over real TCP while their relay is killed, and all that they hold for certain.

The devices are the protocol's own client connections; what they are told goes into a ``Book``, which compares it with
everything that was told before (protocol.md §7). After a kill they say that they know nothing, so that what is not
delivered again is the relay's own memory.
"""

import asyncio
import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from relayd import operate
from relayproto import descriptor
from relayproto.codes import Code, GapReason, Lane, Purpose, Result, SubmitFlag
from relayproto.commands import Hello, Invite, Submit
from relayproto.connection import ClientConnection
from relayproto.events import Closed, Established, MessageReceived
from relayproto.notices import Deliver, Gap, Outcome
from relayproto.replies import Enrolled, Invited, NotTaken, Submitted, Welcome
from support import device, kill_points
from support.device import DIALLED, Line
from support.kill_points import Point
from support.people import Person
from support.processes import STOP_TIMEOUT_S, RelayProcess, end

ROOT_AT = slice(-96, -64)
"""Where a descriptor holds the root's public key (spec 55 §6)."""
PATIENCE_S = 20.0
BURST = 3
"""Messages of one act: some are before the one at which the relay dies, some after."""
BRIEF_S = 1
"""The lifetime of what is to expire."""


class Book:
    """What alice, who sends, and bob, who receives, were told."""

    def __init__(self) -> None:
        self.sent: dict[int, Submit] = {}
        self.stored: set[int] = set()
        self.delivered: dict[int, int] = {}
        """Sequence -> number of the submission."""
        self.outcomes: dict[int, tuple[int, Result]] = {}
        """Number -> (sequence, what became of it)."""
        self.epochs: dict[str, tuple[int, int]] = {}
        self.floors: dict[tuple[str, Lane], int] = {}
        """Up to where a lane is certainly acknowledged: the relay itself has said so."""
        self.explained: set[int] = set()
        self.may_be_full = False
        """Whether the relay's disk may have no room; otherwise it takes everything."""

    def welcome(self, name: str, said: Welcome) -> None:
        """Compare where the relay says that a device stands with all that was told before."""
        epochs = (said.epoch, said.ledger_epoch)
        assert self.epochs.setdefault(name, epochs) == epochs, "the numbers began again"
        for lane, state in zip(Lane, said.lanes, strict=True):
            assert state.floor >= self.floors.get((name, lane), 0), "a committed acknowledgement is lost"
            self.floors[name, lane] = state.floor
        if name == "alice":
            assert said.ledger_floor >= max(self.stored, default=0), "what was stored is to be submitted again"
            top = max((at for at, _ in self.outcomes.values()), default=0)
            assert said.lanes[Lane.OUTCOME].next > top, "an outcome's sequence is given twice"
        elif name == "bob":
            assert said.lanes[Lane.NORMAL].next > max(self.delivered, default=0), "a sequence is given twice"

    def take(self, name: str, said: object) -> None:
        """Note what a device was told; AssertionError where it can't be true beside the rest."""
        match said:
            case Welcome():
                self.welcome(name, said)
            case Submitted(number, codes):
                assert codes == (Code.STORED,), said
                self.stored.add(number)
            case NotTaken(number):
                assert self.may_be_full, said
                assert number not in self.stored, "what was stored is not taken"
            case Deliver():
                number = device.number_in(said)
                assert said.sequence > self.floors.get((name, Lane.NORMAL), 0), (
                    "it came again after its acknowledgement"
                )
                assert number in self.sent, "a message from nowhere"
                assert said.body == self.sent[number].body, "a message was changed"
                assert self.delivered.setdefault(said.sequence, number) == number, "a sequence was given twice"
                assert list(self.delivered.values()).count(number) == 1, "a submission was stored twice"
                ended = self.outcomes.get(number)
                assert ended is None, f"it came after {ended}"
            case Gap(lane, first, last, reason) if lane is Lane.NORMAL and reason is GapReason.EXPIRED:
                self.explained.update(range(first, last + 1))
            case Outcome(sequence, number, _, result):
                assert sequence > self.floors.get((name, Lane.OUTCOME), 0), "an outcome came after its acknowledgement"
                told = self.outcomes.setdefault(number, (sequence, Result(result)))
                assert told == (sequence, result), "two outcomes of one target"
                if result is Result.DELIVERED:
                    assert number in self.delivered.values(), "delivered, but to nobody"
                else:
                    assert (result, self.sent[number].ttl_s) == (Result.EXPIRED, BRIEF_S), "it expired too early"
            case _:
                pass

    def complete(self) -> bool:
        """Whether every message was accepted and has come to its end."""
        return self.stored == set(self.sent) == set(self.outcomes)

    def in_order(self) -> bool:
        """Whether sequences are in the order of submission."""
        numbers = [number for _, number in sorted(self.delivered.items())]
        return numbers == sorted(numbers)


class Hand(Line):
    """A device's connection whose book is written as it hears; ``patient`` acknowledges only when asked to."""

    def __init__(self, connection: ClientConnection, name: str, book: Book) -> None:
        super().__init__(connection)
        self.name, self.book = name, book
        self.patient = False
        self.heard: list[object] = []
        self.news = asyncio.Event()
        self.errors: list[AssertionError] = []
        self.tops = dict.fromkeys(Lane, 0)

    def _pass_on(self) -> None:
        for event in self.connection.events():
            said = event.message if isinstance(event, MessageReceived) else event
            self.heard.append(said)
            try:
                self.book.take(self.name, said)
            except AssertionError as error:
                self.errors.append(error)
            if isinstance(said, Deliver | Outcome):
                lane = Lane.OUTCOME if isinstance(said, Outcome) else said.lane
                self.tops[lane] = max(self.tops[lane], said.sequence)
                if not self.patient:
                    self.acknowledge(lane)
        self.news.set()

    def acknowledge(self, lane: Lane) -> None:
        if self.connection.open:
            self.say(device.ack(self.welcome.epoch, self.tops[lane], lane=lane))

    @property
    def welcome(self) -> Welcome:
        return next(said for said in self.heard if isinstance(said, Welcome))

    def got(self, kind: type) -> bool:
        return any(isinstance(said, kind) for said in self.heard)


class Script:
    """Alice and bob at one relay, whose state lives through all kills."""

    def __init__(self, relay: RelayProcess, patience_s: float) -> None:
        self.relay, self.patience_s = relay, patience_s
        self.plan = relay.state.with_name("plan.json")
        self.armed = relay.state.with_name("armed")
        relay.launcher = ("-m", "support.deadly_relay", str(self.plan))
        self.book = Book()
        self.people = {name: Person(name) for name in ("alice", "bob")}
        self.tickets: dict[str, bytes] = {}
        self.keys: descriptor.KeyDescriptor | None = None
        self.alice: Hand | None = None
        self.bob: Hand | None = None
        self.hands: list[Hand] = []

    # --- connections ---

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the devices have heard so much; what contradicts the book ends it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for hand in self.hands:
                    hand.news.clear()
                    for error in hand.errors:
                        raise error
                if condition():
                    return
                waits = [asyncio.ensure_future(hand.news.wait()) for hand in self.hands]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()

    def invite(self, name: str) -> None:
        """Have a ticket made for somebody who is new."""
        asked = Invite(f"{name}@office.example", 3600)
        made = operate.ask(self.relay.state / "operator.sock", asked, Invited)
        self.keys = descriptor.read(made.descriptor, descriptor.fingerprint(made.descriptor[ROOT_AT]))
        self.tickets[name] = made.ticket

    async def _dial(self, person: Person, purpose: Purpose, hello: Hello | None, key: bytes | None) -> Hand:
        assert self.keys is not None
        connection = device.client(purpose, hello, key, relay_key=self.keys.x25519, key_id=self.keys.key_id)
        hand = Hand(connection, person.name, self.book)
        await asyncio.get_running_loop().create_connection(lambda: hand, "127.0.0.1", self.relay.devices)
        self.hands.append(hand)
        return hand

    async def dial(self, name: str, floor: int = 0) -> Hand:
        """Begin a connection of somebody's device; with a floor it acknowledges the normal lane in HELLO."""
        person = self.people[name]
        epoch = self.book.epochs[name][0] if floor else 0
        hello = device.hello(person, epoch=epoch, floors=(floor, 0, 0))
        return await self._dial(person, Purpose.DEVICE, hello, person.dh_private)

    async def connect(self, name: str) -> Hand:
        """Log somebody's device in, as one that remembers nothing of what it was delivered."""
        hand = await self.dial(name)
        await self.until(lambda: hand.got(Welcome) or hand.got(Closed))
        return hand

    async def enrol(self, name: str) -> Hand:
        """Begin an enrolment and say all of it."""
        hand = await self._dial(self.people[name], Purpose.ENROL, None, None)
        await self.until(lambda: hand.got(Established))
        hand.say(device.enrolment(self.people[name], self.tickets[name]))
        return hand

    async def enrol_all(self, name: str) -> None:
        hand = await self.enrol(name)
        await self.until(lambda: hand.got(Enrolled))

    def hang_up(self) -> None:
        """Forget all connections; the relay is gone."""
        for hand in self.hands:
            hand.transport.abort()
            DIALLED.remove(hand.transport)
        self.hands, self.alice, self.bob = [], None, None

    # --- what happens between two kills ---

    async def begin(self) -> None:
        """Make the two accounts, at a relay that runs."""
        for name in self.people:
            self.invite(name)
            await self.enrol_all(name)
        await self.come()

    async def come(self) -> None:
        """Connect both devices, repeat what has no answer, and wait until every message has come to its end."""
        self.alice = await self.connect("alice")
        self.bob = await self.connect("bob")
        self.submit(*(each for number, each in self.book.sent.items() if number not in self.book.stored))
        await self.until(self.book.complete)
        assert self.book.in_order(), self.book.delivered

    def new(self, ttl_s: int = 600) -> list[Submit]:
        """Return a burst of submissions that are new."""
        first = len(self.book.sent) + 1
        return [
            device.submit(number, self.people["bob"], ttl_s=ttl_s, flags=SubmitFlag.OUTCOME, body=b"sealed %d" % number)
            for number in range(first, first + BURST)
        ]

    def submit(self, *commands: Submit) -> None:
        if commands:
            self.book.sent |= {command.submission: command for command in commands}
            self.alice.say(*commands)

    async def deliver(self, ttl_s: int = 600) -> None:
        """Let messages come to bob, who does not acknowledge them, and their answers to alice."""
        self.bob.patient = True
        commands = self.new(ttl_s)
        self.submit(*commands)
        await self.until(
            lambda: all(
                each.submission in self.book.stored and each.submission in self.book.delivered.values()
                for each in commands
            )
        )

    # --- acts: what is there before, what is done, and what tells whether it is committed ---

    async def prepare(self, act: str) -> None:
        match act:
            case kill_points.ACKNOWLEDGE | kill_points.LOG_IN:
                await self.deliver()
            case kill_points.OUTCOME:
                self.alice.patient = True
                await self.deliver()
                self.bob.acknowledge(Lane.NORMAL)
                await self.until(self.book.complete)
            case kill_points.EXPIRE:
                await self.deliver(BRIEF_S)
            case kill_points.ENROL:
                self.guest = f"guest{len(self.tickets)}"
                self.people[self.guest] = Person(self.guest)
                self.invite(self.guest)

    async def do(self, act: str) -> None:
        match act:
            case kill_points.SUBMIT:
                self.submit(*self.new())
            case kill_points.ACKNOWLEDGE:
                self.bob.acknowledge(Lane.NORMAL)
            case kill_points.OUTCOME:
                self.alice.acknowledge(Lane.OUTCOME)
            case kill_points.LOG_IN:
                await self.dial("bob", floor=self.bob.tops[Lane.NORMAL])
            case kill_points.ENROL:
                await self.enrol(self.guest)

    def committed(self, act: str, tops: tuple[int, int]) -> bool:
        """Say whether a copy of what the kill has left holds what the act did; ``tops`` are what was heard last."""
        rows = {
            kill_points.SUBMIT: ("SELECT max(floor) = ? FROM ledger", len(self.book.sent)),
            kill_points.ACKNOWLEDGE: ("SELECT max(floor_normal) = ? FROM mailbox", tops[0]),
            kill_points.LOG_IN: ("SELECT max(floor_normal) = ? FROM mailbox", tops[0]),
            kill_points.OUTCOME: ("SELECT max(floor_outcome) = ? FROM mailbox", tops[1]),
            kill_points.EXPIRE: ("SELECT count(*) = ? FROM envelope WHERE class != 0", 0),
            kill_points.ENROL: ("SELECT count(*) = ? FROM account", len(self.tickets)),
        }
        statement, value = rows[act]
        with tempfile.TemporaryDirectory() as copy:
            for path in self.relay.state.glob("relay.db*"):
                shutil.copy(path, copy)
            with contextlib.closing(sqlite3.connect(Path(copy, "relay.db"))) as store:
                assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                return bool(store.execute(statement, (value,)).fetchone()[0])

    # --- one kill ---

    async def start(self, point: Point) -> None:
        """Start the relay with a trap that is not armed yet, and let everything come to its end."""
        self.armed.unlink(missing_ok=True)
        self.plan.write_text(json.dumps(point.plan(str(self.armed))), "utf-8")
        await asyncio.to_thread(self.relay.start)

    async def die(self, point: Point) -> None:
        """Do the act of a point until the relay has killed itself there, and compare what it has left."""
        await self.prepare(point.act)
        self.armed.touch()
        # A relay that kills itself at once would leave the act waiting.
        doing = asyncio.ensure_future(self.do(point.act))
        try:
            ended = await asyncio.to_thread(self.relay.process.wait, self.patience_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{point}: it was not passed") from None
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
        assert ended == -signal.SIGKILL, f"{point}: it ended with {ended}"
        assert self.alice is not None
        assert self.bob is not None
        await asyncio.gather(*(hand.lost.wait() for hand in self.hands))
        errors = [error for hand in self.hands for error in hand.errors]
        assert not errors, (point, errors)
        tops = (self.bob.tops[Lane.NORMAL], self.alice.tops[Lane.OUTCOME])
        self.hang_up()
        assert self.committed(point.act, tops) == point.committed, f"{point}: what was committed is something else"

    async def come_back(self, point: Point) -> None:
        """After a restart: what was told holds, and what was not can be asked again."""
        if point.act == kill_points.ENROL:
            hand = await self.connect(self.guest)
            assert hand.got(Welcome) == point.committed, f"{point}: {hand.heard}"
            await self.enrol_all(self.guest)
        await self.come()


async def killed(state: Path, points: Iterable[Point], *, patience_s: float = STOP_TIMEOUT_S) -> Book:
    """Kill one relay at every point, one after the other, and return what its devices were told.

    Each start is at once the one that comes back from the kill before. AssertionError where something does not hold,
    or where a point was not passed within so many seconds.
    """
    relay = RelayProcess(state)
    script = Script(relay, patience_s)
    before: Point | None = None
    try:
        for point in points:
            await script.start(point)
            await (script.begin() if before is None else script.come_back(before))
            await script.die(point)
            before = point
        relay.launcher = ("-m", "relayd.main")
        await asyncio.to_thread(relay.start)
        if before is not None:
            await script.come_back(before)
        script.hang_up()
    finally:
        if relay.process is not None:
            end(relay.process)
        script.hang_up()
    return script.book
