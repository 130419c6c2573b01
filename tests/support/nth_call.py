"""One thing that people do with a store, done again and again while its first, second, third ... call fails.

A scenario and a way to fail enter; it ends when the scenario runs clean. The rules that are checked each time: what
was not told has changed nothing, or is wholly there; what was told is there; done again it is done once; and all
counters and references are what a recount gives (protocol.md §7).
"""

import asyncio
import contextlib
import functools
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

from relayd.domain.refusals import Fault
from relayd.store import database
from relayproto.codes import Lane
from relayproto.replies import NotTaken
from support.stores import House

CALLS_MAX = 400
TABLES = (
    "account", "device", "ticket", "mailbox", "ledger", "refusal", "envelope", "body", "fan", "hole", "prekey",
    "attempt", "block", "report", "roster", "roster_line", "claim", "alone",
)  # fmt: skip


class Failing(Protocol):
    """A way to fail."""

    def arm(self, call: int) -> None:
        """Let the so-manieth call from now on fail."""

    def disarm(self) -> bool:
        """Let no call fail any more, and say whether one did."""


@dataclass
class FailingStatements:
    """Statements that SQLite refuses with a result code, undoing the transaction first where it does so."""

    code: int
    rolls_back: bool = False
    done_all_the_same: bool = False
    """The statement is carried out, and fails afterwards: a commit that nobody knows of."""
    left: int = 0
    failed: bool = False
    calls: list[str] = field(default_factory=list)

    def arm(self, call: int) -> None:
        self.left, self.failed, self.calls = call, False, []

    def disarm(self) -> bool:
        self.left = 0
        return self.failed

    def now(self, statement: str) -> bool:
        """Count a statement; whether it fails. What undoes can't fail: SQLite takes it from what is in its hands."""
        if not self.left or statement.startswith("ROLLBACK"):
            return False
        self.calls.append(statement)
        self.left -= 1
        self.failed |= not self.left
        return not self.left

    def error(self) -> sqlite3.OperationalError:
        made = sqlite3.OperationalError("made to fail")
        made.sqlite_errorcode = self.code
        return made

    @contextlib.contextmanager
    def plugged(self) -> Iterator["FailingStatements"]:
        """Let the connections that the store opens in the block be of this kind."""
        failing = self

        class Connection(sqlite3.Connection):
            def _run(self, run: Callable[..., sqlite3.Cursor], statement: str, *bindings: object) -> sqlite3.Cursor:
                if not failing.now(statement):
                    return run(statement, *bindings)
                if failing.done_all_the_same:
                    run(statement, *bindings).fetchall()
                elif failing.rolls_back and self.in_transaction:
                    super().execute("ROLLBACK")
                raise failing.error()

            def execute(self, statement: str, *bindings: object) -> sqlite3.Cursor:
                # Nothing here asks what a sync leaves.
                statement = statement.replace("synchronous = FULL", "synchronous = OFF")
                return self._run(super().execute, statement, *bindings)

            def executescript(self, script: str) -> sqlite3.Cursor:
                return self._run(super().executescript, script)

        real = database.sqlite3
        connect = functools.partial(sqlite3.connect, factory=Connection)
        database.sqlite3 = SimpleNamespace(connect=connect, Connection=sqlite3.Connection, Error=sqlite3.Error)
        try:
            yield self
        finally:
            database.sqlite3 = real


class Scenario(Protocol):
    """One thing that people do."""

    waits: bool
    """Whether what fails for now is tried again by the store itself, as acknowledgements are."""

    async def prepare(self, house: House) -> None:
        """Bring about what it takes, with nothing failing."""

    async def act(self, house: House) -> object:
        """Do it and return what was told: Fault, NotTaken or None where it was not done."""

    async def check(self, house: House, told: object) -> None:
        """Assert that it is done, once, as it was told."""


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of a store by table, and assert that it is sound and that a recount gives its counters."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        recount(db)
        return {table: sorted(db.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def recount(db: sqlite3.Connection) -> None:
    """Assert that counters, references and numbers are what the rows say."""
    bodies, fans = Counter(), Counter()
    boxes: dict[int, list[int]] = {}
    places = set()
    for lane, sequence, octets, body, fan in db.execute("SELECT lane, sequence, octets, body, fan FROM envelope"):
        assert (lane, sequence) not in places, "a sequence twice"
        places.add((lane, sequence))
        bodies[body] += body is not None
        fans[fan] += bool(fan)
        box = boxes.setdefault(lane >> 2, [0, 0, 0])
        if lane & 3 == Lane.OUTCOME:
            box[2] += 1
        else:
            box[0] += 1
            box[1] += octets
    kept = dict(db.execute("SELECT id, refs FROM body"))
    assert kept == {body: refs for body, refs in bodies.items() if refs}
    remaining = dict(db.execute("SELECT id, remaining FROM fan"))
    assert remaining == {fan: left for fan, left in fans.items() if left}
    nexts = {}
    for row, messages, octets, outcomes, *following in db.execute(
        "SELECT id, messages, octets, outcomes, next_normal, next_urgent, next_outcome FROM mailbox"
    ):
        assert [messages, octets, outcomes] == boxes.pop(row, [0, 0, 0]), row
        nexts |= {row * 4 + lane: each for lane, each in zip(Lane, following, strict=True)}
    assert not boxes, "rows of a mailbox that is not there"
    assert all(sequence < nexts[lane] for lane, sequence in places), "a sequence that was not given"


async def attempt(act: Callable[[House], Awaitable[object]], house: House) -> object:
    """Do it; return the Fault where it was not done."""
    try:
        async with asyncio.timeout(10):
            return await act(house)
    except Fault as fault:
        return fault


def done(told: object) -> bool:
    return not isinstance(told, Fault | NotTaken | None)


async def committing(house: House) -> None:
    """Wait until commits go through again, and let the store see that its disk has room."""
    async with asyncio.timeout(10):
        while not house.store.fatal.done():
            with contextlib.suppress(Fault):
                await house.store.probe()
                break
    assert not house.store.fatal.done()
    house.store._disk.look()


async def until_clean(
    house: House,
    scenario: Scenario,
    failing: Failing,
    *,
    seats: Callable[[], Awaitable[None]],
    ended: Callable[[], None] = lambda: None,
) -> int:
    """Let each call of a scenario fail, one after the other; return how many there were.

    ``seats`` logs everybody in again after a restart; ``ended`` is called when a store that had failed for good is
    closed.
    """
    path = house.directory / house.settings.file
    for call in range(1, CALLS_MAX):
        await scenario.prepare(house)
        before = rows_of(path)
        failing.arm(call)
        told = await attempt(scenario.act, house)
        # What comes after the answer, as the moving of the log does, is over when another commit is.
        await attempt(lambda house: house.store.probe(), house)
        for_good = house.store.fatal.done()
        if for_good:
            await house.store.close()
            ended()
        failed = failing.disarm()
        if for_good:
            await house.open()
        else:
            await committing(house)
        after = rows_of(path)
        if not done(told) and not for_good and not scenario.waits:
            assert after == before, f"call {call} failed and has changed something"
        if for_good:
            await seats()
        if not done(told):
            assert failed, f"{told} and nothing has failed"
            # What waits was done by the store itself when commits went through again.
            told = await attempt(scenario.act, house) if for_good or not scenario.waits else "waited"
        assert done(told), told
        await scenario.check(house, told)
        rows_of(path)
        if not failed:
            return call - 1
    raise AssertionError("it never runs clean")
