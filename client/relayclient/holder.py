"""The device's room: which process of a home holds the device's one connection.

A home directory enters; the right to connect leaves, or the news that another process has it.
The rule of this file: a device has one data connection (spec 50 §3), so a second process never connects. It writes its
message into the store and pokes the holder through ``wake.sock``; a poke that is lost costs time, never a message.
"""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LOCK_NAME: Final = "connection.lock"
WAKE_NAME: Final = "wake.sock"


@contextlib.contextmanager
def _short_path(home: Path) -> Iterator[str]:
    """Give a name of the home that fits the 108 bytes of a Unix socket's address, however long the path is."""
    directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}"
    finally:
        os.close(directory)


class Holder:
    """The lock of a home, held until ``release`` or until the process ends; ``wake`` becomes readable on a poke."""

    def __init__(self, home: Path, lock: int, wake: socket.socket) -> None:
        """Take over the open, locked descriptor and the socket that pokes come to."""
        self._home = home
        self._lock = lock
        self.wake = wake

    def poked(self) -> None:
        """Take all pokes that have arrived; they say nothing but that the store has something new."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.wake.recv(1)

    def release(self) -> None:
        """Give the connection up, for the next process."""
        (self._home / WAKE_NAME).unlink(missing_ok=True)
        self.wake.close()
        os.close(self._lock)


def take(home: Path) -> Holder | None:
    """Return the right to connect, or None where another process of this home has it."""
    lock = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    try:
        return Holder(home, lock, _listen(home))
    except OSError:
        os.close(lock)
        raise


def _listen(home: Path) -> socket.socket:
    (home / WAKE_NAME).unlink(missing_ok=True)
    wake = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    wake.setblocking(False)
    try:
        with _short_path(home) as short:
            wake.bind(f"{short}/{WAKE_NAME}")
        (home / WAKE_NAME).chmod(0o600)
    except OSError:
        wake.close()
        raise
    return wake


def poke(home: Path) -> bool:
    """Tell the holder that the store has something new; False where nobody listens."""
    with _short_path(home) as short, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
        wake.setblocking(False)
        try:
            wake.sendto(b"\0", f"{short}/{WAKE_NAME}")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            return True
    return True
