"""The store room: how full the disk is, and the ballast that is thrown off when it is full (protocol.md §5).

The figures of a filesystem enter; whether submissions are refused leaves. The rules of this file: refusing begins and
ends at two different shares, so that it does not flicker; and after the disk ran full nothing is taken in until the
ballast lies in its place again, so that the room it gave is left to acknowledgements, expiry and deletion.
"""

import contextlib
import os
from pathlib import Path
from typing import Final, NamedTuple

from relayd.config import StoreSection
from relayd.logs import get_logger
from relayd.metrics import Counters

BALLAST: Final = "ballast"
"""The file's name, in the state directory."""
REOPEN_POINTS: Final = 2
"""Refusing ends when the disk is this many per cent emptier than where it began."""

_log = get_logger("store")


class Fill(NamedTuple):
    """Bytes of a filesystem: what is taken, and what is left for us."""

    used: int
    left: int

    def percent(self, more: int = 0) -> int:
        """Return how full it is, as df says it but rounded down, or would be with so many bytes more."""
        return min(100, (self.used + more) * 100 // max(1, self.used + self.left))


def fill_of(directory: Path) -> Fill:
    """Return how full a directory's filesystem is."""
    found = os.statvfs(directory)
    return Fill((found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize)


class Ballast:
    """A file that only takes room, so that some can be given back at once."""

    __slots__ = ("_octets", "_path")

    def __init__(self, path: Path, octets: int) -> None:
        self._path = path
        self._octets = octets

    @property
    def octets(self) -> int:
        """How large it is to be; 0 where there is to be none."""
        return self._octets

    @property
    def held(self) -> int:
        """How many bytes it holds now."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def make(self) -> bool:
        """Take the room; False where the disk has not got it."""
        self.release()
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self._octets)
        except OSError:
            self.release()
            return False
        finally:
            os.close(descriptor)
        return True

    def release(self) -> None:
        """Give the room back. A file that can't be removed stays, and ``held`` goes on to say so."""
        with contextlib.suppress(OSError):
            self._path.unlink()


class Disk:
    """The filesystem of the store. ``tight``: submissions are refused."""

    __slots__ = ("_ballast", "_counters", "_directory", "_ran_full", "_settings", "_warned", "tight")

    def __init__(self, directory: Path, settings: StoreSection, counters: Counters) -> None:
        self._directory = directory
        self._settings = settings
        self._counters = counters
        self._ballast = Ballast(directory / BALLAST, settings.ballast_bytes)
        self._warned = False
        self._ran_full = False
        self.tight = False

    def look(self) -> None:
        """Look how full it is: refuse, take submissions again, warn, or lay the ballast back."""
        fill = fill_of(self._directory)
        reopen_percent = max(1, self._settings.disk_refuse_percent - REOPEN_POINTS)
        whole = self._whole(fill, reopen_percent)
        percent = fill_of(self._directory).percent()
        if not self.tight:
            tight = percent >= self._settings.disk_refuse_percent
        else:
            tight = percent >= reopen_percent or (self._ran_full and not whole)
        self._turn(percent, tight=tight)
        self._warn(percent)
        self._counters.disk_used_percent = percent
        self._counters.disk_left_bytes, self._counters.disk_bytes = fill.left, fill.used + fill.left
        self._counters.ballast_bytes = self._ballast.held

    def ran_full(self) -> None:
        """The disk was full in the middle of a commit: give the ballast's room to what makes room."""
        if self._ballast.held:
            self._ballast.release()
            self._counters.ballast_bytes = 0
            _log.error("the disk is full; the ballast was released so that acknowledgements go on")
        self._ran_full = True
        self._turn(fill_of(self._directory).percent(), tight=True)

    def _whole(self, fill: Fill, reopen_percent: int) -> bool:
        """Say whether the ballast lies in its place, after laying it where there is room."""
        ballast = self._ballast
        if ballast.held == ballast.octets:
            return True
        if not ballast.octets:
            ballast.release()
            return True
        return fill.percent(ballast.octets) < reopen_percent and ballast.make()

    def _turn(self, percent: int, *, tight: bool) -> None:
        if tight != self.tight:
            if tight:
                _log.error("submissions are refused, the disk is nearly full; make room on it", percent=percent)
            else:
                self._ran_full = False
                _log.info("submissions are taken in again, the disk has room", percent=percent)
        self.tight = tight
        self._counters.disk_refusing = int(tight)

    def _warn(self, percent: int) -> None:
        warn = percent >= self._settings.disk_warn_percent
        if warn and not self._warned:
            _log.warning("the disk is filling", percent=percent, refusing_from=self._settings.disk_refuse_percent)
        self._warned = warn

    def figures(self) -> list[tuple[str, int]]:
        """Return what the operator is told of it."""
        return [
            ("disk used, per cent", self._counters.disk_used_percent),
            ("submissions refused for want of disk", int(self.tight)),
            ("bytes of the ballast", self._ballast.held),
        ]
