"""The device's file: made private, opened, brought to this version's schema, and used one step at a time.

A home enters; steps leave. The rule of this file: a step is one BEGIN IMMEDIATE transaction; it reads what it needs
itself, so that two processes may use one home, and it happened wholly or not at all. It is synced (synchronous=FULL)
unless its caller says that it need not last yet: then ``sync`` makes it last, and whatever was committed before it.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

from relayclient.errors import HomeNotPrivate, HomeUnusable, NotJoined, StoreDamaged, StoreNewer
from relayclient.store.vault import Lock, Vault, new_lock, unlock
from relayproto.primitives import Entropy

FILE_NAME: Final = "device.db"
LOG_NAME: Final = f"{FILE_NAME}-wal"
_NO_LOG: Final = -1
_PAGE_BYTES: Final = 4096
_CACHE_PAGES: Final = 32
"""What SQLite keeps in memory while the log is overwritten; of that much more than the log's length is written."""
SCHEMA_VERSION: Final = 2
_BUSY_S: Final = 10.0
"""A step of the other process takes milliseconds; ten seconds are a machine in trouble."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

Row = tuple[Any, ...]


class Step:
    """One transaction: SQL, the vault and the settings. Good only within ``Store.step``."""

    __slots__ = ("_sql", "_vault", "entropy")

    def __init__(self, sql: sqlite3.Connection, vault: Vault, entropy: Entropy) -> None:
        """Take an open transaction."""
        self._sql = sql
        self._vault = vault
        self.entropy = entropy

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run one statement."""
        return self._sql.execute(statement, values)

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return all rows of a query."""
        return self._sql.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> Row | None:
        """Return the first row of a query, or None."""
        found: Row | None = self._sql.execute(query, values).fetchone()
        return found

    def number(self, query: str, *values: object) -> int:
        """Return the one integer that a query gives; 0 where it gives none or NULL."""
        found = self.row(query, *values)
        return int(found[0] or 0) if found else 0

    def seal(self, octets: bytes, *place: bytes) -> bytes:
        """Return the bytes sealed for a place, which is named by its parts."""
        return self._vault.seal(octets, b"/".join(place))

    def open(self, sealed: bytes, *place: bytes) -> bytes:
        """Return what was sealed for this place, or raise StoreDamaged."""
        return self._vault.open(sealed, b"/".join(place))

    def setting(self, name: str) -> Any:
        """Return a setting's value, None where it was never put."""
        found = self.row("SELECT value FROM setting WHERE name = ?", name)
        return found[0] if found else None

    def put(self, name: str, value: object) -> None:
        """Put a setting: an integer, a text or bytes."""
        self.run("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", name, value)

    def secret(self, name: str) -> bytes:
        """Return a sealed setting's bytes."""
        return self.open(self.setting(name) or b"", b"setting", name.encode())

    def put_secret(self, name: str, octets: bytes) -> None:
        """Put a setting sealed."""
        self.put(name, self.seal(octets, b"setting", name.encode()))


class Store:
    """The device's file, open."""

    __slots__ = ("_entropy", "_lasting", "_log", "_lost", "_sql", "_vault", "_within", "unsynced")

    def __init__(self, sql: sqlite3.Connection, log: int, vault: Vault, entropy: Entropy) -> None:
        """Take a connection whose schema is this version's and its log's descriptor; ``create`` and ``open`` do it."""
        self._sql = sql
        self._log = log
        self._lost = ""
        self._lasting = True
        self._within: Step | None = None
        self._vault = vault
        self._entropy = entropy
        self.unsynced = False
        """Whether a step of this store's has written something that need not last yet, since the last ``sync``."""

    @classmethod
    def create(cls, home: Path, *, passphrase: str | None, entropy: Entropy) -> "Store":
        """Make a new store in a home that has none. Raises HomeUnusable and HomeNotPrivate."""
        _make_private(home)
        try:
            os.close(os.open(home / FILE_NAME, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise HomeUnusable(str(home)) from error
        lock, vault = new_lock(passphrase, entropy)
        sql = _connect(home / FILE_NAME)

        def first_settings() -> None:
            sql.execute("INSERT INTO setting (name, value) VALUES ('lock_salt', ?), ('lock_key', ?)", lock)

        try:
            _migrate(sql, first_settings)
            return cls(sql, _log_of(home), vault, entropy)
        except BaseException:
            sql.close()
            raise

    @classmethod
    def open(cls, home: Path, *, passphrase: str | None, entropy: Entropy) -> "Store":
        """Open the store of a home.

        Raises NotJoined where there is none, HomeNotPrivate, PassphraseNeeded, WrongPassphrase, StoreDamaged,
        StoreNewer.
        """
        file = home / FILE_NAME
        if not file.is_file():
            raise NotJoined(str(home))
        _check_private(home)
        _check_private(file)
        sql = _connect(file)
        try:
            with _damage():
                _migrate(sql, lambda: None)
                lock = Lock(*(_lock_part(sql, name) for name in ("lock_salt", "lock_key")))
            vault = unlock(lock, passphrase, entropy)
            return cls(sql, _log_of(home), vault, entropy)
        except BaseException:
            sql.close()
            raise

    @contextlib.contextmanager
    def step(self, *, lasting: bool = True) -> Iterator[Step]:
        """Give one transaction; it is committed at the end of the block, or undone if the block raises.

        One that is not ``lasting`` outlives this process, and a power cut only after the next ``sync``. Within such a
        one others that are not are parts of it: they are committed, or undone, with it.
        """
        if self._within is not None:
            if lasting:
                raise RuntimeError("what must last can't be a part of what need not yet")
            yield self._within
            return
        with _damage():
            if lasting != self._lasting:
                self._sql.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
                self._lasting = lasting
            before = self._sql.total_changes
            self._sql.execute("BEGIN IMMEDIATE")
            step = Step(self._sql, self._vault, self._entropy)
            self._within = None if lasting else step
            try:
                yield step
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                raise
            finally:
                self._within = None
            if not lasting and self._sql.total_changes != before:
                self.unsynced = True

    def sync(self) -> None:
        """Make everything last that was committed so far, by this process or another. Raises HomeUnusable.

        It syncs the write-ahead log, as SQLite does in a commit: to write a row for that would cost as much again, and
        a transaction that writes nothing syncs nothing. What was in the log before went into the file with a sync.
        """
        if not self._lost:
            try:
                os.fdatasync(self._log)
            except OSError as error:
                # The next sync of this log would say that all is well: the system forgets what it could not write.
                self._lost = str(error)
        if self._lost:
            raise HomeUnusable(self._lost)
        self.unsynced = False

    def empty_log(self) -> bool:
        """Bring what the log holds into the file, overwrite the log and cut it to nothing; return whether it is empty.

        The log keeps every page as it was after each commit: a key that was deleted long ago, too. It is overwritten by
        a transaction of zeros as long as it, which is undone: the log begins anew at its first byte, SQLite writes what
        its small cache does not hold before the end, and no reader ever takes what was not committed. False where
        another process is in the way or the disk is full: then everything is as it was, and it is tried again.
        """
        if os.fstat(self._log).st_size == 0:
            return True
        run = self._sql.execute
        cache = _CACHE_PAGES
        try:
            cache = run("PRAGMA cache_size").fetchone()[0]
            if run("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]:
                return False
            octets = os.fstat(self._log).st_size + _CACHE_PAGES * _PAGE_BYTES
            run(f"PRAGMA cache_size = {_CACHE_PAGES}")
            run("BEGIN IMMEDIATE")
            run("INSERT OR REPLACE INTO setting (name, value) VALUES ('zeros', zeroblob(?))", (octets,))
            run("ROLLBACK")
            os.fdatasync(self._log)
            return not run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except (sqlite3.OperationalError, OSError):
            return False
        finally:
            with contextlib.suppress(sqlite3.OperationalError):
                if self._sql.in_transaction:
                    run("ROLLBACK")
                run(f"PRAGMA cache_size = {cache}")

    def close(self) -> None:
        """Empty the log and close the file."""
        if self._log != _NO_LOG and not self._lost:
            self.empty_log()
        if self._log != _NO_LOG:
            os.close(self._log)
            self._log = _NO_LOG
        self._sql.close()


@contextlib.contextmanager
def unless_it_fails(store: Store) -> Iterator[Store]:
    """Leave a store open for whoever has it next; where the block raises, close it."""
    try:
        yield store
    except BaseException:
        store.close()
        raise


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise HomeUnusable(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(str(error)) from error


def _make_private(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable(str(home)) from error
    _check_private(home)


def _check_private(path: Path) -> None:
    state = path.stat()
    if state.st_mode & _OTHERS or state.st_uid != os.geteuid():
        raise HomeNotPrivate(str(path))


def _connect(file: Path) -> sqlite3.Connection:
    with _damage():
        sql = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)
        try:
            sql.execute("PRAGMA journal_mode = WAL")
            sql.execute("PRAGMA synchronous = FULL")
            sql.execute("PRAGMA foreign_keys = ON")
            sql.execute("PRAGMA secure_delete = ON")
        except BaseException:
            sql.close()
            raise
        return sql


def _log_of(home: Path) -> int:
    """Return the descriptor of the write-ahead log, which is there for as long as anybody has the database open."""
    try:
        return os.open(home / LOG_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HomeUnusable(str(error)) from error


def _migrate(sql: sqlite3.Connection, first: Callable[[], None]) -> None:
    """Bring the file to this version; ``first`` runs in the same transaction, for what a new file holds."""
    sql.execute("BEGIN IMMEDIATE")
    try:
        version = _version(sql)
        for number in range(version + 1, SCHEMA_VERSION + 1):
            for statement in _statements(number):
                sql.execute(statement)
            sql.execute(f"PRAGMA user_version = {number}")
        first()
        sql.execute("COMMIT")
    except BaseException:
        sql.execute("ROLLBACK")
        raise


def _version(sql: sqlite3.Connection) -> int:
    version = int(sql.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StoreNewer
    return version


def _statements(number: int) -> list[str]:
    script = resources.files("relayclient.store").joinpath(f"migrations/{number:04d}.sql").read_text("utf-8")
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [part for part in "\n".join(lines).split(";") if part.strip()]


def _lock_part(sql: sqlite3.Connection, name: str) -> bytes:
    found = sql.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    if found is None or type(found[0]) is not bytes:
        raise StoreDamaged
    part: bytes = found[0]
    return part
