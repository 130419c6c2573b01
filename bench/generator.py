"""The load generator, seen from Python: what it is told, and what it says in the end.

The program is bench/load/*.c, compiled on the spot. Pairs of connections that are logged in enter; they are
inherited by the program, their keys go through its standard input, and one JSON line comes back. One process on one
core: where that core is full, the result says so.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

SOURCES = Path(__file__).parent / "load"
FLAGS = ("-O2", "-std=gnu17", "-Wall", "-Wextra", "-Wshadow", "-Wconversion")
SETTLE_S_MAX = 60.0
COMPILE_S_MAX = 120.0
ANSWER_S_MAX = 30.0
"""Beyond what the run itself may take."""
BUSY_PERCENT = 90

Result = dict[str, Any]


class Link(Protocol):
    """A connection that is ready to be handed over."""

    def order(self) -> str:
        """Return its line of the order, the descriptor in it."""

    def descriptor(self) -> int:
        """Return the descriptor that the program inherits."""

    def handed_over(self) -> None:
        """Forget it here: it is the program's now."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How some pairs send: ``window`` under way each, or ``rate`` a second over all of them; from ``start_s`` on."""

    window: int = 1
    rate: float = 0.0
    start_s: float = 0.0

    def order(self) -> str:
        """Return its line."""
        return f"flow window={self.window} rate={self.rate} start={self.start_s}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Who sends and who receives; either may be nobody. ``number`` is the one before its first.

    ``tails`` are what a sender of the relay's says in turn behind the number: octets, and where in them the body is.
    A receiver meets every ``stride``-th number, a sender ends after ``each``, a receiver expects so many.
    """

    id: int
    sender: Link | None = None
    receiver: Link | None = None
    number: int = 0
    each: int = 0
    stride: int = 1
    flow: int = 0
    outcomes: bool = False
    tails: Sequence[tuple[bytes, int]] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Without ``seconds`` it lasts until every pair has reached its limit."""

    pairs: Sequence[Pair]
    flows: Sequence[Flow] = (Flow(),)
    wire: str = "relay"
    payload: int = 200
    warm_s: float = 0.0
    seconds: float = 0.0
    settle_s: float = SETTLE_S_MAX

    def links(self) -> list[Link]:
        """Return every connection once."""
        return [link for pair in self.pairs for link in (pair.sender, pair.receiver) if link is not None]


class Generator:
    """The compiled program, and how it is run."""

    def __init__(self, directory: Path, *, server_core: int, own_core: int, before_all: bool = False) -> None:
        """Compile it into ``directory``.

        ``before_all``: it runs before everything else on its core, where that is allowed (root): what it is late itself
        is not to be taken for the server's.
        """
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise RuntimeError("the load generator needs a C compiler and OpenSSL's headers: gcc libc6-dev libssl-dev")
        self._program = directory / "load"
        sources = sorted(map(str, SOURCES.glob("*.c")))
        command = [compiler, *FLAGS, "-o", str(self._program), *sources, "-lcrypto"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S_MAX, check=False)
        if made.returncode:
            raise RuntimeError(f"the load generator does not compile:\n{made.stderr}")
        self._cores = (server_core, own_core)
        self._before_all = before_all
        self.real_time = False
        """Whether the last run was that of a real-time process."""
        self._process: subprocess.Popen[str] | None = None
        self._s_max = 0.0

    def start(self, run: Run, pid: int) -> None:
        """Hand the connections over and begin; ``pid`` is the server whose processor time is read."""
        links = run.links()
        process = subprocess.Popen(
            [str(self._program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            pass_fds=[link.descriptor() for link in links], env={},
        )  # fmt: skip
        self._process = process
        if self._before_all:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(1))
                self.real_time = True
        self._s_max = run.warm_s + run.seconds + 2 * run.settle_s + ANSWER_S_MAX
        assert process.stdin is not None
        try:
            process.stdin.write(self._order(run, links, pid))
            process.stdin.close()
        except BrokenPipeError:
            pass  # it said why on standard error, and its exit status is looked at
        process.stdin = None
        for link in links:
            link.handed_over()

    def _order(self, run: Run, links: Sequence[Link], pid: int) -> str:
        server, own = self._cores
        about = (
            f"load wire={run.wire} pid={pid} server={server} own={own} warm={run.warm_s} seconds={run.seconds}"
            f" settle={run.settle_s} payload={run.payload} flows={len(run.flows)} conns={len(links)}"
            f" pairs={len(run.pairs)}"
        )
        lines = [about, *(flow.order() for flow in run.flows)]
        index = 0
        for pair in run.pairs:
            words = [f"pair id={pair.id} flow={pair.flow} number={pair.number} each={pair.each}"]
            words.append(f"stride={pair.stride} outcomes={int(pair.outcomes)}")
            for name, link in (("sender", pair.sender), ("receiver", pair.receiver)):
                if link is None:
                    continue
                lines.append(link.order())
                if name == "sender":
                    lines += [f"tail body={body} octets={octets.hex()}" for octets, body in pair.tails]
                words.append(f"{name}={index}")
                index += 1
            lines.append(" ".join(words))
        return "\n".join(lines) + "\n"

    def result(self) -> Result:
        """Return what came of it: counts, times and shares of the cores; of each flow by itself under ``flows``."""
        process, self._process = self._process, None
        assert process is not None, "it was started"
        try:
            said, _ = process.communicate(timeout=self._s_max)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise RuntimeError(f"the load generator ended with status {process.returncode}")
        return _shares(json.loads(said))

    def run(self, run: Run, pid: int) -> Result:
        """Start and wait."""
        self.start(run, pid)
        return self.result()


def _shares(result: Result) -> Result:
    """Turn seconds of processors into per cent of the time, and say whether the generator's core was full."""
    wall = max(result["seconds"], 1e-9)
    names = (("relay_cpu", "server_s"), ("generator_cpu", "own_s"), ("relay_core_busy", "server_core_s"),
             ("generator_core_busy", "own_core_s"))  # fmt: skip
    result["relay_s"] = result["server_s"]
    for share, seconds in names:
        result[share] = round(100 * result.pop(seconds) / wall)
    return result


def fullness(generator_cpu: float, core_busy: float) -> Result:
    """Say whether the generator's core was full, and whether that was the generator's own doing."""
    if max(generator_cpu, core_busy) <= BUSY_PERCENT:
        return {}
    return {"generator_core_is_full": True, "generator_is_bottleneck": generator_cpu > core_busy / 2}
