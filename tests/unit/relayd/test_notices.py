import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from relayd import notices
from relayd.lifecycle import CannotStart
from relayd.metrics import Counters
from relayd.notices import Notifier


class Waiting:
    """systemd's end of the notification socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(1)

    def heard(self) -> str:
        return self.socket.recv(4096).decode()

    def silent(self) -> bool:
        self.socket.setblocking(False)
        try:
            self.socket.recv(1)
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def systemd(tmp_path: Path):
    waiting = Waiting(str(tmp_path / "notify"))
    yield waiting
    waiting.socket.close()


def test_systemd_hears_of_the_start_the_state_and_the_stop(systemd: Waiting, tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    notifier = Notifier(environ)

    notifier.ready("serving")
    notifier.stopping()
    notifier.close()

    assert systemd.heard() == "READY=1\nSTATUS=serving"
    assert systemd.heard() == "STOPPING=1\nSTATUS=draining"
    assert environ == {}


def test_an_abstract_socket_is_understood() -> None:
    name = f"relayd-test-{os.getpid()}"
    waiting = Waiting(f"\0{name}")
    notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})

    notifier.ready("here")

    assert waiting.heard().startswith("READY=1")
    notifier.close()
    waiting.socket.close()


def test_the_watchdog_is_pinged_where_there_is_one(systemd: Waiting, tmp_path: Path) -> None:
    notifier = Notifier(
        {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}
    )

    notifier.alive()

    assert notifier.watchdog
    assert systemd.heard() == "WATCHDOG=1"
    notifier.close()


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}])
def test_another_ones_watchdog_is_not_pinged(systemd: Waiting, tmp_path: Path, environ: dict[str, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environ})

    notifier.alive()

    assert systemd.silent()
    notifier.close()


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})

    notifier.ready("serving")
    notifier.alive()
    notifier.close()

    assert not notifier.watchdog


def test_a_system_manager_that_is_gone_does_not_end_the_relay(tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})

    notifier.ready("serving")

    notifier.close()


@contextlib.contextmanager
def speaking(tmp_path: Path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    try:
        yield notifier
    finally:
        notifier.close()


async def test_a_slow_start_asks_for_time_until_it_is_done(systemd: Waiting, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(notices, "EXTEND_EVERY_S", 0.01)

    with speaking(tmp_path) as notifier:
        async with notifier.starting("opening the store"):
            said = [await asyncio.to_thread(systemd.heard) for _ in range(3)]

    assert said == ["STATUS=opening the store", "EXTEND_TIMEOUT_USEC=60000000", "EXTEND_TIMEOUT_USEC=60000000"]


async def test_a_start_that_never_ends_stops_asking(systemd: Waiting, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(notices, "EXTEND_EVERY_S", 0.01)
    monkeypatch.setattr(notices, "START_S_MAX", 0.02)

    with speaking(tmp_path) as notifier:
        async with notifier.starting("opening the store"):
            said = [await asyncio.to_thread(systemd.heard) for _ in range(3)]
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(systemd.heard)

    assert said[1:] == ["EXTEND_TIMEOUT_USEC=60000000"] * 2


def test_the_status_is_sent_when_it_is_another(systemd: Waiting, tmp_path: Path) -> None:
    with speaking(tmp_path) as notifier:
        for text in ("one", "one", "two"):
            notifier.standing(text)

    assert [systemd.heard(), systemd.heard()] == ["STATUS=one", "STATUS=two"]
    assert systemd.silent()


def test_a_status_is_one_line_and_no_longer_than_a_screen(systemd: Waiting, tmp_path: Path) -> None:
    with speaking(tmp_path) as notifier:
        notifier.standing("of two\nREADY=1 lines, " + "\u00e9" * 400)

    said = systemd.heard()
    assert said.startswith("STATUS=of two READY=1 lines, \u00e9")
    assert said.count("\n") == 0
    assert len(said.encode()) <= len("STATUS=") + 400


def test_a_reload_says_when_it_began_and_is_ended_by_being_ready(systemd: Waiting, tmp_path: Path) -> None:
    with speaking(tmp_path) as notifier:
        notifier.reloading(12.5)
        notifier.ready("reloaded")

    assert systemd.heard() == "RELOADING=1\nMONOTONIC_USEC=12500000"
    assert systemd.heard() == "READY=1\nSTATUS=reloaded"


def test_a_stop_says_how_long_it_may_take(systemd: Waiting, tmp_path: Path) -> None:
    with speaking(tmp_path) as notifier:
        notifier.stopping(35.0)

    assert systemd.heard() == "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=35000000"


def test_a_failure_leaves_its_cause_and_the_systems_number_behind(systemd: Waiting, tmp_path: Path) -> None:
    error = CannotStart("cannot listen")
    error.__context__ = PermissionError(13, "Permission denied")

    with speaking(tmp_path) as notifier:
        notifier.failed(error)
        notifier.failed("the store cannot be trusted")

    assert systemd.heard() == "STATUS=cannot listen\nERRNO=13"
    assert systemd.heard() == "STATUS=the store cannot be trusted"


def test_being_ready_is_not_lost_on_a_manager_that_is_busy(systemd: Waiting, tmp_path: Path) -> None:
    with speaking(tmp_path) as notifier:
        others = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with contextlib.closing(others), contextlib.suppress(BlockingIOError):
            while True:
                others.sendto(b"noise", str(tmp_path / "notify"))
        notifier.standing("figures that nobody misses")
        telling = threading.Thread(target=notifier.ready, args=("serving",))
        telling.start()
        said = [systemd.heard()]
        while said[-1] == "noise":
            said.append(systemd.heard())
        telling.join(10)

    assert said[-1] == "READY=1\nSTATUS=serving"


def counted(**figures: int) -> Counters:
    counters = Counters()
    for name, figure in figures.items():
        setattr(counters, name, figure)
    return counters


def test_a_relay_that_serves_says_its_figures() -> None:
    counters = counted(connections_open=1_234, envelopes_queued=56_789, queued_bytes=3 << 20)

    assert notices.standing(counters, []) == "serving 1,234 connections, 56,789 envelopes waiting (3.0 MiB)"


def test_what_is_wrong_is_said_first() -> None:
    told = notices.standing(counted(), ["no commit came back within 10 s"])
    full = notices.standing(counted(disk_refusing=1, disk_used_percent=93), [])
    ahead = notices.standing(counted(clock_ahead_ms=7_200_000), [])

    assert told.startswith("no commit came back within 10 s - 0 connections")
    assert full.startswith("submissions are refused, the disk is 93 per cent full - ")
    assert ahead.startswith("the clock jumped ahead; see relayd confirm-clock - ")
