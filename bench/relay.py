"""The relay under load: a real ``relayd serve`` in a process of its own, pinned to its core.

A directory enters; a relay that is ready leaves, and what its operator would see. Everything that is started here is
stopped by its own pid.
"""

import math
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from machine import free_port, process_cpu_s

from relayd import operate
from relayproto import descriptor
from relayproto.commands import GetStatus
from relayproto.replies import Status

READY_S_MAX = 60.0
STOP_S_MAX = 40.0
METRICS_S_MAX = 30.0
COMMITTED_S_MAX = 5.0
"""Acknowledgements wait 20 ms for something to go along with, and the last of a drain are thousands."""
RAISED = {
    "device_rate_per_s": 10_000_000,
    "device_burst": 10_000_000,
    "address_rate_per_s": 1_000_000,
    "address_burst": 1_000_000,
    "address_connections_max": 100_000,
    "pair_rate_per_s": 1_000_000,
    "pair_burst": 1_000_000,
}
"""One generator does what thousands of devices at as many addresses would. Every other limit is the product's."""


class Place(NamedTuple):
    """Where devices find the relay and by which key they know it."""

    host: str
    port: int
    key_id: int
    key: bytes
    operator: str


@dataclass(frozen=True, slots=True)
class Commits:
    """How many transactions there were, how many works in all of them, and how many took at most so many seconds."""

    count: float
    works: float
    below: dict[float, float]

    def since(self, before: "Commits") -> dict[str, float]:
        """Return works a transaction, and the bounds that half and 99 in 100 of the transactions kept, milliseconds."""
        count = self.count - before.count
        told = {"works_a_commit": (self.works - before.works) / max(count, 1)}
        for name, part in (("p50", 0.5), ("p99", 0.99)):
            kept = [bound for bound, total in self.below.items() if total - before.below[bound] >= part * count]
            if count and min(kept) != math.inf:
                told[f"commit_ms_{name}_below"] = min(kept) * 1e3
        return told


class Relay:
    """One relay's state directory, and the process that serves it."""

    def __init__(self, state: Path, core: int) -> None:
        """Make its keys and its configuration."""
        self.state = state
        self.core = core
        self._process: subprocess.Popen[bytes] | None = None
        self._log = state.with_suffix(".log")
        self._operations = free_port()
        port = free_port()
        made = [*self._command("init"), "--listen", f"127.0.0.1:{port}"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, timeout=READY_S_MAX)
        self.configure({"operations": f'"127.0.0.1:{self._operations}"', **RAISED})
        self.place = self._placed(port)

    def _command(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "relayd.main", verb, "--state", str(self.state)]

    def configure(self, values: dict[str, Any]) -> None:
        """Change settings of the configuration file; they count from the next start."""
        path = self.state / "relayd.toml"
        text = path.read_text()
        for name, value in values.items():
            text, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            if changed != 1:
                raise LookupError(f"relayd.toml has {changed} settings {name}")
        path.write_text(text)

    def _placed(self, port: int) -> Place:
        root = descriptor.fingerprint((self.state / "root.pub").read_bytes())
        [described] = (self.state / "keys").glob("descriptor-*")
        keys = descriptor.read(described.read_bytes(), root)
        return Place("127.0.0.1", port, keys.key_id, keys.x25519, str(self.state / "operator.sock"))

    @property
    def pid(self) -> int:
        """The process that serves now."""
        assert self._process is not None, "the relay was started"
        return self._process.pid

    def start(self) -> float:
        """Start it and return how long it took until /readyz said yes, seconds."""
        begun = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command("serve"), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        os.sched_setaffinity(self._process.pid, {self.core})
        while not self._ready():
            if self._process.poll() is not None or time.perf_counter() - begun > READY_S_MAX:
                raise RuntimeError(f"the relay did not get ready:\n{self.last_words()}")
            time.sleep(0.002)
        return time.perf_counter() - begun

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._operations}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self) -> None:
        """Let it drain and end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would, all but the disk."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S_MAX)

    def figures(self) -> dict[str, int]:
        """Return what ``relayd status`` says."""
        return dict(operate.ask(Path(self.place.operator), GetStatus(), Status).figures)

    def queued(self) -> int:
        """Return how many envelopes wait."""
        return self.figures()["envelopes queued"]

    def left(self, others: int = 0) -> int:
        """Return how many envelopes wait beside so many others, once what was acknowledged had time to be committed."""
        until = time.monotonic() + COMMITTED_S_MAX
        while (left := self.queued() - others) and time.monotonic() < until:
            time.sleep(0.02)
        return left

    def cpu_s(self) -> float:
        """Return the processor time that it has used, seconds."""
        return process_cpu_s(self.pid)

    def metrics(self) -> dict[str, float]:
        """Return each series of /metrics and its value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._operations}/metrics", timeout=METRICS_S_MAX) as answer:
            lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#"]
        return {name: float(value) for name, value in lines}

    def commits(self) -> "Commits":
        """Return what it has committed since it started."""
        figures = self.metrics()
        bounds = [name for name in figures if name.startswith("relayd_commit_seconds_bucket")]
        below = {float(name.partition('le="')[2].rstrip('"}')): figures[name] for name in bounds}
        return Commits(figures["relayd_commits_total"], figures["relayd_commit_works_sum"], below)

    def log_bytes(self) -> int:
        """Return the size of SQLite's write-ahead log."""
        log = self.state / "relay.db-wal"
        return log.stat().st_size if log.exists() else 0

    def last_words(self, lines: int = 20) -> str:
        """Return the end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
