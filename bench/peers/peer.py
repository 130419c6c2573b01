"""What every peer is: a server that runs on one core in a directory of its own, and connections to it that are ready.

The server is started and stopped by its own pid. Each peer says how to start it, how to log in, and what its
acknowledgement promises.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from debian import libraries, unpacked
from generator import Pair, Run
from machine import free_port

READY_S_MAX = 60.0
STOP_S_MAX = 30.0
ANSWER_S_MAX = 30.0
_READ_BYTES = 1 << 16


class Refused(Exception):  # noqa: N818 - what it says is what it is
    """A server that did not say what it should."""


@dataclass(slots=True)
class Wire:
    """A connection: ``key`` is the one name that its wire needs, ``hello`` what it says when a run begins.

    ``taken`` are stanzas that were read already, where a wire counts them.
    """

    socket: socket.socket
    key: bytes = b""
    hello: bytes = b""
    taken: int = 0
    pending: bytes = field(default=b"", repr=False)

    def order(self) -> str:
        """Return the line that hands it to the load generator."""
        return (
            f"conn fd={self.socket.fileno()} key={self.key.hex()} hello={self.hello.hex()} taken={self.taken}"
            f" pending={self.pending.hex()}"
        )

    def descriptor(self) -> int:
        """Return the socket's descriptor."""
        return self.socket.fileno()

    def handed_over(self) -> None:
        """Close our copy of the socket."""
        self.socket.close()

    def read(self, count: int) -> bytes:
        """Return exactly so many bytes."""
        while len(self.pending) < count:
            self._more()
        found, self.pending = self.pending[:count], self.pending[count:]
        return found

    def until(self, *ends: bytes) -> bytes:
        """Return what comes up to the first of some ends, that end included."""
        while not (found := [self.pending.index(end) + len(end) for end in ends if end in self.pending]):
            self._more()
        return self.read(min(found))

    def _more(self) -> None:
        got = self.socket.recv(_READ_BYTES)
        if not got:
            raise Refused(f"hung up after {self.pending[:100]!r}")
        self.pending += got


def dialled(port: int) -> Wire:
    """Return a new connection to a server on this machine."""
    link = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S_MAX)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(link)


class Peer(ABC):
    """One server, in one setting of its durability."""

    name: ClassVar[str]
    package: ClassVar[str]
    durability: ClassVar[str]
    wire: ClassVar[str]
    share: ClassVar[float] = 1.0
    """Of the messages of B and C: a slow server gets fewer, so that no case takes minutes."""
    payload_factor: ClassVar[float] = 1.0
    """What the protocol makes of a byte of ciphertext: 4/3 where only text passes."""

    def __init__(self, packages: Path, state: Path, core: int) -> None:
        """Unpack it; raises Missing."""
        self.root = unpacked(self.package, packages)
        self.state = state
        self.port = 0
        self._core = core
        self._turn = 0
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration into ``state`` and return how the server is started."""

    def environment(self) -> dict[str, str]:
        """Return what is added to the environment."""
        return {}

    def prepare(self, people: int) -> None:  # noqa: B027 - most need nothing
        """Make what a fresh server needs before so many pairs use it."""

    @abstractmethod
    def sender(self, name: str) -> Wire:
        """Return a connection that may send to ``name``."""

    @abstractmethod
    def receiver(self, name: str, *, waits: bool = False) -> Wire:
        """Return a connection that receives what is for ``name``; one that ``waits`` takes nothing before its hello."""

    @abstractmethod
    def absent(self, name: str) -> None:
        """Make sure that what is sent to ``name`` is kept, though nobody is there."""

    # --- what is the same for all ---

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None, "it was started"
        return self._process.pid

    def start(self) -> None:
        """Start it in an empty directory and wait until it takes connections."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)
        self.port = free_port()
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries(self.root), **self.environment()}
        ours = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self._core})  # inherited, by all threads that it starts
        try:
            with (self.state / "said").open("wb") as said:
                self._process = subprocess.Popen(
                    self.command(), env=environment, cwd=self.state, stdin=subprocess.DEVNULL, stdout=said,
                    stderr=said, start_new_session=True,
                )  # fmt: skip
        finally:
            os.sched_setaffinity(0, ours)
        until = time.perf_counter() + READY_S_MAX
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() > until:
                raise Refused(f"did not get ready: {self.last_words()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def last_words(self) -> str:
        """Return the end of what it said."""
        return (self.state / "said").read_text(errors="replace")[-500:]

    def stop(self) -> None:
        """End it, and what it has started itself: its session is its own."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S_MAX)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S_MAX)

    def payload(self, envelope: int) -> int:
        """Return the bytes of a message's payload."""
        return round(envelope * self.payload_factor)

    def ended(self, run: Run, result: dict[str, Any]) -> None:  # noqa: B027 - the relay's own is the only one
        """Nothing: names are new in each case, so numbers begin anew."""

    def turn(self) -> None:
        """Let the next pairs have new names, so that nothing of an earlier case is in their way."""
        self._turn += 1

    def names(self, count: int) -> list[str]:
        """Return the names of this turn's recipients."""
        return [f"t{self._turn}x{number}" for number in range(count)]

    def pairs(self, count: int, *, offline: bool = False, each: int = 0) -> list[Pair]:
        """Return pairs that are ready."""
        made = []
        for number, name in enumerate(self.names(count)):
            receiver = None
            if offline:
                self.absent(name)
            else:
                receiver = self.receiver(name)
            made.append(Pair(number, self.sender(name), receiver, each=each))
        return made

    def idle(self, count: int) -> list[Wire]:
        """Return connections that are logged in and say nothing."""
        return [self.sender(name) for name in self.names(count)]

    def waiting(self, count: int, each: int) -> list[Pair]:
        """Return the recipients of a backlog, who take it when the run begins."""
        names = enumerate(self.names(count))
        return [Pair(number, receiver=self.receiver(name, waits=True), each=each) for number, name in names]
