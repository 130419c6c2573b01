"""The store room: opening SQLite the one way that loses nothing, and running whole transactions on its thread.

A path enters; a connection on a thread of its own leaves. The rules of this file: synchronous is FULL; one function
is one transaction; no statement and no cursor lives across an await (performance.md, "The store").
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Generic, Self, TypeVar

import aiosqlite

from relayd.domain.refusals import Fatal
from relayd.logs import get_logger
from relayd.store import copies

T = TypeVar("T")

_BUSY_TIMEOUT_S: Final = 5.0
_STATEMENTS_CACHED: Final = 256
PAGE_BYTES: Final = 8192
"""Between 4 KiB (a fifth more CPU at 300 bytes an envelope) and 16 KiB (larger files and logs)."""

_log = get_logger("store")


def connect(
    path: Path, *, autocheckpoint_pages: int, check: Callable[[sqlite3.Connection], None] = lambda _: None
) -> sqlite3.Connection:
    """Open the writer's connection, let ``check`` look at what is there, and bring the schema up to date.

    ``autocheckpoint_pages`` are those of a log that its user moves into the file (``log_is_long``, ``move_log``).
    ``auto_vacuum`` must stand before WAL: later it silently stays off.
    """
    db = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_CACHED,
    )
    try:
        # Before the first pragma that writes: what is damaged or of a newer relay stays as it is.
        check(db)
        _refuse_newer(db)
        _prepare(db, autocheckpoint_pages)
        migrate(db, path)
        # Where the file can only be read this is the first statement that says so.
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    except BaseException:
        with unmoved(path):
            db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, autocheckpoint_pages: int) -> None:
    for pragma in (
        f"page_size = {PAGE_BYTES}",
        "auto_vacuum = INCREMENTAL",
        "journal_mode = WAL",
        "synchronous = FULL",
        # Less than what ``log_is_long`` looks for, so that a log that was moved and begun again is short; and hardly
        # less, since to cut off much of a file takes the next commit up to 15 ms and to extend it again costs each.
        f"journal_size_limit = {(autocheckpoint_pages - 1) * PAGE_BYTES}",
        # SQLite's own says nothing where it fails to sync, and goes on: the engine moves the log.
        "wal_autocheckpoint = 0",
        "secure_delete = OFF",
        "trusted_schema = OFF",
        # A transaction that needs a file of its own fails where that disk is full or no descriptor is left.
        "temp_store = MEMORY",
        # Damage is found where it is, before it is copied on.
        "cell_size_check = ON",
    ):
        db.execute(f"PRAGMA {pragma}").fetchall()


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can only read, with every file that it will need.

    SQLite opens the log and its index at the first read. Should that come when no descriptor is left, it says that the
    database can't be opened, and that must mean what it says.
    """
    db = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_CACHED,
    )
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def migrations() -> list[tuple[int, str]]:
    """Return (version, SQL) of every migration, ascending; a file is named by its version."""
    found = (files("relayd.store") / "migrations").iterdir()
    return sorted(
        (int(file.name[:4]), file.read_text(encoding="utf-8")) for file in found if file.name.endswith(".sql")
    )


def version_of(db: sqlite3.Connection) -> int:
    """Return the version of the schema, 0 where there is none yet."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _refuse_newer(db: sqlite3.Connection) -> None:
    version, known = version_of(db), migrations()[-1][0]
    if version > known:
        raise Fatal(
            f"its version is {version}, made by a newer relayd; this one knows {known}: nothing was changed, "
            "run the newer one again, or go on from the copy of before the upgrade"
        )


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Run the migrations that the file lacks, each in a transaction; a copy of a store that was in use is kept first.

    An older relay can go on from the copy: it refuses what a newer one has migrated.
    """
    version = version_of(db)
    missing = [(number, script) for number, script in migrations() if number > version]
    if version and missing:
        kept = copies.keep_before_upgrade(db, path, version)
        _log.warning("the store is upgraded; its copy of before is kept", version=missing[-1][0], copy=str(kept))
    for number, script in missing:
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def checkpoint(db: sqlite3.Connection) -> None:
    """Move the whole write-ahead log into the file and give its room back to the disk."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def log_is_long(path: Path, pages: int) -> bool:
    """Say whether the write-ahead log of a database has so many pages."""
    return log_bytes(path) >= pages * PAGE_BYTES


def log_bytes(path: Path) -> int:
    """Return how long the write-ahead log of a database is, 0 where there is none."""
    try:
        return os.stat(f"{path}-wal").st_size  # noqa: PTH116 - asked after each commit, and another Path costs more
    except FileNotFoundError:
        return 0


def move_log(db: sqlite3.Connection) -> None:
    """Move as much of the log into the file as readers allow, and wait for none of them."""
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextlib.contextmanager
def unmoved(path: Path) -> Iterator[None]:
    """Keep whoever closes a connection in the block from moving the log into the file.

    SQLite does so when the last connection closes, and syncs both. After a failed sync nothing may be synced again, so
    there is another connection that lasts longer and can't do it: it only reads.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(sqlite3.Error):
            last = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)
            held.callback(last.close)
            last.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield


class _Telling(Generic[T]):
    """Tells the loop once what a function of the thread has returned: by itself, or sooner where the loop waits."""

    __slots__ = ("_heard", "_told", "ended")

    def __init__(self, heard: Callable[[T], None]) -> None:
        self._heard = heard
        self._told: Callable[[], None] | None = None
        self.ended = threading.Event()

    def run(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop) -> T:
        """Run a function on the thread and have the loop told; what it raises its future tells."""
        try:
            result = function()
            self._told = partial(self._heard, result)
        finally:
            self.ended.set()
        loop.call_soon_threadsafe(self.tell)
        return result

    def tell(self) -> None:
        """Tell it, on the loop, if that was not done yet."""
        told, self._told = self._told, None
        if told is not None:
            told()


class Thread:
    """A connection on aiosqlite's thread, and functions that run there whole."""

    __slots__ = ("_connection", "_last")

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._last: _Telling[Any] | None = None

    @classmethod
    async def start(cls, connect: Callable[[], sqlite3.Connection]) -> Self:
        """Start the thread and open the connection there; what ``connect`` raises is raised here."""
        connection = aiosqlite.Connection(connect, iter_chunk_size=64)
        try:
            return cls(await connection)
        except BaseException:
            # It is ending; whoever closes the event loop before it has would make it fail at its last step.
            connection._thread.join()  # noqa: SLF001
            raise

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``function`` with the connection on its thread, and return what it returns."""
        return await self.post(function)

    def post(
        self, function: Callable[[sqlite3.Connection], T], heard: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Let ``function`` run with the connection on its thread, after what was posted before.

        ``heard`` is called with what it returns in the turn of the loop in which that arrives: who awaits the future
        goes on two turns later, after whatever has come meanwhile.

        aiosqlite has no public way to run more than one statement at once; four awaits cost 143 us and let others
        into the transaction, one function costs 41 us and is atomic (performance.md).
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        run = partial(function, self._connection._conn)  # noqa: SLF001
        if heard is not None:
            self._last = telling = _Telling(heard)
            run = partial(telling.run, run, loop)
        self._connection._tx.put_nowait((future, run))  # noqa: SLF001
        return future

    def wait_out(self, longest_s: float) -> None:
        """Keep the event loop until what was posted last with ``heard`` has run, and tell it; so long at most."""
        if self._last is not None and self._last.ended.wait(longest_s):
            self._last.tell()

    async def close(self) -> None:
        """Close the connection when everything before has run, and end the thread."""
        await self._connection.close()
