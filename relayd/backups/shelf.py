"""The backups' room: the directory that backups are kept in.

Sealed bytes enter and lie under their names, whole and synced, or not at all; backups and their chunks leave. The
rules of this file: a name appears by a rename, the backup's own last of all; a chunk goes only when no backup names
it, and none goes while a backup can't be read.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from relayd.backups import snapshot
from relayd.backups.snapshot import Chunk, Snapshot
from relayd.exits import CannotGoOn, Exit
from relayproto.primitives import blake2b_256

DAY_KEYS: Final = "day-keys"
"""The newest day keys, sealed; the one file that a later backup replaces."""
_CHUNKS: Final = "chunks"
_LOCK: Final = "lock"
_BACKUP: Final = "backup-"
_UNFINISHED: Final = ".new"


def name_of(made_ms: int) -> str:
    """Return a backup's name; names sort by time."""
    made = datetime.fromtimestamp(made_ms / 1000, UTC)
    return f"{_BACKUP}{made:%Y%m%dT%H%M%S}.{made_ms % 1000:03d}Z"


class Shelf:
    """A directory of backups, held against everybody else who writes to it, by whoever has it open."""

    __slots__ = ("_chunks", "_touched", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._chunks = path / _CHUNKS
        self._touched: set[Path] = set()

    @classmethod
    @contextlib.contextmanager
    def to_write(cls, path: Path) -> Iterator["Shelf"]:
        """Open the directory, made if need be, for one writer; CannotGoOn where another is at work."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(held, fcntl.LOCK_EX, path)
            opened = cls(path)
            opened._chunks.mkdir(mode=0o700, exist_ok=True)
            yield opened
        finally:
            os.close(held)

    @classmethod
    @contextlib.contextmanager
    def to_read(cls, path: Path) -> Iterator["Shelf"]:
        """Open the directory while nobody writes to it; CannotGoOn where somebody does, or where it is none."""
        if not (path / _CHUNKS).is_dir():
            raise CannotGoOn(f"{path}: there are no backups here", Exit.NO_INPUT)
        with contextlib.ExitStack() as until_the_end:
            # A copy of a shelf may lack the file, or lie where nothing can be written.
            with contextlib.suppress(FileNotFoundError):
                held = os.open(path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
                until_the_end.callback(os.close, held)
                _lock(held, fcntl.LOCK_SH, path)
            yield cls(path)

    # --- reading ------------------------------------------------------------------------------
    def names(self) -> list[str]:
        """Return the names of all backups, the oldest first."""
        found = (path.name for path in self.path.iterdir() if path.name.startswith(_BACKUP))
        return sorted(name for name in found if not name.endswith(_UNFINISHED))

    def readable(self) -> dict[str, Snapshot]:
        """Return every backup that can be read, the oldest first."""
        found: dict[str, Snapshot] = {}
        for name in self.names():
            with contextlib.suppress(CannotGoOn):
                found[name] = self.snapshot(name)
        return found

    def snapshot(self, name: str) -> Snapshot:
        """Read a backup's own file, or that of the day keys; CannotGoOn where it is damaged or not there."""
        path = self.path / name
        try:
            return snapshot.decode(path.read_bytes(), path)
        except FileNotFoundError:
            raise CannotGoOn(f"{path}: there is no such file", Exit.NO_INPUT) from None

    def _place(self, name: bytes) -> Path:
        digits = name.hex()
        return self._chunks / digits[:2] / digits

    def has(self, chunk: Chunk) -> bool:
        """Say whether a chunk that a backup names is there, by its size."""
        with contextlib.suppress(FileNotFoundError):
            return self._place(chunk.name).stat().st_size == chunk.octets
        return False

    def sealed(self, chunk: Chunk) -> bytes:
        """Return a chunk, checked against its hash; CannotGoOn where it is missing or changed."""
        path = self._place(chunk.name)
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            raise CannotGoOn(
                f"{path}: it is missing; use another backup, or another copy of these", Exit.NOT_WHOLE
            ) from None
        if blake2b_256(found) != chunk.hash:
            raise CannotGoOn(f"{path}: it is damaged; use another backup, or another copy of these", Exit.NOT_WHOLE)
        return found

    # --- writing ------------------------------------------------------------------------------
    def put_chunk(self, name: bytes, sealed: bytes) -> Chunk:
        """Write a chunk, synced; its name is synced by ``settle``."""
        path = self._place(name)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._touched.add(self._chunks)
        _write(path, sealed)
        self._touched.add(path.parent)
        return Chunk(name, blake2b_256(sealed), len(sealed))

    def settle(self) -> None:
        """Sync the names of all chunks that were put."""
        for directory in sorted(self._touched):
            _sync(directory)
        self._touched.clear()

    def put(self, name: str, octets: bytes) -> None:
        """Write a file of the shelf's own, in place of one of that name, and sync its name."""
        _write(self.path / name, octets)
        _sync(self.path)

    def drop(self, names: Iterable[str]) -> None:
        """Remove backups; their chunks stay until ``clean``."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)
        _sync(self.path)

    def clean(self) -> int:
        """Remove every chunk that no backup names and return how many; CannotGoOn where a backup can't be read."""
        named = {chunk.name.hex() for name in self.names() for chunk in self.snapshot(name).chunks}
        gone = 0
        for path in self._chunks.glob("??/*"):
            if path.name not in named:
                path.unlink()
                gone += 1
        for path in self.path.glob("*" + _UNFINISHED):
            path.unlink()
        return gone


def _lock(held: int, how: int, path: Path) -> None:
    try:
        fcntl.flock(held, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotGoOn(f"{path}: another relayd backup or restore is at work here; wait for it", Exit.LATER) from None


def _write(path: Path, octets: bytes) -> None:
    """Write a file whole: a crash leaves what was there before, or this."""
    new = path.with_name(path.name + _UNFINISHED)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
