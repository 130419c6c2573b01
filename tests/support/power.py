"""A disk whose power can be cut, under SQLite: what was not synced is lost, and sectors in flight are torn.

It is a VFS of apsw's, which brings an SQLite of its own; ``plugged`` puts it under the store's code, which stays as
it is with all its PRAGMAs. Files are real, in whatever directory the test gives, but nothing is ever really synced:
the disk knows what was, and ``restore`` makes the files what a power cut leaves of them.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace

import apsw

from relayclient.store import database as of_devices
from relayd.store import database, daykeys

SECTOR = 512
_SYNCHRONOUS = "PRAGMA synchronous = FULL"
VERSIONS = f"SQLite {apsw.sqlite_lib_version()} under the cuts (apsw), {sqlite3.sqlite_version} under the relay"


class Off(apsw.IOError):
    """There is no power."""


@dataclass(slots=True)
class Held:
    """A file: as it was last synced, as its writers see it, and which sectors differ."""

    durable: bytearray
    now: bytearray
    dirty: set[int] = field(default_factory=set)
    is_new: bool = False
    """Its directory's entry was not synced yet: SQLite does so with a journal's first sync."""

    def write(self, octets: bytes, offset: int) -> None:
        if offset > len(self.now):
            self.dirty.update(range(len(self.now) // SECTOR, offset // SECTOR + 1))
            self.now.extend(bytes(offset - len(self.now)))
        self.now[offset : offset + len(octets)] = octets
        self.dirty.update(range(offset // SECTOR, (offset + len(octets) - 1) // SECTOR + 1))

    def truncate(self, size: int) -> None:
        del self.now[size:]

    def sync(self) -> None:
        del self.durable[len(self.now) :]
        self.durable.extend(bytes(len(self.now) - len(self.durable)))
        for sector in self.dirty:
            at = slice(sector * SECTOR, (sector + 1) * SECTOR)
            self.durable[at] = self.now[at]
        self.dirty.clear()

    def left(self, rng: Random) -> bytearray:
        """Return what a cut leaves: what was synced, and of the sectors since some, some torn."""
        image = self.durable[:]
        kept = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for sector in sorted(self.dirty):
            if rng.random() >= kept:
                continue
            at = sector * SECTOR
            octets = self.now[at : at + SECTOR]
            if not octets:
                continue
            if rng.random() < 0.2:
                octets = octets[: rng.randrange(len(octets))]
            image.extend(bytes(max(0, at - len(image))))
            image[at : at + len(octets)] = octets
        if len(self.now) < len(self.durable) and rng.random() < 0.5:
            del image[len(self.now) :]
        return image


class PowerDisk:
    """The files of one directory, until the power goes after ``left`` more writes, syncs and the like."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.left: int | None = None
        self.off = False
        self.lies = False
        """It says that it has synced, and has not."""
        self._files: dict[str, Held] = {}
        self._deleted: dict[str, Held] = {}

    def opened(self, name: str) -> Held:
        held = self._files.get(name)
        if held is None:
            there = Path(name).exists()
            octets = Path(name).read_bytes() if there else b""
            held = self._files[name] = Held(bytearray(octets), bytearray(octets), is_new=not there)
            self._deleted.pop(name, None)
        return held

    def is_last(self) -> bool:
        """Count an operation; whether the power goes while it runs."""
        if self.off:
            raise Off("the power is off")
        if self.left is not None:
            self.left -= 1
            self.off = self.left <= 0
        return self.off

    def sync(self, held: Held) -> None:
        if self.is_last():
            if self.rng.random() < 0.5:
                self._synced(held)
            raise Off("the power went in a sync")
        self._synced(held)

    def _synced(self, held: Held) -> None:
        if self.lies:
            return
        held.sync()
        if held.is_new:
            self._deleted.clear()
            held.is_new = False

    def delete(self, name: str, *, synced: bool) -> None:
        if self.is_last():
            raise Off("the power went in a deletion")
        held = self._files.pop(name, None)
        if held is not None and not synced:
            self._deleted[name] = held

    def restore(self) -> None:
        """Make the files what the cut has left of them; nobody may have them open any more."""
        for name in self._files:
            Path(name + "-shm").unlink(missing_ok=True)
        for name, held in sorted(self._deleted.items()):
            if self.rng.random() < 0.5:
                Path(name).write_bytes(held.durable)
        for name, held in sorted(self._files.items()):
            Path(name).write_bytes(held.left(self.rng))
        self._files.clear()
        self._deleted.clear()
        self.left, self.off = None, False


class KeysFile:
    """The file of the day keys, which the store writes without SQLite: stands in for ``os`` there.

    A name leads to what its directory's last sync found, or to what was put there since; contents that were not
    synced are there in part.
    """

    O_WRONLY, O_CREAT, O_TRUNC, O_RDONLY, O_DIRECTORY = os.O_WRONLY, os.O_CREAT, os.O_TRUNC, os.O_RDONLY, os.O_DIRECTORY
    fdopen, close = staticmethod(os.fdopen), staticmethod(os.close)

    def __init__(self, disk: PowerDisk) -> None:
        self._disk = disk
        self._paths: dict[int, Path] = {}
        self._synced: set[bytes] = set()
        self._durable: bytes | None = None
        self._path: Path | None = None
        self.cuts = 0
        self.lies = False
        """It says that it has synced, and has not."""

    def _count(self) -> None:
        try:
            last = self._disk.is_last()
        except Off:
            last = True
        else:
            self.cuts += last
        if last:
            raise OSError(errno.EIO, "the power is off")

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        self._count()
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = path
        if flags & os.O_CREAT:
            self._path = path.with_name(daykeys.FILE_NAME)
        return descriptor

    def fsync(self, descriptor: int) -> None:
        self._count()
        path = self._paths[descriptor]
        if self.lies:
            return
        if path.is_dir():
            self._durable = (path / daykeys.FILE_NAME).read_bytes()
        else:
            self._synced.add(path.read_bytes())

    def restore(self) -> None:
        """Make the file what a cut has left of it."""
        if self._path is None or not self._path.exists():
            return
        self._durable = self._left(self._disk.rng.choice((self._path.read_bytes(), self._durable)))
        if self._durable is None:
            self._path.unlink()
        else:
            self._path.write_bytes(self._durable)
            self._synced.add(self._durable)

    def _left(self, octets: bytes | None) -> bytes | None:
        if octets is None or octets in self._synced:
            return octets
        return octets[: self._disk.rng.randrange(len(octets))]


class _LogFile:
    """Stands in for ``os`` in the devices' store, which syncs SQLite's log itself."""

    close, geteuid, fstat = staticmethod(os.close), staticmethod(os.geteuid), staticmethod(os.fstat)
    O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC = os.O_RDONLY, os.O_RDWR, os.O_CREAT, os.O_EXCL, os.O_CLOEXEC

    def __init__(self, disk: PowerDisk) -> None:
        self._disk = disk
        self._paths: dict[int, str] = {}

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = str(path)
        return descriptor

    def fdatasync(self, descriptor: int) -> None:
        try:
            self._disk.sync(self._disk.opened(self._paths[descriptor]))
        except Off as error:
            raise OSError(errno.EIO, "the power is off") from error


class _File(apsw.VFSFile):
    def __init__(self, disk: PowerDisk, name, flags) -> None:
        self._disk = disk
        # Before it is made: whether it is there already decides.
        self._held = disk.opened(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        super().__init__("", name, flags)

    def xWrite(self, octets, offset):  # noqa: N802 - SQLite's name
        last = self._disk.is_last()
        self._held.write(bytes(octets), offset)
        if last:
            raise Off("the power went in a write")
        super().xWrite(octets, offset)

    def xTruncate(self, size):  # noqa: N802
        if self._disk.is_last():
            raise Off("the power went in a truncation")
        self._held.truncate(size)
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        self._disk.sync(self._held)

    def excepthook(self, *_):
        """Say nothing: what could not be passed on follows from the cut."""


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: PowerDisk) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name, flags):  # noqa: N802
        if name is None:
            raise Off("the store has no temporary files")
        return _File(self._disk, name, flags)

    def xDelete(self, name, syncdir):  # noqa: N802
        self._disk.delete(name, synced=bool(syncdir))
        super().xDelete(name, syncdir)

    def excepthook(self, *_):
        """Say nothing: what could not be passed on follows from the cut."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise what sqlite3 would raise."""
    try:
        yield
    except apsw.Error as error:
        kind = sqlite3.IntegrityError if isinstance(error, apsw.ConstraintError) else sqlite3.OperationalError
        told = kind(str(error))
        code = getattr(error, "extendedresult", 0) or getattr(error, "result", 0) or apsw.SQLITE_IOERR
        told.sqlite_errorcode = code
        raise told from error


class _Cursor:
    """What of sqlite3's cursor the store uses."""

    def __init__(self, cursor: apsw.Cursor, db: apsw.Connection) -> None:
        self._cursor = cursor
        self.lastrowid = db.last_insert_rowid()
        self.rowcount = db.changes()

    def fetchone(self):
        with _translated():
            return self._cursor.fetchone()

    def fetchall(self):
        with _translated():
            return self._cursor.fetchall()

    def __iter__(self):
        return iter(self.fetchall())


class _Connection:
    """What of sqlite3's connection the store uses, on the disk whose power can be cut."""

    def __init__(self, path: Path, vfs: str, timeout: float, cached_statements: int, synchronous: str) -> None:
        self._synchronous = synchronous
        with _translated():
            self._db = apsw.Connection(str(path), vfs=vfs, statementcachesize=cached_statements)
            self._db.set_busy_timeout(int(timeout * 1000))

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    @property
    def total_changes(self) -> int:
        return self._db.total_changes()

    def execute(self, statement: str, bindings=()) -> _Cursor:
        if statement == _SYNCHRONOUS:
            statement = f"PRAGMA synchronous = {self._synchronous}"
        with _translated():
            return _Cursor(self._db.execute(statement, bindings), self._db)

    def executescript(self, script: str) -> None:
        with _translated():
            self._db.execute(script).fetchall()

    def set_progress_handler(self, ask, steps: int) -> None:
        self._db.set_progress_handler(ask, steps or 100)

    def close(self) -> None:
        # What fails while the log is moved at the end is no error of SQLite's close; apsw passes it on all the same.
        with contextlib.suppress(Off):
            self._db.close()


@contextlib.contextmanager
def plugged(disk: PowerDisk, *, synchronous: str = "FULL") -> Iterator[KeysFile]:
    """Let the store's connections lie on this disk; with another ``synchronous`` than the store's it must lose."""
    vfs = _Vfs(f"power-{id(disk)}", disk)

    def connect(path, *, timeout=0, isolation_level=None, check_same_thread=True, cached_statements=0, uri=False):
        if uri:
            raise sqlite3.OperationalError("nobody but the store's two connections is on this disk")
        return _Connection(path, f"power-{id(disk)}", timeout, cached_statements, synchronous)

    keys = KeysFile(disk)
    real = database.sqlite3, daykeys.os
    database.sqlite3 = SimpleNamespace(connect=connect, Connection=sqlite3.Connection, Error=sqlite3.Error)
    daykeys.os = keys
    try:
        yield keys
    finally:
        database.sqlite3, daykeys.os = real
        vfs.unregister()


@contextlib.contextmanager
def under_devices(disk: PowerDisk) -> Iterator[None]:
    """Let the stores of devices lie on this disk."""
    vfs = _Vfs(f"power-{id(disk)}", disk)

    def connect(path, *, timeout, isolation_level):
        return _Connection(path, f"power-{id(disk)}", timeout, 100, "FULL")

    real = of_devices.sqlite3, of_devices.os
    of_devices.sqlite3 = SimpleNamespace(
        connect=connect, Connection=sqlite3.Connection, OperationalError=sqlite3.OperationalError,
        DatabaseError=sqlite3.DatabaseError,
    )  # fmt: skip
    of_devices.os = _LogFile(disk)
    try:
        yield
    finally:
        of_devices.sqlite3, of_devices.os = real
        vfs.unregister()
