"""The store's own code on a real SQLite file without its threads, so that a model can take thousands of steps.

Opening, the writer, pages and telling are the relay's own; only the thread is not, and the engine that feeds it.
"""

import contextlib
import fcntl
import functools
import os
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from unittest import mock

from relayd.config import LifetimesSection
from relayd.domain.mailbox import Quota
from relayd.domain.seat import Seat
from relayd.incidents import report
from relayd.metrics import Counters
from relayd.store import accounts, database, logins, opening, pages, telling
from relayd.store.commit import Done
from relayd.store.disk import Disk
from relayd.store.works import Verb, Works
from relayd.store.writer import Writer
from relayproto import identity
from relayproto.codes import PrekeyKind
from relayproto.commands import Enrol
from relayproto.primitives import x25519_public
from support.clocks import HandClock
from support.stores import MASTER_KEY, NO_LIMIT, STAMP_SEED, Guest, guest, hello_of

PLACE = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
"""In memory, where that can be: what is left in the file is looked at, what reaches the disk is not."""


migrations = functools.cache(database.migrations)
"""Read from their files once, and not at every start."""

COMMIT = -1
"""The statement that makes it last, wherever it comes."""


_SHARED = (0x40000002, 510)
"""Where SQLite locks a database that is read: first byte and length (its os.h, SHARED_FIRST and SHARED_SIZE)."""


class Cut(BaseException):
    """The process ends here, or a statement fails."""


class Here:
    """A connection on the thread that asks, opened when it is first asked: nobody comes to the desk here."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    @functools.cached_property
    def db(self) -> sqlite3.Connection:
        return self._connect()

    @classmethod
    async def start(cls, connect: Callable[[], sqlite3.Connection]) -> "Here":
        return cls(connect)

    async def run(self, function):
        return function(self.db)

    async def close(self) -> None:
        opened = vars(self).pop("db", None)
        if opened is not None:
            opened.close()


@contextlib.contextmanager
def untouched(path: Path) -> Iterator[None]:
    """Keep whoever closes a connection in the block from moving the log into the file, and from deleting the log.

    SQLite does both when the last connection closes, under an exclusive lock on what readers share. It is held here as
    by another process: for an open file description, since a process's own locks let it through.
    """
    shared = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, *_SHARED, 0)
    with path.open("rb") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, shared)
        yield


class Failing:
    """A connection whose statement number ``at``, or its COMMIT, fails; with ``dead``, all that follow as well."""

    def __init__(self, db: sqlite3.Connection, at: int, *, dead: bool) -> None:
        self._db = db
        self._left = at if at != COMMIT else 0
        self._at_commit = at == COMMIT
        self._failed = False
        self._dead = dead

    def execute(self, *arguments):
        self._left -= 1
        here = arguments[0] == "COMMIT" if self._at_commit else self._left == 0
        if here or (self._failed and self._dead):
            self._failed = True
            raise Cut
        return self._db.execute(*arguments)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    @property
    def total_changes(self) -> int:
        return self._db.total_changes


def run(coroutine):
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


class InlineStore:
    """An open store; ``heard`` and ``said`` are what its listeners were told since they were last emptied.

    Its entropy repeats where its name does: what a model found is found again from the same seed.
    """

    def __init__(self, directory: Path, clock: HandClock, quota: Quota, name: str = "store") -> None:
        self.directory, self.clock, self.quota = directory, clock, quota
        self.entropy = Random(name).randbytes
        self.heard: list = []
        self.said: list = []
        self.announced: list = []
        self.open()

    @property
    def path(self) -> Path:
        return self.directory / NO_LIMIT.file

    @property
    def log(self) -> Path:
        return self.directory / (NO_LIMIT.file + "-wal")

    @property
    def db(self) -> sqlite3.Connection:
        return self.opened.writer.db

    def open(self) -> None:
        self.counters = Counters()
        with mock.patch.object(opening, "Thread", Here), mock.patch.object(database, "migrations", migrations):
            self.opened = run(
                opening.open_all(
                    self.directory, master_key=MASTER_KEY, tracing=opening.Tracing(7, STAMP_SEED, (), 180),
                    rules=opening.Rules(NO_LIMIT, self.quota, LifetimesSection(), 400, 400), entropy=self.entropy,
                    clock=self.clock, disk=Disk(self.directory, NO_LIMIT, self.counters),
                )
            )  # fmt: skip
        messages, octets, outcomes = self.opened.queued
        self.counters.envelopes_queued, self.counters.queued_bytes = messages, octets
        self.counters.outcomes_queued = outcomes
        self.writer = Writer(self.opened.tools)

    def close(self) -> None:
        """Close all connections in order; what memory holds is gone with the next ``open``."""
        for thread in (self.opened.reader, self.opened.desk, self.opened.writer):
            run(thread.close())

    def lose(self) -> None:
        """Lose all connections, in the middle of a transaction or not: the files stay as they are."""
        with untouched(self.path):
            self.close()
        assert self.log.exists(), "it was closed in order"

    def commit(self, works: Works, *, tight: bool = False, fail_at: int = 0, dead: bool = False) -> Done:
        """Run a commit and tell of it. Statement number ``fail_at`` raises Cut."""
        db = Failing(self.db, fail_at, dead=dead) if fail_at else self.db
        done = self.writer.run(db, works, self.clock.now_ms(), disk_tight=tight)
        ears = telling.Ears(
            self.heard.extend,
            lambda *_: None,
            lambda *said: self.said.append(said),
            self.announced.append,
            self,
            lambda: None,
        )
        telling.tell(done, ears, self.counters, partial(report, counters=self.counters, entropy=os.urandom))
        return done

    def act(self, verb):
        """Commit one verb and return its answer."""
        return self.commit(Works([], [], [Verb(verb, None)])).answers[0]

    def __contains__(self, mailbox: int) -> bool:
        return True

    def page(self, mailbox: int, lane: int, after: int, messages: int, octets: int):
        wanted = pages.Wanted(mailbox, lane, after, messages, octets)
        return pages.read(self.opened.reader.db, self.opened.tools.vault, wanted, self.clock.now_ms())

    def crash(self) -> None:
        """Lose what is in memory, in the middle of a transaction or not, and open what is in the files."""
        self.lose()
        self.open()

    def copy(self) -> bytes:
        """Return the database as it is."""
        return self.db.serialize()

    def restore(self, copy: bytes) -> None:
        """Put an older copy in the place of the database; like one that was closed in order, it has no log."""
        self.opened.mark.follow(self.db, at_once=True)
        self.lose()
        self.log.unlink()
        self.path.write_bytes(copy)
        self.open()


@functools.cache
def founded(*households: tuple[str, int]):
    """Make accounts once, of (address, devices): return the files of their store, and the people."""
    with (
        tempfile.TemporaryDirectory(dir=PLACE) as directory,
        mock.patch("os.urandom", Random("people").randbytes),
    ):
        quota = Quota(messages=20, octets=1 << 16, reopen_percent=80)
        store = InlineStore(Path(directory), HandClock(), quota, "founding")
        people = []
        for address, devices in households:
            someone = guest(address.partition("@")[0])
            prekeys = (someone.prekey(PrekeyKind.SIGNED, 1), someone.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
            ticket = store.act(partial(accounts.create_ticket, address=address, expires_ms=1 << 50))
            enrolment = Enrol(ticket, *someone.listed(), prekeys)
            store.act(partial(accounts.enrol, command=enrolment, devices=someone.devices))
            if devices > 1:
                key = x25519_public(someone.keys[1][0])
                seat = store.act(partial(logins.login, hello=hello_of(someone), static_key=key)).seat
                store.act(listing(someone, seat, *range(1, devices + 1)))
            people.append(someone)
        store.opened.mark.follow(store.db, at_once=True)
        store.close()
        return {file.name: file.read_bytes() for file in Path(directory).iterdir()}, people


def listing(someone: Guest, seat: Seat, *devices: int):
    """Return the verb that makes these the devices of an account; their keys repeat where their names do."""
    keys = Random(f"{someone.name} {devices[-1]}").randbytes
    someone.keys.setdefault(devices[-1], (keys(32), keys(32)))
    newer = someone.with_devices(*devices)
    listed = identity.encode(newer)
    signature = identity.sign_list(someone.identity_seed, listed)
    someone.devices = newer
    return partial(accounts.put_devices, seat=seat, devices=newer, listed=listed, signature=signature)
