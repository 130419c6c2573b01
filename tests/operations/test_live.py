"""A real Prometheus looks at real relays: every query gives data, and each alert is made to fire by what it is for.

One Prometheus, eight relays with a trouble each, and rules whose every span of time is a hundred and twentieth: a bad
night takes a minute. What can't be caused within that has its nights in test_rules.py and is named below.
"""

import asyncio
import contextlib
import itertools
import json
import math
import os
import re
import resource
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dashboards import rules
from dashboards.boards import BOARDS
from relayd.observe import STAMP
from relayproto import descriptor
from relayproto.codes import SubmitFlag
from relayproto.commands import Lookup
from relayproto.notices import Deliver
from relayproto.replies import NotTaken, Refused, Submitted
from support import ill_relay
from support.device import Line, ack, submit
from support.disks import fill, small_disk
from support.live_relay import DIALLED
from support.office import ENDLESS, come
from support.processes import RelayProcess, end, relayd, succeed, until
from support.prometheus import Prometheus, a_prometheus
from support.visitors import Visitor

SCALE = 120.0
SCRAPE_S = 0.5
FIRED_WITHIN_S = 100.0
RESOLVED_WITHIN_S = 45.0
DAY_MS = 86_400_000
MIB = 1 << 20
NOT_CAUSED = {
    "RelaydStalled": "a connection is given up after three minutes of silence, which is the protocol's own time",
    "RelaydExpiryBehind": "the sweep would have to be slower than ten thousand rows in five seconds",
}
SLOW_TO_RESOLVE = {
    "RelaydNotTakingSlow", "RelaydLateSlow", "RelaydDiskFullInDays", "RelaydKeyEnds", "RelaydKeyEndsSoon",
}  # fmt: skip
"""What is measured over six hours, three minutes here; and a key, which only a restart changes."""


@dataclass
class Night:
    """The relays by name, and what each alert did: when it fired first, and when it was last seen."""

    place: Path
    relays: dict[str, RelayProcess] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    began: float = 0.0

    def __getitem__(self, name: str) -> RelayProcess:
        return self.relays[name]

    async def watch(self, prometheus: Prometheus) -> None:
        """Note what fires, again and again."""
        while True:
            now = time.monotonic() - self.began
            for alert in await asyncio.to_thread(prometheus.firing):
                self.first.setdefault(alert, now)
                self.last[alert] = now
            await asyncio.sleep(SCRAPE_S / 2)

    async def fired(self, *alerts: str) -> None:
        """Wait until each of the alerts has fired."""
        async with asyncio.timeout(FIRED_WITHIN_S):
            while not self.first.keys() >= set(alerts):  # noqa: ASYNC110 - what is waited for is Prometheus' state
                await asyncio.sleep(SCRAPE_S / 2)

    def silent(self, alert: str) -> bool:
        """Whether an alert has not been seen for some looks."""
        return self.last[alert] < time.monotonic() - self.began - 3 * SCRAPE_S


def made(place: Path, *, launcher: tuple[str, ...] = ("-m", "relayd.main"), **settings: int) -> RelayProcess:
    """Make a relay with other values in its configuration."""
    place.parent.mkdir(exist_ok=True)
    relay = RelayProcess(place, launcher=launcher)
    text = relay.config.read_text("utf-8")
    for name, value in settings.items():
        text, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert changed == 1, name
    relay.config.write_text(text, "utf-8")
    return relay


def back_up(relay: RelayProcess, ago_s: float = 0.0) -> None:
    (relay.state / STAMP).write_text(json.dumps({"finished_ms": int((time.time() - ago_s) * 1000)}), "utf-8")


def let_key_end_in(relay: RelayProcess, days: float) -> None:
    """Sign the relay's key again with the offline root, until then."""
    root = (relay.state / "offline-root.key").read_bytes()
    [path] = (relay.state / "keys").glob("descriptor-*")
    read = descriptor.read(path.read_bytes(), descriptor.fingerprint((relay.state / "root.pub").read_bytes()))
    now_ms = int(time.time() * 1000)
    path.write_bytes(
        descriptor.make(
            root,
            descriptor.KeyDescriptor(
                read.relay_id, read.key_id, read.x25519, read.stamp_key, now_ms - DAY_MS, now_ms + int(days * DAY_MS),
                now_ms - DAY_MS, read.moderators,
            ),
        )
    )  # fmt: skip


@contextlib.contextmanager
def eight_relays(place: Path, disk: Path) -> Iterator[Night]:
    night = Night(place)
    ill = (str(Path(ill_relay.__file__)),)
    with ThreadPoolExecutor() as several:
        making = {
            "loaded": several.submit(made, place / "loaded"),
            "full": several.submit(made, disk / "relay"),
            "stopped": several.submit(made, place / "stopped"),
            "locked": several.submit(made, place / "locked", intake_messages_max=20),
            "late": several.submit(made, place / "late"),
            "scarce": several.submit(made, place / "scarce"),
            "aged": several.submit(made, place / "aged", connections_max=12, mailbox_messages=10, chat_s=20),
            "ill": several.submit(made, place / "ill" / "state", launcher=ill),
        }
        night.relays = {name: each.result() for name, each in making.items()}
        let_key_end_in(night["aged"], 2)
        for name, relay in night.relays.items():
            back_up(relay, ago_s=27 * 3600 if name == "aged" else 0)
        list(several.map(RelayProcess.start, night.relays.values()))
    try:
        yield night
    finally:
        for relay in night.relays.values():
            if relay.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(relay.pid, signal.SIGCONT)
                end(relay.process)


async def talking(relay: RelayProcess) -> tuple[Line, Visitor]:
    """Return alice's connection, and bob, to whom she may write."""
    alice, bob = await come(relay, "alice", "bob")
    line, _ = await alice.login(ENDLESS)
    return line, bob


# --- what goes on, and what goes wrong ---


async def load(night: Night) -> None:
    """Somebody writes to somebody who is there and to somebody who comes now and then."""
    alice, bob, carol = await come(night["loaded"], "alice", "bob", "carol")
    sending, _ = await alice.login(ENDLESS)
    hearing, welcome = await bob.login(ENDLESS)
    numbers = itertools.count(1)
    while True:
        for _ in range(10):
            sending.say(submit(next(numbers), bob.person, flags=SubmitFlag.OUTCOME))
            await sending.expect(Submitted)
            deliver = await hearing.expect(Deliver)
            hearing.say(ack(welcome.epoch, deliver.sequence, credit=ENDLESS))
            await asyncio.sleep(0.05)
        sending.say(submit(next(numbers), carol.person))
        await sending.expect(Submitted)
        visiting, greeted = await carol.login(ENDLESS)
        deliver = await visiting.expect(Deliver)
        visiting.say(ack(greeted.epoch, deliver.sequence, credit=ENDLESS))
        await visiting.silence()
        await visiting.close()


async def fill_the_disk(night: Night) -> None:
    """The disk fills, faster and faster; devices are told to come back; then somebody makes room."""
    relay = night["full"]
    disk = relay.state.parent
    line, bob = await talking(relay)
    number = 1
    fill(disk, leave=10 * MIB)
    for left in range(100, 0, -2):
        fill(disk, leave=left * MIB // 10)
        line.say(submit(number, bob.person, ttl_s=3_600))
        answer = await line.expect((Submitted, NotTaken))
        number += isinstance(answer, Submitted)
        await asyncio.sleep(0.4)
        if night.first.keys() >= {"RelaydNotTakingSlow", "RelaydDiskFullInHours", "RelaydDiskRefusing"}:
            break
    await night.fired(
        "RelaydDiskFullInHours", "RelaydDiskFullInDays", "RelaydDiskRefusing", "RelaydNotTakingFast",
        "RelaydNotTakingSlow",
    )  # fmt: skip
    (disk / "somebody-elses").unlink()


async def stop_it(night: Night) -> None:
    """The process is paused again and again, then killed three times, and is away for a while."""
    relay = night["stopped"]
    while "RelaydLoopLag" not in night.first:
        os.kill(relay.pid, signal.SIGSTOP)
        await asyncio.sleep(2.2)
        os.kill(relay.pid, signal.SIGCONT)
        await asyncio.sleep(2 * SCRAPE_S)
    for _ in range(3):
        relay.kill()
        await asyncio.to_thread(relay.start)
        await asyncio.sleep(2 * SCRAPE_S)
    await night.fired("RelaydRestarting")
    relay.kill()
    await night.fired("RelaydDown")
    await asyncio.to_thread(relay.start)


@contextlib.contextmanager
def holding(relay: RelayProcess) -> Iterator[None]:
    """Hold the database as another program could."""
    with contextlib.closing(sqlite3.connect(relay.state / "relay.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def lock_it(night: Night) -> None:
    """Another program holds the database: for long, then again and again."""
    relay = night["locked"]
    line, bob = await talking(relay)
    numbers = itertools.count(1)
    line.say(*[submit(next(numbers), bob.person, ttl_s=3_600) for _ in range(10)])
    await line.several(Submitted, 10)
    with holding(relay):
        line.say(*[submit(next(numbers), bob.person, ttl_s=3_600) for _ in range(40)])
        await night.fired("RelaydCommitsFail", "RelaydIntakeFull", "RelaydNotReady")
    [carol] = await come(relay, "carol")
    steady, _ = await carol.login(ENDLESS)
    for number in itertools.count(1):
        with holding(relay):
            steady.say(submit(number, bob.person, ttl_s=3_600))
            await asyncio.sleep(1)
        await steady.expect(Submitted)
        if "RelaydCommitsSlow" in night.first:
            break


async def acknowledge_late(night: Night) -> None:
    """Three devices are connected and take long over what they get."""
    line, bob = await talking(night["late"])
    hearing, welcome = await bob.login(ENDLESS)
    others = await come(night["late"], "carol", "dave")
    sleeping = [(await other.login(ENDLESS))[0] for other in others]
    line.say(*[submit(number, bob.person, ttl_s=3_600) for number in range(1, 61)])
    line.say(*[submit(60 + number, other.person, ttl_s=3_600) for number, other in enumerate(others, 1)])
    await hearing.several(Deliver, 60)
    for each in sleeping:
        await each.expect(Deliver)
    await asyncio.sleep(10.5)
    await night.fired("RelaydDeliveryStopped")
    for number in range(1, 61):
        hearing.say(ack(welcome.epoch, number, credit=ENDLESS))
        await asyncio.sleep(0.3)
    await night.fired("RelaydLateFast", "RelaydLateSlow")


async def knock(night: Night) -> None:
    """Something that does not speak the protocol comes again and again."""
    port = night["late"].devices
    while "RelaydHandshakesFail" not in night.first:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 4)
        await asyncio.sleep(0.2)
        writer.close()


async def grow_old(night: Night) -> None:
    """Messages to people who never come, mailboxes that are full, more callers than are let in; key and backup."""
    relay = night["aged"]
    line, bob = await talking(relay)
    numbers = itertools.count(1)
    for _ in range(12):
        line.say(*[submit(next(numbers), bob.person, ttl_s=20) for _ in range(10)])
        await line.several(Submitted, 10)
        await asyncio.sleep(0.4)
    await night.fired("RelaydRefused", "RelaydOldestUndelivered")
    await line.close()
    callers: list[asyncio.StreamWriter] = []
    while "RelaydConnectionsFull" not in night.first:
        for _ in range(12):
            _, writer = await asyncio.open_connection("127.0.0.1", relay.devices)
            callers.append(writer)
        await asyncio.sleep(2)
    for writer in callers:
        writer.close()
    await night.fired("RelaydKeyEnds", "RelaydKeyEndsSoon", "RelaydBackupOld")
    back_up(relay)


def lowest_free(relay: RelayProcess) -> int:
    """Return the descriptor that the relay would get next."""
    taken = {int(path.name) for path in Path(f"/proc/{relay.pid}/fd").iterdir()}
    return next(number for number in itertools.count() if number not in taken)


async def run_out(night: Night) -> None:
    """No file descriptor is left, for a moment."""
    relay = night["scarce"]
    hard = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)[1]
    while "RelaydDescriptors" not in night.first:
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (lowest_free(relay), hard))
        await asyncio.sleep(1.4)
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
        await asyncio.sleep(3 * SCRAPE_S)


async def turn_the_clock(night: Night) -> None:
    """Somebody turns the wall clock by two hours and back; a bug is met meanwhile, and a glass is broken."""
    place = night["ill"].state.parent
    line, _ = await talking(night["ill"])
    broken = ("break-glass", "alice@office.example", "--for", "1m", "--reason", "a bad night", "--yes")
    succeed(await asyncio.to_thread(relayd, night["ill"].state, *broken))
    (place / ill_relay.BUGGY).touch()
    line.say(Lookup("bob@office.example"))
    await line.expect(Refused)
    (place / ill_relay.BUGGY).unlink()
    await night.fired("RelaydInternalErrors", "RelaydBreakGlass")
    (place / ill_relay.TURNED).write_text("7200", "ascii")
    await night.fired("RelaydClockOff")
    (place / ill_relay.TURNED).unlink()


async def look_at_nothing(night: Night) -> None:
    """A Prometheus whose configuration has lost the relay."""
    scaled = rules.groups(SCALE, SCRAPE_S)
    with a_prometheus(night.place / "lost", {}, scaled, every_s=SCRAPE_S) as lost:
        await asyncio.to_thread(until, lambda: lost.firing() == {"RelaydAbsent"}, FIRED_WITHIN_S)
    night.first["RelaydAbsent"] = time.monotonic() - night.began


TROUBLES: tuple[Callable[[Night], Awaitable[None]], ...] = (
    fill_the_disk, stop_it, lock_it, acknowledge_late, knock, grow_old, run_out, turn_the_clock, look_at_nothing,
)  # fmt: skip


def unanswered(prometheus: Prometheus) -> list[tuple[str, str, str]]:
    """Return the queries of dashboards that get no figure of the loaded relay."""
    found = []
    for board in BOARDS:
        for panel in board.panels:
            for query in panel.queries:
                expr = query.expr.replace("$__rate_interval", "20s").replace("$instance", "loaded")
                if all(math.isnan(value) for value in prometheus.values(expr)):
                    found.append((board.title, panel.title, expr))
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_queries_have_data_and_alerts_fire_for_their_causes_and_resolve(tmp_path: Path) -> None:
    expected = {alert.name for alert in rules.alerts(rules.Time())} - NOT_CAUSED.keys()
    with small_disk(tmp_path / "disk", 24) as disk, eight_relays(tmp_path, disk) as night:
        targets = {name: relay.operations for name, relay in night.relays.items()}
        with a_prometheus(tmp_path / "prometheus", targets, rules.groups(SCALE, SCRAPE_S), every_s=SCRAPE_S) as asked:
            # What grows is seen to grow only after it was seen twice.
            seen = "count_over_time(relayd_ready[1m]) >= 2"
            await asyncio.to_thread(until, lambda: len(asked.values(seen)) == len(targets), 30.0)
            night.began = time.monotonic()
            background = [asyncio.create_task(load(night)), asyncio.create_task(night.watch(asked))]
            try:
                async with asyncio.TaskGroup() as together:
                    for trouble in TROUBLES:
                        together.create_task(trouble(night))
                without_data = await asyncio.to_thread(unanswered, asked)
                resolving = expected - SLOW_TO_RESOLVE - {"RelaydAbsent"}
                await asyncio.to_thread(until, lambda: all(map(night.silent, resolving)), RESOLVED_WITHIN_S)
                for task in background:
                    assert not task.done(), task.exception()
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                while DIALLED:
                    DIALLED.pop().abort()
                print(
                    json.dumps(
                        {
                            name: [round(at, 1), round(night.last.get(name, at), 1)]
                            for name, at in sorted(night.first.items(), key=lambda each: each[1])
                        },
                        indent=1,
                    )
                )

    assert night.first.keys() >= expected
    assert without_data == []
