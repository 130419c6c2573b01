"""A relay and people's command lines as real processes over real TCP, for tests of the whole.

A relay lives in a directory of the test's and keeps its ports for as long as the object lives, however often it is
killed. Nothing here waits without a limit, and what was started is ended by its own process id.
"""

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.tree import ROOT

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
_PORTS_FROM = 10_000
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "proto", "client", "tests")),
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}


def environment(home: Path) -> dict[str, str]:
    """Return what a process of ours is started with: nothing of the person's who runs the tests."""
    return {**_ENVIRONMENT, "HOME": str(home)}


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on.

    Below the range that the kernel takes for outgoing connections: a client that tries a port of that range while its
    relay is away can be given the very same port, and then it has connected to itself. Each of pytest's workers has
    ports of its own: what listens on one is often started a moment later.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    ours = range(_PORTS_FROM + int(worker.removeprefix("gw")), lowest, int(workers))
    found: list[int] = []
    for port in random.sample(ours, 1_000):
        with contextlib.suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its exit status and what it said."""

    status: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        return self.err.decode().splitlines()


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def run(argv: list[str], home: Path, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Ended:
    """Run a process to its end; one that takes longer is killed and the test fails."""
    done = subprocess.run(
        argv, env=environment(home), cwd=home, input=stdin, capture_output=True, timeout=timeout_s, check=False
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def relayd(state: Path, verb: str, *arguments: object, timeout_s: float = 60.0) -> Ended:
    """Run ``relayd VERB --state STATE ...``."""
    return run(command("relayd.main", verb, "--state", state, *arguments), state.parent, timeout_s=timeout_s)


def relay(home: Path, *arguments: object, stdin: bytes = b"", timeout_s: float = 60.0) -> Ended:
    """Run ``relay --home HOME ...``."""
    argv = command("relayclient.cli.main", "--home", home, *arguments)
    return run(argv, home.parent, stdin=stdin, timeout_s=timeout_s)


def succeed(ended: Ended) -> Ended:
    assert ended.status == 0, f"exit status {ended.status}: {ended.err.decode(errors='replace')}"
    return ended


@contextlib.contextmanager
def running(argv: list[str], home: Path, *, out: Path, err: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process beside the block, its output in files; what still runs at the end of the block is ended."""
    with out.open("ab") as to_out, err.open("ab") as to_err:
        started = subprocess.Popen(
            argv, env=environment(home), cwd=home, stdout=to_out, stderr=to_err, stdin=subprocess.DEVNULL
        )
    try:
        yield started
    finally:
        end(started)


def end(process: subprocess.Popen[bytes]) -> int:
    """Ask a process to end, insist where it does not, and return its status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
    return process.returncode


def until(condition: Callable[[], bool], timeout_s: float, *, every_s: float = 0.05) -> None:
    """Wait until ``condition()`` is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about within {timeout_s} s"
        time.sleep(every_s)


@dataclass
class RelayProcess:
    """A relay of the test's own in ``state``; ``endpoint_port`` is what invitations name, its own port by default."""

    state: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    endpoint_port: int = 0
    moderators: tuple[str, ...] = ()
    launcher: tuple[str, ...] = ("-m", "relayd.main")
    """What Python runs, before ``serve``."""
    initialiser: tuple[str, ...] = ("-m", "relayd.main")
    """The same before ``init``."""
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.devices, self.operations = free_ports(2)
        endpoint = f"127.0.0.1:{self.endpoint_port or self.devices}"
        named = [argument for key in self.moderators for argument in ("--moderator", key)]
        made = (*self.initialiser, "init", "--state", self.state, "--listen", f"127.0.0.1:{self.devices}")
        succeed(run([sys.executable, *map(str, (*made, "--endpoint", endpoint, *named))], self.state.parent))
        self.config = self.state / "relayd.toml"
        self.log = self.state.with_name(self.state.name + ".log")
        self.set("127.0.0.1:9443", f"127.0.0.1:{self.operations}")
        self.set("ballast_bytes = 67108864", "ballast_bytes = 0")  # what tests leave behind is kept for a while
        for old, new in self.settings.items():
            self.set(old, new)

    def set(self, old: str, new: str) -> None:
        """Change the configuration file: ``old`` must stand in it."""
        text = self.config.read_text("utf-8")
        assert old in text, f"{old!r} is not in the configuration"
        self.config.write_text(text.replace(old, new), "utf-8")

    def start(self) -> None:
        """Start the relay and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.launcher, "serve", "--state", str(self.state)],
                env=environment(self.state.parent), cwd=self.state.parent, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.ready():
            said = self.log.read_text("utf-8")
            assert self.process.poll() is None, f"relayd ended with {self.process.returncode}: {said}"
            assert time.monotonic() < deadline, f"relayd is not ready: {said}"
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill the relay where it stands."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(STOP_TIMEOUT_S) == -signal.SIGKILL

    def stop(self) -> int:
        """Let the relay drain and end; return its exit status."""
        assert self.process is not None
        return end(self.process)

    def page(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body of a page of the operations port; raises OSError where nobody is there."""
        asked = http.client.HTTPConnection("127.0.0.1", self.operations, timeout=5)
        try:
            asked.request("GET", path)
            answer = asked.getresponse()
            return answer.status, answer.read()
        finally:
            asked.close()

    def ready(self) -> bool:
        try:
            return self.page("/readyz")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def invite(self, address: str, *arguments: object) -> str:
        return succeed(relayd(self.state, "invite", address, *arguments)).out.decode().strip()

    def join(self, home: Path, address: str) -> Path:
        """Enrol a new device in ``home`` with the command line."""
        succeed(relay(home, "join", stdin=self.invite(address).encode()))
        return home


@contextlib.contextmanager
def a_relay(
    state: Path,
    *,
    settings: Mapping[str, str] | None = None,
    endpoint_port: int = 0,
    moderators: tuple[str, ...] = (),
) -> Iterator[RelayProcess]:
    """Run a relay for the block; ``moderators`` are two public keys, as hex."""
    made = RelayProcess(state, settings or {}, endpoint_port, moderators)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None:
            end(made.process)
