"""What a figure is worth nothing without: the machine it comes from, and who was busy while it was taken.

Linux only: /proc tells what each core and each process used.
"""

import contextlib
import os
import platform
import socket
import sqlite3
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SYNCS = 200
_SYNC_BYTES = 4096
_PORTS = iter(range(20_000, 32_768))
"""Below those that Linux gives to connections (ip_local_port_range), which take none while its server starts."""
_NAMED = ("uvloop", "cryptography", "pynacl", "msgspec", "aiosqlite")


def sync_us(directory: Path) -> tuple[float, float]:
    """Return the median time of fdatasync after an overwrite of one page and after an append, microseconds."""
    return _sync_us(directory, append=False), _sync_us(directory, append=True)


def _sync_us(directory: Path, *, append: bool) -> float:
    path = directory / "sync"
    page = os.urandom(_SYNC_BYTES)
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(opened, page * _SYNCS)
        os.fsync(opened)
        took = []
        for turn in range(_SYNCS):
            os.pwrite(opened, page, (turn + append * _SYNCS) * _SYNC_BYTES)
            begun = time.perf_counter()
            os.fdatasync(opened)
            took.append(time.perf_counter() - begun)
    finally:
        os.close(opened)
        path.unlink()
    return round(statistics.median(took) * 1e6, 1)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def free_port() -> int:
    """Return a port on which nobody listens, another one each time; LookupError when there are no more."""
    for port in _PORTS:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise LookupError("no port is free")


def describe(directory: Path) -> dict[str, object]:
    """Return what belongs beside every figure; ``directory`` is where the relay's state will be."""
    overwrite_us, append_us = sync_us(directory)
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sync_overwrite_us": overwrite_us,
        "sync_append_us": append_us,
        "versions": {name: _installed(name) for name in _NAMED},
    }


def process_cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, all threads, user and kernel, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def waited_s(pid: int) -> float:
    """Return how long threads of a process were ready and did not run, since the process started, seconds.

    Others had their core: another thread of it, other processes, the kernel's threads. The sum over its threads
    (Documentation/scheduler/sched-stats.rst of Linux, "/proc/<pid>/schedstat").
    """
    stats = [task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(stat.read_text().split()[1]) for stat in stats) / 1e9


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def busy_s(core: int) -> float:
    """Return how long a core was anything but idle since the machine started, seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            counted = [int(tick) for tick in ticks[:8]]
            return (sum(counted) - counted[3] - counted[4]) / _TICKS_PER_S
    raise LookupError(f"there is no core {core}")


class Reading(NamedTuple):
    """The clocks at one moment, seconds."""

    wall: float
    ours: float
    relay: float
    our_core: float
    relay_core: float


class Meter:
    """Reads the clocks of this process, of the relay, and of both their cores."""

    def __init__(self, relay_core: int, our_core: int) -> None:
        """Name the cores."""
        self._relay_core = relay_core
        self._our_core = our_core

    def read(self, relay_pid: int) -> Reading:
        """Return the clocks now."""
        return Reading(
            time.perf_counter(),
            time.process_time(),
            process_cpu_s(relay_pid),
            busy_s(self._our_core),
            busy_s(self._relay_core),
        )


def shares(begin: Reading, end: Reading) -> dict[str, float]:
    """Return what part of the time was used, in per cent: by the relay, the generator, and all on each core."""
    wall = end.wall - begin.wall
    return {
        "relay_cpu": round(100 * (end.relay - begin.relay) / wall),
        "generator_cpu": round(100 * (end.ours - begin.ours) / wall),
        "relay_core_busy": round(100 * (end.relay_core - begin.relay_core) / wall),
        "generator_core_busy": round(100 * (end.our_core - begin.our_core) / wall),
    }
