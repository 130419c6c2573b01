import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relayd import lifecycle
from relayd.lifecycle import CannotStart, Pulse
from relayd.metrics import Counters

CHILD = """
import os, sys
from relayd.lifecycle import inherited_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
found = inherited_sockets()
print({name: each.getsockname()[1] for name, each in found.items()})
print(any(each.get_inheritable() or each.getblocking() for each in found.values()))
print([name for name in os.environ if name.startswith("LISTEN_")])
"""


def test_sockets_are_taken_over_by_their_names() -> None:
    with socket.create_server(("127.0.0.1", 0)) as devices, socket.create_server(("127.0.0.1", 0)) as operations:
        # The shell puts them where systemd would: descriptors 3 and 4.
        command = f"exec {sys.executable} -c '{CHILD}' 3<&{devices.fileno()} 4<&{operations.fileno()}"
        done = subprocess.run(
            ["bash", "-c", command],
            env={
                "LISTEN_FDS": "2",
                "LISTEN_FDNAMES": "devices:operations",
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PATH": os.environ["PATH"],
            },
            pass_fds=(devices.fileno(), operations.fileno()),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        ports = {"devices": devices.getsockname()[1], "operations": operations.getsockname()[1]}

    assert done.stdout.splitlines() == [str(ports), "False", "[]"]


def test_a_socket_that_was_taken_over_waits_for_nobody_and_goes_to_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as devices:
        monkeypatch.setattr(lifecycle, "_FIRST_DESCRIPTOR", os.dup(devices.fileno()))
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "devices"}

        with lifecycle.inherited_sockets(environ)["devices"] as taken:
            assert taken.getsockname() == devices.getsockname()
            assert not taken.getblocking()
            assert not taken.get_inheritable()


def test_sockets_of_another_process_are_left_alone() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "devices"}

    assert lifecycle.inherited_sockets(environ) == {}
    assert environ == {}


def test_a_state_directory_belongs_to_one_relay(tmp_path: Path) -> None:
    held = lifecycle.claim(tmp_path)

    with pytest.raises(CannotStart, match="another relayd is running here"):
        lifecycle.claim(tmp_path)
    os.close(held)

    os.close(lifecycle.claim(tmp_path))


def test_a_state_directory_of_somebody_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="No such file or directory; the relay's user must own"):
        lifecycle.claim(tmp_path / "missing")


def test_core_dumps_are_forbidden() -> None:
    code = "from relayd.lifecycle import *; without_core_dumps(); print(resource.getrlimit(resource.RLIMIT_CORE))"
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout == "(0, 0)\n"


def test_a_sandbox_that_forbids_the_call_does_not_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_which: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)

    lifecycle.without_core_dumps()


class Collector:
    """Stands in for the module ``gc``, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def collect(self, *generation: int) -> None:
        self.asked.append(("collect", *generation))

    def freeze(self) -> None:
        self.asked.append(("freeze",))

    def set_threshold(self, *thresholds: int) -> None:
        self.asked.append(("thresholds", *thresholds))


def test_the_collector_never_walks_through_what_start_up_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector()
    monkeypatch.setattr(lifecycle, "gc", collector)

    lifecycle.collect_little()

    assert collector.asked == [("collect",), ("freeze",), ("thresholds", *lifecycle.COLLECT_AFTER)]


async def test_the_collector_walks_through_what_is_new_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector()
    monkeypatch.setattr(lifecycle, "gc", collector)
    monkeypatch.setattr(lifecycle, "COLLECT_S", 0.0)

    task = asyncio.ensure_future(lifecycle.collect_forever())
    await asyncio.sleep(0.01)
    task.cancel()

    assert len(collector.asked) > 1
    assert set(collector.asked) == {("collect", 0)}


def test_a_busy_loop_keeps_the_stores_thread_waiting_for_half_a_millisecond_at_most() -> None:
    code = "from relayd.lifecycle import *; switch_threads_soon(); print(sys.getswitchinterval())"
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout == "0.0005\n"


class RefusedError(Exception):
    """The store refuses for now."""


class Store:
    """A commit round trip that does what a test says."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.error is not None:
            raise self.error


class Machine:
    """A clock that goes on by what each sleep should take, and by ``late_s`` more."""

    def __init__(self) -> None:
        self.now = 100.0
        self.late_s = 0.0

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, span_s: float) -> None:
        self.now += span_s + self.late_s


class Rig:
    """A pulse with everything around it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.store, self.counters = Machine(), Store(), Counters()
        self.pings = 0
        self.pulse = Pulse(
            self.store.probe, alive=self.alive, clock=self.machine, counters=self.counters, refusals=(RefusedError,)
        )
        monkeypatch.setattr(lifecycle.asyncio, "sleep", self.machine.sleep)

    def alive(self) -> None:
        self.pings += 1

    async def beats(self, count: int) -> None:
        for _ in range(count):
            await self.pulse.beat()


async def test_the_watchdog_is_pinged_after_each_commit_that_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)

    await rig.beats(10)

    assert rig.store.probes == rig.pings == 2
    assert rig.pulse.reasons() == []


async def test_a_full_disk_is_a_reason_and_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.store.error = RefusedError("DISK")

    await rig.beats(6)

    assert rig.pings == 1
    assert rig.pulse.reasons() == ["the store refuses for now: DISK"]


async def test_a_commit_that_hangs_is_not_answered_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    monkeypatch.setattr(lifecycle, "PROBE_TIMEOUT_S", 0.01)
    rig.store.hangs = True

    await rig.beats(5)

    assert rig.pings == 0
    assert rig.pulse.reasons() == ["no commit came back within 0 s"]
    assert rig.counters.probes_failed == 1


async def test_a_store_that_is_well_again_takes_its_reason_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.store.error = RefusedError("DISK")
    await rig.beats(5)

    rig.store.error = None
    await rig.beats(5)

    assert rig.pulse.reasons() == []


async def test_another_error_of_the_store_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.store.error = ZeroDivisionError()

    with pytest.raises(ZeroDivisionError):
        await rig.beats(5)


async def test_a_loop_that_is_late_is_measured_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.machine.late_s = 1.5

    await rig.beats(1)

    assert rig.counters.loop_lag.total == pytest.approx(1.5)
    assert rig.pulse.reasons() == ["the event loop is 1.5 s late"]


async def test_a_process_without_descriptors_is_unready_counted_and_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    monkeypatch.setattr(lifecycle, "descriptor_left", lambda: False)

    with capture_logs() as logged:
        await rig.beats(100)

    assert rig.pulse.reasons() == ["no file descriptor is left"]
    assert rig.counters.descriptors_exhausted == 100
    assert len(logged) == 2
    monkeypatch.setattr(lifecycle, "descriptor_left", lambda: True)
    await rig.beats(1)
    assert rig.pulse.reasons() == []


def test_a_descriptor_is_looked_for_by_taking_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, "none left")

    before = lifecycle.descriptor_left()
    monkeypatch.setattr(os, "dup", none_left)

    assert (before, lifecycle.descriptor_left()) == (True, False)


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed"),
    [
        (1_024, 4_096, 2_000, 2_000),
        (1_024, 4_096, 9_000, 4_096),
        (1_024, resource.RLIM_INFINITY, 9_000, 9_000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 9_000, 9_000),
        (4_096, 4_096, 100, 100),
    ],
)
def test_the_limit_of_open_files_is_raised_as_far_as_it_may(monkeypatch, soft, hard, wanted, allowed) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, values: limits.append(values))

    assert lifecycle.allow_descriptors(wanted) == allowed


def test_a_limit_that_may_not_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    monkeypatch.setattr(resource, "setrlimit", forbidden)

    assert lifecycle.allow_descriptors(2_000) == 1_024
