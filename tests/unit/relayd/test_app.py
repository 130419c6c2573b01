import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from relayd import app, config, initialise, keyring, operate
from relayd.app import DEVICES, OPERATIONS, App
from relayd.clock import SystemClock
from relayd.config import Config, Endpoint
from relayd.domain.refusals import Fatal
from relayd.entropy import system_entropy
from relayd.exits import Exit
from relayd.lifecycle import CannotStart
from relayd.notices import Notifier
from relayd.store import Store
from relayproto.codes import Suite
from relayproto.commands import GetStatus, Invite
from relayproto.invitation import from_link
from relayproto.replies import Invited, Status
from support.live_relay import until

ANYWHERE = "127.0.0.1:0"


def made(state: Path, **values: object) -> Config:
    """Make a relay whose ports the kernel chooses."""
    places = {
        "relay.state": ".", "listen.devices": ANYWHERE, "listen.operations": ANYWHERE, "store.ballast_bytes": 0,
        "limits.connections_max": 500,
    }  # fmt: skip
    initialise.write_config(state / "relayd.toml", places | {name.replace("__", "."): values[name] for name in values})
    initialise.make_keys(state, system_entropy, SystemClock().now_ms())
    return config.load(state / "relayd.toml")


@contextlib.contextmanager
def log_levels() -> Iterator[list[str]]:
    """Note the levels that the log is set to; setting it would end the capture of the log."""
    levels: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relayd.logs.configure", lambda _stream, level, _limiter: levels.append(level))
        yield levels


class Running:
    """A relay on this loop, and what it logged."""

    def __init__(self, read: Config) -> None:
        self.config = read
        keys = keyring.load(read.state_directory, SystemClock().now_ms(), {})
        self.app = App(read, keys, clock=SystemClock(), entropy=system_entropy, notifier=Notifier({}))
        self.logged: list[dict[str, object]] = []
        self.inherited: dict[str, socket.socket] = {}
        self.task: asyncio.Task[Exit] | None = None

    def events(self, name: str) -> list[dict[str, object]]:
        return [event for event in self.logged if event["event"] == name]

    def place(self, name: str) -> tuple[str, int]:
        [ready] = self.events("ready")
        [place] = ready[name]
        return tuple(config.endpoint(place))

    async def get(self, path: str) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(*self.place(OPERATIONS))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        response = await reader.read()
        writer.close()
        return int(response.split()[1]), response.partition(b"\r\n\r\n")[2]

    async def ask(self, command, expected):
        return await asyncio.to_thread(operate.ask, self.config.operator_socket, command, expected)


async def ended(relay: asyncio.Task[Exit]) -> None:
    """Wait for a relay that was told to stop; one that does not is cancelled, so that nothing of it stays."""
    await asyncio.wait([relay], timeout=30)
    relay.cancel()
    await asyncio.wait([relay])


@contextlib.asynccontextmanager
async def running(read: Config, **inherited: socket.socket) -> AsyncIterator[Running]:
    relay = Running(read)
    with structlog.testing.capture_logs() as relay.logged:
        relay.task = asyncio.create_task(relay.app.run(inherited))
        try:
            await until(lambda: relay.events("ready") or relay.task.done())
            yield relay
        finally:
            relay.app.stop()
            await ended(relay.task)


async def test_a_relay_that_is_told_to_stop_ends_well(tmp_path: Path) -> None:
    async with running(made(tmp_path)) as relay:
        relay.app.stop()

        assert await relay.task is Exit.OK
    assert [event["event"] for event in relay.logged] == ["ready", "draining", "stopped"]
    assert not (tmp_path / "operator.sock").exists()


async def test_the_operator_gets_an_invitation_that_leads_here(tmp_path: Path) -> None:
    async with running(made(tmp_path, relay__endpoint="relay.example:7443")) as relay:
        invited = await relay.ask(Invite("alice@office.example", 3600), Invited)

    invitation = from_link(operate.link(invited))
    assert (invitation.address, invitation.host) == ("alice@office.example", "relay.example")


async def test_the_operator_gets_figures(tmp_path: Path) -> None:
    async with running(made(tmp_path)) as relay:
        status = await relay.ask(GetStatus(), Status)

    assert dict(status.figures)["accounts"] == 0


async def test_a_relay_that_serves_is_ready_and_measured(tmp_path: Path) -> None:
    async with running(made(tmp_path)) as relay:
        ready = await relay.get("/readyz")
        alive = await relay.get("/healthz")
        status, metrics = await relay.get("/metrics")

    assert (ready[0], alive[0], status) == (200, 200, 200)
    assert b"relayd_build_info" in metrics


async def test_devices_are_counted_and_sent_away_at_a_stop(tmp_path: Path) -> None:
    async with running(made(tmp_path)) as relay:
        reader, writer = await asyncio.open_connection(*relay.place(DEVICES))
        async with asyncio.timeout(30):
            while b"relayd_connections 1.0" not in (await relay.get("/metrics"))[1]:  # noqa: ASYNC110 - a page
                await asyncio.sleep(0.01)
        relay.app.stop()
        async with asyncio.timeout(30):
            await reader.read()
        writer.close()

    assert await relay.task is Exit.OK
    assert relay.events("draining")[0]["connections"] == 1


async def test_a_relay_that_drains_is_not_ready_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drained = asyncio.Event()
    original = app.Listener.drain

    async def drain(listener: app.Listener, timeout_s: float) -> None:
        await drained.wait()
        await original(listener, timeout_s)

    monkeypatch.setattr(app.Listener, "drain", drain)
    async with running(made(tmp_path)) as relay:
        relay.app.stop()
        await until(lambda: relay.events("draining"))
        status, body = await relay.get("/readyz")
        drained.set()

    assert (status, json.loads(body)["reasons"]) == (503, ["draining"])


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the status lines that the service manager gets from now on."""
    lines: list[str] = []
    original = Notifier._status

    def noted(self: Notifier, text: str) -> str:
        lines.append(text)
        return original(self, text)

    monkeypatch.setattr(Notifier, "_status", noted)
    return lines


async def test_a_reload_takes_over_what_counts_at_once_and_names_the_rest(tmp_path: Path, said: list[str]) -> None:
    async with running(made(tmp_path)) as relay:
        file = tmp_path / "relayd.toml"
        text = file.read_text("utf-8").replace("drain_timeout_s = 20.0", "drain_timeout_s = 3.0")
        file.write_text(text.replace("pair_burst = 500", "pair_burst = 7"), "utf-8")
        with log_levels() as configured:
            relay.app.reload(file)

    assert said[-2:] == [
        "reloaded; in force: limits.drain_timeout_s; in force after a restart: limits.pair_burst",
        "draining",
    ]
    assert configured == ["info"]
    assert relay.app._config.limits.drain_timeout_s == 3.0
    assert relay.app._config.limits.pair_burst == 500


async def test_a_reload_of_a_bad_configuration_changes_nothing(tmp_path: Path, said: list[str]) -> None:
    async with running(made(tmp_path)) as relay:
        before = relay.app._config
        (tmp_path / "relayd.toml").write_text("[limits]\npair_brust = 7\n", "utf-8")
        relay.app.reload(tmp_path / "relayd.toml")

        assert relay.app._config is before
        [told] = relay.events("the configuration is bad, the one in force stays")

    assert "limits.pair_brust: there is no such setting" in str(told["reason"])
    assert any(line.startswith("the configuration is bad, the one in force stays: ") for line in said)


async def test_a_relay_tells_how_it_is_while_it_serves(tmp_path: Path, said: list[str], monkeypatch) -> None:
    monkeypatch.setattr("relayd.notices.TELL_EVERY_S", 0.0)
    monkeypatch.setattr("relayd.lifecycle.TICK_S", 0.01)

    async with running(made(tmp_path)):
        await until(lambda: "serving 0 connections, 0 envelopes waiting (0.0 MiB)" in said)

    assert said[0] == "opening and checking the store"


async def test_sockets_that_were_handed_over_are_used(tmp_path: Path) -> None:
    devices, operations = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    places = [str(Endpoint(*each.getsockname())) for each in (devices, operations)]
    for each in (devices, operations):
        each.setblocking(False)

    async with running(made(tmp_path), devices=devices, operations=operations) as relay:
        [ready] = relay.events("ready")

    assert [ready["devices"], ready["operations"]] == [[places[0]], [places[1]]]


async def test_a_store_that_cannot_be_trusted_ends_the_relay_with_its_own_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Store] = []
    original = Store.open

    async def remember(*arguments: object, **named: object) -> Store:
        opened.append(await original(*arguments, **named))
        return opened[0]

    monkeypatch.setattr(Store, "open", remember)
    async with running(made(tmp_path)) as relay:
        opened[0].fatal.set_result(Fatal("a sync failed"))

        assert await relay.task is Exit.FATAL
    assert relay.events("the store cannot be trusted")[0]["reason"] == "a sync failed"


async def test_a_store_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    read = made(tmp_path)
    (tmp_path / "relay.db").write_bytes(b"this is no database, and never was one" * 100)

    async with running(read) as relay:
        with pytest.raises(Fatal, match=r"relay\.db: file is not a database; copy"):
            await relay.task


async def test_a_bug_in_the_background_ends_the_relay_and_is_an_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sweep(_store: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "expire_forever", sweep)

    async with running(made(tmp_path)) as relay:
        assert await relay.task is Exit.SOFTWARE
    assert relay.events("incident")[0]["where"] == "background"


async def test_a_port_that_is_taken_is_told_and_nothing_is_left_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        relay = Running(made(tmp_path, listen__devices=str(Endpoint(*taken.getsockname()))))

        with pytest.raises(CannotStart, match=r"cannot listen on 127\.0\.0\.1:[0-9]+: Address already in use"):
            await relay.app.run({})

    assert not (tmp_path / "operator.sock").exists()


async def test_an_operators_socket_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    relay = Running(made(tmp_path, listen__operator="missing/operator.sock"))

    with pytest.raises(CannotStart, match=r"No such file or directory; see listen.operator"):
        await relay.app.run({})


async def test_a_key_that_ends_soon_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initialise, "VALID_DAYS", 29)

    async with running(made(tmp_path)) as relay:
        pass

    assert relay.events("the relay key ends soon; the offline root must sign a new one")[0]["days"] == 28


async def test_a_clock_that_jumps_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relayd.lifecycle.TICK_S", 0.01)

    async with running(made(tmp_path)) as relay:
        relay.app._clock._wall_ms = lambda: SystemClock().now_ms() + 3_600_000
        await until(lambda: relay.events("the clock jumped ahead; nothing expires by it until relayd confirm-clock"))
        await asyncio.sleep(0.05)
        metrics = (await relay.get("/metrics"))[1]

    assert len(relay.events("the clock jumped ahead; nothing expires by it until relayd confirm-clock")) == 1
    assert b"relayd_clock_ahead_seconds 0.0" not in metrics


async def test_a_clock_that_is_behind_is_told_once_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relayd.lifecycle.TICK_S", 0.01)
    said = "the clock is behind the relay's time, which goes on from where it was; put the clock right"

    async with running(made(tmp_path)) as relay:
        for times in (1, 2):
            relay.app._clock._wall_ms = lambda: SystemClock().now_ms() - 7_200_000
            await until(lambda times=times: len(relay.events(said)) == times)
            await asyncio.sleep(0.05)
            relay.app._clock._wall_ms = lambda: SystemClock().now_ms()
            await asyncio.sleep(0.05)

    assert [round(event["behind_ms"] / 60_000) for event in relay.events(said)] == [120, 120]


async def test_what_a_callback_raises_is_an_incident(tmp_path: Path) -> None:
    async with running(made(tmp_path)) as relay:
        relay.app.unhandled(asyncio.get_running_loop(), {"message": "lost", "exception": ZeroDivisionError()})
        relay.app.unhandled(asyncio.get_running_loop(), {"message": "lost"})

    assert [repr(event["exc_info"]) for event in relay.events("incident")] == [
        "ZeroDivisionError()",
        "RuntimeError('lost')",
    ]


def test_a_socket_under_a_name_that_means_nothing_is_told() -> None:
    with socket.socket() as stray, pytest.raises(CannotStart, match="handed over as 'websocket'"):
        app.named({"websocket": stray})


@pytest.mark.parametrize(("allowed", "expected"), [(False, {Suite.HYBRID}), (True, {Suite.HYBRID, Suite.PLAIN_XK})])
def test_the_plain_handshake_is_off_unless_it_is_asked_for(allowed: bool, expected: set[Suite]) -> None:
    read = config.parse(f"[protocol]\nallow_plain_xk = {str(allowed).lower()}", Path("/"))

    assert app.suites(read) == expected


def heard(systemd: socket.socket, first: str) -> str:
    """Return the next thing that systemd is told which begins with ``first``."""
    while not (said := systemd.recv(4096).decode()).startswith(first):
        pass
    return said


def test_the_program_starts_tells_systemd_and_stops_at_a_signal(tmp_path: Path) -> None:
    made(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        program = subprocess.Popen(
            [sys.executable, "-m", "relayd.main", "serve", "--state", tmp_path],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            ready = heard(systemd, "READY=1")
            second = subprocess.run(
                [sys.executable, "-m", "relayd.main", "serve", "--state", tmp_path],
                env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            program.send_signal(signal.SIGHUP)
            reloaded = heard(systemd, "READY=1")
            program.send_signal(signal.SIGTERM)
            stopping = heard(systemd, "STOPPING=1")
            out, err = program.communicate(timeout=30)
        finally:
            program.kill()

    assert ready.startswith("READY=1\nSTATUS=serving devices on 127.0.0.1:")
    assert reloaded == "READY=1\nSTATUS=reloaded; the configuration is the same"
    assert stopping == "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=35000000"
    assert (program.returncode, err) == (Exit.OK, "")
    assert [json.loads(line[3:])["event"] for line in out.splitlines()] == [
        "the key of the offline root is still here; move it to a machine without a network",
        "ready", "reloaded", "draining", "stopped",
    ]  # fmt: skip
    assert second.returncode == Exit.CANNOT_CREATE
    assert "another relayd is running here" in second.stderr


def test_what_the_program_keeps_is_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)

    async def run(*_: object) -> Exit:
        (tmp_path / "kept").write_text("")
        return Exit.OK

    monkeypatch.setattr(app, "_run", run)
    before = os.umask(0o022)
    try:
        status = app.serve(config.load(tmp_path / "relayd.toml"))
    finally:
        os.umask(before)

    assert status is Exit.OK
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_begins_the_drain(tmp_path: Path, number: signal.Signals) -> None:
    read = made(tmp_path)
    keys = keyring.load(tmp_path, SystemClock().now_ms(), {})

    with structlog.testing.capture_logs() as logged:
        relay = asyncio.create_task(app._run(read, keys, None, Notifier({})))
        try:
            await until(lambda: logged)
            os.kill(os.getpid(), number)
        finally:
            await ended(relay)

    assert relay.result() is Exit.OK


@pytest.mark.parametrize(("allowed", "connections"), [(628, 500), (328, 200), (10, 1)])
def test_no_more_connections_are_taken_than_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int, connections: int
) -> None:
    read = made(tmp_path)
    monkeypatch.setattr(app.lifecycle, "allow_descriptors", lambda _: allowed)

    with structlog.testing.capture_logs() as logged:
        affordable = app.affordable(read)

    assert affordable.limits.connections_max == connections
    assert [event["connections_max"] for event in logged] == [connections] * (connections < 500)
