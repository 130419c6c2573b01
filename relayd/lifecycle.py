"""A leaf of the relay: what it says to and gets from whoever started it.

systemd's environment enters; sockets and the watchdog's pings leave (sd_listen_fds(3); what is told in words is in
``relayd.notices``). The rule of this file: the standard library does it, and without systemd each is simply absent.
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import resource
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Final

from relayd.clock import Clock
from relayd.exits import Exit, Expected
from relayd.logs import get_logger
from relayd.metrics import Counters

_FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START."""
_STANDARD_ERROR: Final = 2
DESCRIPTORS_KEPT: Final = 128
"""Open files beside devices' connections: the store, the sockets, 32 scrapers, 8 operators, and those being refused."""
SCARCITY_TOLD_EVERY_S: Final = 60.0
TICK_S: Final = 1.0
"""How often the loop's lag is measured."""
PROBE_EVERY_S: Final = 5.0
"""How often an otherwise idle relay proves that it can commit."""
PROBE_TIMEOUT_S: Final = 10.0
"""A commit that takes longer is an outage, whatever causes it; half of the unit's WatchdogSec."""
LAG_UNREADY_S: Final = 1.0
"""A loop that is a second late serves nobody well."""
SWITCH_S: Final = 0.0005
"""After so long a thread gives the interpreter to one that waits for it. The store's thread asks for it at every
statement; at the usual 5 ms a commit takes a tenth of a second while somebody keeps the loop busy."""
COLLECT_AFTER: Final = (500, 100_000_000, 20)
"""New objects after which the collector looks at what is new, and how often it does so until it looks at what is older.
What a message is made of has no circles and goes by its references. A walk takes 0.6 ms at most where it looks at 500,
3 ms at 5,000 and 20 to 30 at 50,000, in which nobody is served. With the usual second number, 10, it goes through all
that is under way again and again, a tenth of the time of a busy relay (bench/, case A). To walk through what is older
takes 400 ns an object, 0.3 s with 10,000 connections, and finds a few circles that an error has left: at 200 walks a
second, the most that a busy relay has, a hundred million of them are six days."""
COLLECT_S: Final = 0.5
"""And how often at least: where as many come as go the collector's count stays low, and what is new becomes all."""

_log = get_logger("lifecycle")


class CannotStart(Expected):
    """Something that the relay needs for itself is taken or not allowed; the text is one line."""

    status = Exit.CANNOT_CREATE


def without_core_dumps() -> None:
    """Forbid core dumps of this process: its memory holds keys."""
    # The unit's system call filter forbids this, where its LimitCORE=0 has done it already.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def switch_threads_soon() -> None:
    """Let no thread of this process keep another waiting for long."""
    sys.setswitchinterval(SWITCH_S)


def collect_little() -> None:
    """Let the collector look at little at a time from now on, and never again at what start-up has made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def collect_forever() -> None:
    """Have it look at what is new often enough that this stays little."""
    while True:
        await asyncio.sleep(COLLECT_S)
        gc.collect(0)


def allow_descriptors(wanted: int) -> int:
    """Raise this process's limit of open files to ``wanted`` as far as that is allowed; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft != resource.RLIM_INFINITY:
        # The unit's system call filter forbids this, where its LimitNOFILE has done it already.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)


def descriptor_left() -> bool:
    """Say whether this process, and the machine, could open one more file."""
    try:
        os.close(os.dup(_STANDARD_ERROR))
    except OSError:
        return False
    return True


def claim(state: Path) -> int:
    """Take the state directory for this process and return the descriptor that holds it; CannotStart if taken.

    The lock goes with the process, however it ends.
    """
    try:
        held = os.open(state / "relayd.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"{state}: {error.strerror}; the relay's user must own its state directory") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise CannotStart(f"{state}: another relayd is running here; relayd status asks it how it is") from None
    return held


def inherited_sockets(environ: MutableMapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """Return name -> listening socket of what systemd handed over, and take the variables out of the environment."""
    values = {name: environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if values["LISTEN_PID"] != str(os.getpid()):
        return {}
    found: dict[str, socket.socket] = {}
    for position, name in enumerate(values["LISTEN_FDNAMES"].split(":")[: int(values["LISTEN_FDS"])]):
        inherited = socket.socket(fileno=_FIRST_DESCRIPTOR + position)
        inherited.setblocking(False)
        inherited.set_inheritable(False)
        found[name] = inherited
    return found


class Pulse:
    """The loop's check of itself: how late it runs, and whether a commit comes back.

    The watchdog is pinged only after a commit came back in time, with whatever answer: a full disk is not cured by a
    restart, a commit that hangs is.
    """

    __slots__ = (
        "_alive",
        "_clock",
        "_counters",
        "_lag",
        "_probe",
        "_probed_at",
        "_refusals",
        "_scarce",
        "_scarcity_told_at",
        "_store",
    )

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        *,
        alive: Callable[[], None],
        clock: Clock,
        counters: Counters,
        refusals: tuple[type[Exception], ...],
    ) -> None:
        """Take a commit round trip, and the exceptions by which it says that the environment fails for now."""
        self._probe = probe
        self._alive = alive
        self._clock = clock
        self._counters = counters
        self._refusals = refusals
        self._probed_at = clock.monotonic()
        self._lag: list[str] = []
        self._store: list[str] = []
        self._scarce: list[str] = []
        self._scarcity_told_at: float | None = None

    async def beat(self) -> None:
        """Do one turn: sleep a tick, measure, probe when it is due."""
        due = self._clock.monotonic() + TICK_S
        await asyncio.sleep(TICK_S)
        lag_s = max(0.0, self._clock.monotonic() - due)
        self._counters.loop_lag.observe(lag_s)
        self._lag = [f"the event loop is {lag_s:.1f} s late"] if lag_s >= LAG_UNREADY_S else []
        self._look_for_descriptors()
        if self._clock.monotonic() >= self._probed_at + PROBE_EVERY_S:
            self._store = await self._probed()
            self._probed_at = self._clock.monotonic()

    def _look_for_descriptors(self) -> None:
        """Notice that none is left. New connections are closed at once then."""
        if descriptor_left():
            self._scarce = []
            return
        self._scarce = ["no file descriptor is left"]
        self._counters.descriptors_exhausted += 1
        now, told_at = self._clock.monotonic(), self._scarcity_told_at
        if told_at is None or now >= told_at + SCARCITY_TOLD_EVERY_S:
            _log.error("no file descriptor is left, new connections are closed; raise the limit of open files")
            self._scarcity_told_at = now

    async def _probed(self) -> list[str]:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._probe()
        except TimeoutError:
            self._counters.probes_failed += 1
            return [f"no commit came back within {PROBE_TIMEOUT_S:.0f} s"]
        except self._refusals as error:
            self._alive()
            return [f"the store refuses for now: {error}"]
        self._alive()
        return []

    def reasons(self) -> list[str]:
        """Return in words why the relay should get no new connections; nothing when all is well."""
        return [*self._lag, *self._scarce, *self._store]
