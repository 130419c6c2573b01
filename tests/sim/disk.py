"""What stands in for the store's threads and its disk: inline, on virtual time, and failing where the seed says so.

A function of a whole transaction enters; it runs at one moment, a while after it was handed over and a while before its
result is heard, as a thread's does. The rules of this file: one thread runs one function at a time, in their order; a
statement that fails does what SQLite does with it; and a process may end before, in or right after any of them.
"""

import asyncio
import functools
import sqlite3
import weakref
from collections import deque
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any, NoReturn

from sim.loop import PROCESS, Killed, VirtualLoop

STATEMENTS_MAX = 60
MADE = "made to fail"
UNDOING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
"""After these SQLite has undone the transaction itself."""
PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL, sqlite3.SQLITE_FULL)
ENDING = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_READ)


def kill() -> NoReturn:
    """End the process that this runs in."""
    PROCESS.get().doomed = True
    raise Killed


class Machine:
    """The disk of one machine, and the one failure that comes next."""

    def __init__(self, rng: Random, count: Callable[[str], None]) -> None:
        self.rng = rng
        self.count = count
        self.slow_s = 0.0
        self._kind = ""
        self._code = 0
        self._left = 0
        self._at_commit = False
        self.dying = False
        self._connections: list[weakref.ref[Connection]] = []

    def opened(self, connection: "Connection") -> None:
        """Take a database that was opened on it."""
        self._connections = [each for each in self._connections if each() is not None]
        self._connections.append(weakref.ref(connection))
        self._turn()

    def _turn(self) -> None:
        for each in self._connections:
            if (connection := each()) is not None:
                connection.__class__ = Failing if self._kind else Connection

    def arm(self, kind: str) -> None:
        """Let one of the next statements fail: "passing" or "ending" with a code, or "kill" the process."""
        self._kind = kind
        self._code = self.rng.choice(ENDING if kind == "ending" else PASSING)
        self._left = self.rng.randint(1, STATEMENTS_MAX)
        self._at_commit = self.rng.random() < 0.4
        self._turn()

    def disarm(self) -> None:
        """Let nothing fail any more."""
        self._kind = ""
        self._turn()

    def die(self) -> None:
        """End the process, where a statement was its last."""
        if self.dying:
            self.dying = False
            kill()

    def lag_s(self) -> float:
        """Return how long a thread takes to begin, or to be heard."""
        return self.slow_s * self.rng.random() if self.slow_s else 0.0001

    def execute(self, db: sqlite3.Connection, run: Callable[..., Any], statement: str, *bindings: object) -> Any:
        """Run a statement, or let it fail."""
        if not self._kind or statement.startswith(("ROLLBACK", "PRAGMA")):
            return run(statement, *bindings)
        self._left -= 1
        if self._left > 0 and not (self._at_commit and statement == "COMMIT"):
            return run(statement, *bindings)
        kind = self._kind
        self.disarm()
        if kind == "kill":
            self.count("killed in a statement")
            if self.rng.random() < 0.5:
                # What it began may have lasted, and nobody hears of it.
                self.dying = True
                return run(statement, *bindings)
            kill()
        self.count(f"store failures, {kind}")
        if self._code in UNDOING and db.in_transaction:
            run("ROLLBACK")
        error = sqlite3.OperationalError(MADE)
        error.sqlite_errorcode = self._code
        raise error


class Connection(sqlite3.Connection):
    """One that its machine knows, so that it can become one whose statements pass by the machine's disk."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        process = PROCESS.get(None)
        machine = process.things.get("disk") if process is not None else None
        if machine is not None:
            machine.opened(self)


class Failing(Connection):
    """One whose next statements may fail. Only then: a call of Python's for each statement is a fifth of a run."""

    def execute(self, statement: str, *bindings: object) -> sqlite3.Cursor:
        process = PROCESS.get(None)
        if process is None:
            return super().execute(statement, *bindings)
        machine = process.things["disk"]
        cursor = machine.execute(self, super().execute, statement, *bindings)
        if machine.dying and process.things.get("dies at once"):
            cursor.close()  # rows that nobody fetches would keep the file open, which the kernel closes
            machine.die()
        return cursor


_Told = tuple[asyncio.Future[Any], Callable[[Any], None]]


class VirtualThread:
    """Takes the place of ``database.Thread``."""

    def __init__(self, loop: VirtualLoop, db: sqlite3.Connection) -> None:
        self._loop = loop
        self._db = db
        self._queue: deque[tuple[Callable[..., Any], _Told]] = deque()
        self._next: asyncio.TimerHandle | None = None
        self._machine: Machine = PROCESS.get().things["disk"]

    @classmethod
    async def start(cls, connect: Callable[[], sqlite3.Connection]) -> "VirtualThread":
        db = connect()
        PROCESS.get().at_death.append(db.close)
        return cls(asyncio.get_running_loop(), db)

    async def run(self, function: Callable[[sqlite3.Connection], Any]) -> Any:
        return await self.post(function)

    def post(
        self, function: Callable[[sqlite3.Connection], Any], heard: Callable[[Any], None] = lambda _: None
    ) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        self._queue.append((function, (future, heard)))
        if len(self._queue) == 1:
            self._begin()
        return future

    def _begin(self) -> None:
        self._next = self._loop.call_later(self._machine.lag_s(), self._act)

    def _act(self) -> None:
        told, result, error = self._done()
        self._loop.call_later(self._machine.lag_s(), _settle, told, result, error)
        if self._queue:
            self._begin()

    def _done(self) -> tuple[_Told, Any, Exception | None]:
        function, told = self._queue[0]
        try:
            result, error = function(self._db), None
        except Exception as raised:  # noqa: BLE001 - the one who asked is told
            result, error = None, raised
        self._machine.die()
        self._queue.popleft()
        return told, result, error

    def wait_out(self, longest_s: float) -> None:
        """Have what was posted last run and told, where nothing is before it and the thread is quick enough."""
        if len(self._queue) != 1 or 2 * self._machine.lag_s() > longest_s:
            return
        self._next.cancel()
        (future, heard), result, error = self._done()
        if error is None:
            heard(result)
        self._loop.call_soon(_settle, (future, lambda _: None), result, error)

    async def close(self) -> None:
        await self.run(lambda db: db.close())


def _settle(told: _Told, result: Any, error: Exception | None) -> None:
    future, heard = told
    if error is None:
        heard(result)
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


sqlite = SimpleNamespace(
    connect=functools.partial(sqlite3.connect, factory=Connection),
    Connection=sqlite3.Connection, Error=sqlite3.Error, DatabaseError=sqlite3.DatabaseError,
    OperationalError=sqlite3.OperationalError, Cursor=sqlite3.Cursor,
)  # fmt: skip
"""What the modules that open databases have in the place of ``sqlite3``."""
