"""A disk that fails under the SQLite that the relay uses: no room for a write, no success of a sync.

It goes between SQLite and its own VFS, by the C interface (sqlite.org/c3ref/vfs.html, io_methods.html): files opened
while it is there have their writes and syncs counted, and the one that is asked for fails as the operating system
would make it fail. The files that the store writes without SQLite are counted with them.
"""

import _sqlite3
import contextlib
import ctypes
import errno
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from relayd.store import daykeys, restored

_LIBRARY = ctypes.CDLL(_sqlite3.__file__)
_LIBRARY.sqlite3_vfs_find.restype = ctypes.c_void_p
_LIBRARY.sqlite3_vfs_find.argtypes = (ctypes.c_char_p,)

_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int), ("file_bytes", ctypes.c_int), ("path_bytes_max", ctypes.c_int),
        ("following", ctypes.c_void_p), ("name", ctypes.c_char_p), ("own", ctypes.c_void_p), ("open", ctypes.c_void_p),
    )  # fmt: skip


class _Methods(ctypes.Structure):
    """``sqlite3_io_methods`` up to its third version."""

    _fields_ = (
        ("version", ctypes.c_int), ("close", ctypes.c_void_p), ("read", ctypes.c_void_p), ("write", ctypes.c_void_p),
        ("truncate", ctypes.c_void_p), ("sync", ctypes.c_void_p), ("others", ctypes.c_void_p * 13),
    )  # fmt: skip


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.c_void_p),)


_KEPT: list[object] = []
"""What SQLite has pointers to; a file that is closed late still uses them."""


@dataclass
class FailingDisk:
    """Which write, or which sync, counted from now, fails; and what was tried in the meantime."""

    full_at: int = 0
    """The first write for which there is no room; 0 for none."""
    full_for: int = 1
    """For how many writes there is none."""
    broken_at: int = 0
    """The first sync that fails; all after it succeed, as Linux has it once it has told of an error; 0 for none."""
    writes: int = 0
    syncs: int = 0
    failed: bool = False
    syncs_after: int = 0
    """Syncs that were tried after one had failed."""

    def arm(self, *, full_at: int = 0, full_for: int = 1, broken_at: int = 0) -> None:
        """Count from now on."""
        self.full_at, self.full_for, self.broken_at = full_at, full_for, broken_at
        self.writes = self.syncs = self.syncs_after = 0
        self.failed = False

    def no_room(self) -> bool:
        """Count a write; whether there is no room for it."""
        self.writes += 1
        no_room = 0 < self.full_at <= self.writes < self.full_at + self.full_for
        self.failed |= no_room
        return no_room

    def no_sync(self) -> bool:
        """Count a sync; whether it fails."""
        self.syncs += 1
        if self.broken_at and self.syncs > self.broken_at:
            self.syncs_after += 1
        fails = self.syncs == self.broken_at
        self.failed |= fails
        return fails


class _FullFile:
    """What ``os.fdopen`` gives, on such a disk."""

    def __init__(self, disk: FailingDisk, file) -> None:
        self._disk, self._file = disk, file

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, octets: bytes) -> None:
        if self._disk.no_room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.write(octets)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()


class _Os:
    """Stands in for ``os`` where the store writes files of its own."""

    def __init__(self, disk: FailingDisk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def open(self, path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and self._disk.no_room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.open(path, flags, mode)

    def fdopen(self, descriptor: int, mode: str) -> _FullFile:
        return _FullFile(self._disk, os.fdopen(descriptor, mode))

    def fsync(self, descriptor: int) -> None:
        if self._disk.no_sync():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(descriptor)


def _failing(methods: _Methods, disk: FailingDisk) -> _Methods:
    """Return a file's methods with writes and syncs that may fail."""
    write, sync = _WRITE(methods.write), _SYNC(methods.sync)

    def may_write(file, octets, count, offset):
        if disk.no_room():
            # What fits is written, as write(2) does it.
            write(file, octets, count // 2, offset)
            return sqlite3.SQLITE_FULL
        return write(file, octets, count, offset)

    def may_sync(file, flags):
        return sqlite3.SQLITE_IOERR_FSYNC if disk.no_sync() else sync(file, flags)

    made = _Methods.from_buffer_copy(methods)
    callbacks = _WRITE(may_write), _SYNC(may_sync)
    made.write, made.sync = (ctypes.cast(each, ctypes.c_void_p).value for each in callbacks)
    _KEPT.extend((made, callbacks))
    return made


@contextlib.contextmanager
def failing_disk(disk: FailingDisk | None = None) -> Iterator[FailingDisk]:
    """Put such a disk under every database that is opened in the block, and under the store's other files."""
    disk = disk or FailingDisk()
    vfs = _Vfs.from_address(_LIBRARY.sqlite3_vfs_find(None))
    real_open = vfs.open
    open_file = _OPEN(real_open)
    made: dict[int, _Methods] = {}

    def opened(own, name, file, flags, out):
        result = open_file(own, name, file, flags, out)
        at = _File.from_address(file)
        if result == sqlite3.SQLITE_OK and at.methods:
            if at.methods not in made:
                made[at.methods] = _failing(_Methods.from_address(at.methods), disk)
            at.methods = ctypes.addressof(made[at.methods])
        return result

    callback = _OPEN(opened)
    _KEPT.append(callback)
    vfs.open = ctypes.cast(callback, ctypes.c_void_p).value
    real = daykeys.os, restored.os
    daykeys.os = restored.os = _Os(disk)
    try:
        yield disk
    finally:
        daykeys.os, restored.os = real
        vfs.open = real_open
