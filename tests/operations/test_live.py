"""A real Prometheus looks at real relays: every query gives data, and each alert fires by what it is for and resolves.

One Prometheus, eight relays with a trouble each, and rules whose every span of time is a hundred and twentieth: a bad
night takes a minute. ``make alerts`` prints how long each alert took to fire and to resolve.
"""

import asyncio
import contextlib
import itertools
import math
import os
import resource
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dashboards import rules
from dashboards.boards import BOARDS
from relayproto.codes import SubmitFlag
from relayproto.commands import Credit, Lookup
from relayproto.events import Closed
from relayproto.notices import Deliver
from relayproto.replies import NotTaken, Refused, Submitted
from support import ill_relay
from support.bad_night import (
    CARRIER,
    FIRED_WITHIN_S,
    SCALE,
    SCRAPE_S,
    Night,
    back_up,
    eight_relays,
    give_next_key,
    holding,
)
from support.device import Line, ack, submit
from support.disks import fill, small_disk
from support.live_relay import DIALLED
from support.office import ENDLESS, come
from support.processes import RelayProcess, command, relayd, running, succeed, until
from support.prometheus import Prometheus, a_prometheus
from support.visitors import Visitor

RESOLVED_WITHIN_S = 60.0
MIB = 1 << 20
OVER = 3_700
"""Messages to each of three people that nobody fetches."""
NOTHING_MORE = Credit(1, 1 << 20)
"""What a device grants that takes one message and no other."""


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
    alerts = (
        "RelaydDiskFullInHours", "RelaydDiskFullInDays", "RelaydDiskRefusing", "RelaydNotTakingFast",
        "RelaydNotTakingSlow",
    )  # fmt: skip
    night.causes("full", *alerts)
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
    await night.fired(*alerts)
    (disk / "somebody-elses").unlink()
    night.cures(*alerts)
    while not all(map(night.resolved, alerts)):
        line.say(submit(number, bob.person, ttl_s=3_600))
        answer = await line.expect((Submitted, NotTaken))
        number += isinstance(answer, Submitted)
        await asyncio.sleep(0.4)


async def stop_it(night: Night) -> None:
    """The process is paused again and again, then killed three times, and is away for a while."""
    relay = night["stopped"]
    night.causes("stopped", "RelaydLoopLag")
    while "RelaydLoopLag" not in night.first:
        os.kill(relay.pid, signal.SIGSTOP)
        await asyncio.sleep(2.2)
        os.kill(relay.pid, signal.SIGCONT)
        await asyncio.sleep(2 * SCRAPE_S)
    night.cures("RelaydLoopLag")
    night.causes("stopped", "RelaydRestarting")
    for _ in range(3):
        relay.kill()
        await asyncio.to_thread(relay.start)
        await asyncio.sleep(2 * SCRAPE_S)
    await night.fired("RelaydRestarting")
    night.cures("RelaydRestarting")
    relay.kill()
    night.causes("stopped", "RelaydDown")
    await night.fired("RelaydDown")
    await asyncio.to_thread(relay.start)
    night.cures("RelaydDown")


async def lock_it(night: Night) -> None:
    """Another program holds the database: for long, then again and again."""
    relay = night["locked"]
    line, bob = await talking(relay)
    numbers = itertools.count(1)
    line.say(*[submit(next(numbers), bob.person, ttl_s=3_600) for _ in range(10)])
    await line.several(Submitted, 10)
    others = [(await each.login(ENDLESS))[0] for each in await come(relay, *[f"clerk{n}" for n in range(12)])]
    with holding(relay):
        night.causes("locked", "RelaydCommitsFail", "RelaydIntakeFull", "RelaydNotReady")
        line.say(*[submit(next(numbers), bob.person, ttl_s=3_600) for _ in range(40)])
        for other in others:  # nobody alone fills it
            other.say(submit(1, bob.person, ttl_s=3_600))
        await night.fired("RelaydCommitsFail", "RelaydIntakeFull", "RelaydNotReady")
    night.cures("RelaydCommitsFail", "RelaydIntakeFull", "RelaydNotReady")
    [carol] = await come(relay, "carol")
    steady, _ = await carol.login(ENDLESS)
    night.causes("locked", "RelaydCommitsSlow")
    for number in itertools.count(1):
        with holding(relay):
            steady.say(submit(number, bob.person, ttl_s=3_600))
            await asyncio.sleep(1)
        await steady.expect(Submitted)
        if "RelaydCommitsSlow" in night.first:
            break
    night.cures("RelaydCommitsSlow")


async def acknowledge_late(night: Night) -> None:
    """Three devices are connected and take long over what they get."""
    line, bob = await talking(night["late"])
    hearing, welcome = await bob.login(ENDLESS)
    others = await come(night["late"], "carol", "dave")
    sleeping = [await other.login(ENDLESS) for other in others]
    line.say(*[submit(number, bob.person, ttl_s=3_600) for number in range(1, 61)])
    line.say(*[submit(60 + number, other.person, ttl_s=3_600) for number, other in enumerate(others, 1)])
    await hearing.several(Deliver, 60)
    for each, _ in sleeping:
        await each.expect(Deliver)
    night.causes("late", "RelaydDeliveryStopped", "RelaydLateFast", "RelaydLateSlow")
    await asyncio.sleep(10.5)
    await night.fired("RelaydDeliveryStopped")
    for each, greeted in sleeping:
        each.say(ack(greeted.epoch, 1, credit=ENDLESS))
    night.cures("RelaydDeliveryStopped")
    for number in range(1, 61):
        hearing.say(ack(welcome.epoch, number, credit=ENDLESS))
        await asyncio.sleep(0.3)
    await night.fired("RelaydLateFast", "RelaydLateSlow")
    night.cures("RelaydLateFast", "RelaydLateSlow")


async def knock(night: Night) -> None:
    """Something that does not speak the protocol comes again and again."""
    port = night["late"].devices
    night.causes("late", "RelaydHandshakesFail")
    while "RelaydHandshakesFail" not in night.first:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 4)
        await asyncio.sleep(0.2)
        writer.close()
    night.cures("RelaydHandshakesFail")


async def grow_old(night: Night) -> None:
    """Messages to people who never come, mailboxes that are full, more callers than are let in; key and backup."""
    relay = night["aged"]
    night.causes("aged", "RelaydKeyEnds", "RelaydKeyEndsSoon", "RelaydBackupOld")
    line, bob = await talking(relay)
    numbers = itertools.count(1)
    night.causes("aged", "RelaydRefused", "RelaydOldestUndelivered")
    for _ in range(12):
        line.say(*[submit(next(numbers), bob.person, ttl_s=20) for _ in range(10)])
        await line.several(Submitted, 10)
        await asyncio.sleep(0.4)
    await night.fired("RelaydRefused", "RelaydOldestUndelivered")
    night.cures("RelaydRefused", "RelaydOldestUndelivered")
    await line.close()
    callers: list[asyncio.StreamWriter] = []
    night.causes("aged", "RelaydConnectionsFull")
    while "RelaydConnectionsFull" not in night.first:
        for _ in range(12):
            with contextlib.suppress(ConnectionResetError):  # whoever is one too many may hear of it as he connects
                callers.append((await asyncio.open_connection("127.0.0.1", relay.devices))[1])
        await asyncio.sleep(2)
    for writer in callers:
        writer.close()
    night.cures("RelaydConnectionsFull")
    await night.fired("RelaydKeyEnds", "RelaydKeyEndsSoon", "RelaydBackupOld")
    back_up(relay)
    night.cures("RelaydBackupOld")
    await asyncio.to_thread(give_next_key, relay)
    night.cures("RelaydKeyEnds", "RelaydKeyEndsSoon")


def lowest_free(relay: RelayProcess) -> int:
    """Return the descriptor that the relay would get next."""
    taken = {int(path.name) for path in Path(f"/proc/{relay.pid}/fd").iterdir()}
    return next(number for number in itertools.count() if number not in taken)


async def run_out(night: Night) -> None:
    """No file descriptor is left, for a moment."""
    relay = night["scarce"]
    hard = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)[1]
    night.causes("scarce", "RelaydDescriptors")
    while "RelaydDescriptors" not in night.first:
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (lowest_free(relay), hard))
        await asyncio.sleep(1.4)
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
        await asyncio.sleep(3 * SCRAPE_S)
    night.cures("RelaydDescriptors")


async def remove_nothing(night: Night) -> None:
    """Thousands of messages are over at once, and another program does not let the relay remove them."""
    relay = night["scarce"]
    await night.fired("RelaydDescriptors")
    line, *away = [*await talking(relay), *await come(relay, "carol", "dave")]
    over_at = time.monotonic() + 12
    for number in range(1, OVER + 1, 100):
        ttl_s = max(5, round(over_at - time.monotonic()))
        people = [visitor.person for visitor in away]
        line.say(*[submit(each, *people, ttl_s=ttl_s) for each in range(number, number + 100)])
        assert {settled.codes for settled in await line.several(Submitted, 100)} == {(0, 0, 0)}
    with holding(relay):
        night.causes("scarce", "RelaydExpiryBehind")
        await night.fired("RelaydExpiryBehind")
    night.cures("RelaydExpiryBehind")


async def take_nothing(night: Night) -> None:
    """Six devices are connected, take one message each and no second one, and come again when they are sent away."""
    relay = night["ill"]
    sender, *takers = await come(relay, "erin", *(f"taker-{number}" for number in range(6)))
    line, _ = await sender.login(ENDLESS)
    line.say(*[submit(number, *[taker.person for taker in takers], ttl_s=3_600) for number in (1, 2)])
    await line.several(Submitted, 2)

    async def come_again(taker: Visitor) -> None:
        while "RelaydStalled" not in night.first:
            taking, _ = await taker.login(NOTHING_MORE)
            await taking.expect(Closed)
        taking, welcome = await taker.login(ENDLESS)
        delivered = await taking.several(Deliver, 2)
        taking.say(ack(welcome.epoch, delivered[-1].sequence, credit=ENDLESS))

    night.causes("ill", "RelaydStalled")
    async with asyncio.TaskGroup() as together:
        for taker in takers:
            together.create_task(come_again(taker))
    night.cures("RelaydStalled")


async def carry_nothing(night: Night) -> None:
    """Something is done that belongs into the log; what carries checkpoints outside is away, refuses, then works."""
    relay = night["ill"]
    home = relay.state.parent
    carry = ("carry", "--listen", relay.state / CARRIER)
    broken = ("break-glass", "alice@office.example", "--for", "1m", "--reason", "a bad night", "--yes")

    def refused() -> bool:
        return "the carrier refused a checkpoint" in relay.log.read_text("utf-8")

    await come(relay, "alice")
    night.causes("ill", "RelaydBreakGlass", "RelaydCheckpointsWait")
    succeed(await asyncio.to_thread(relayd, relay.state, *broken))
    await night.fired("RelaydBreakGlass")
    night.cures("RelaydBreakGlass")
    await asyncio.to_thread(until, lambda: "a checkpoint waits" in relay.log.read_text("utf-8"), FIRED_WITHIN_S)
    outs = {"out": home / "carrier.out", "err": home / "carrier.err"}
    with running(command("relayd.main", *carry, "--", "false"), home, **outs):
        await asyncio.to_thread(until, refused, FIRED_WITHIN_S)
        await night.fired("RelaydCheckpointsWait")
    outside = home / "outside"
    outside.mkdir()
    with running(command("relayd.main", *carry, "--directory", outside), home, **outs):
        await asyncio.to_thread(until, lambda: any(outside.iterdir()), FIRED_WITHIN_S)
        night.cures("RelaydCheckpointsWait")
        await asyncio.to_thread(until, lambda: night.resolved("RelaydCheckpointsWait"), RESOLVED_WITHIN_S)


async def turn_the_clock(night: Night) -> None:
    """A bug is met, then somebody turns the wall clock by two hours and back."""
    place = night["ill"].state.parent
    [dave] = await come(night["ill"], "dave")
    line, _ = await dave.login(ENDLESS)
    night.causes("ill", "RelaydInternalErrors")
    (place / ill_relay.BUGGY).touch()
    line.say(Lookup("erin@office.example"))
    await line.expect(Refused)
    (place / ill_relay.BUGGY).unlink()
    await night.fired("RelaydInternalErrors")
    night.cures("RelaydInternalErrors")
    night.causes("ill", "RelaydClockOff")
    (place / ill_relay.TURNED).write_text("7200", "ascii")
    await night.fired("RelaydClockOff")
    (place / ill_relay.TURNED).unlink()
    night.cures("RelaydClockOff")


async def look_at_nothing(night: Night) -> None:
    """A Prometheus whose configuration has lost the relay, until somebody puts it back."""
    alert = ("RelaydAbsent", "")
    scaled = rules.groups(SCALE, SCRAPE_S)
    with a_prometheus(night.place / "lost", {}, scaled, every_s=SCRAPE_S) as lost:
        night.causes("", "RelaydAbsent")
        await asyncio.to_thread(until, lambda: alert in lost.firing(), FIRED_WITHIN_S)
        night.saw({alert})
        lost.look_at({"loaded": night["loaded"].operations})
        night.cures("RelaydAbsent")
        await asyncio.to_thread(until, lambda: alert not in lost.firing(), RESOLVED_WITHIN_S)
        night.saw({alert})


TROUBLES: tuple[Callable[[Night], Awaitable[None]], ...] = (
    fill_the_disk, stop_it, lock_it, acknowledge_late, knock, grow_old, run_out, remove_nothing, take_nothing,
    carry_nothing, turn_the_clock, look_at_nothing,
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
async def test_queries_have_data_and_every_alert_fires_for_its_cause_and_resolves(tmp_path: Path) -> None:
    expected = {alert.name for alert in rules.alerts(rules.Time())}
    with small_disk(tmp_path / "disk", 24) as disk, eight_relays(tmp_path, disk) as night:
        targets = {name: relay.operations for name, relay in night.relays.items()}
        with a_prometheus(tmp_path / "prometheus", targets, rules.groups(SCALE, SCRAPE_S), every_s=SCRAPE_S) as asked:
            # What grows is seen to grow only after it was seen twice.
            seen = "count_over_time(relayd_ready[1m]) >= 2"
            await asyncio.to_thread(until, lambda: len(asked.values(seen)) == len(targets), 30.0)
            background = [asyncio.create_task(load(night)), asyncio.create_task(night.watch(asked))]
            try:
                async with asyncio.TaskGroup() as together:
                    for trouble in TROUBLES:
                        together.create_task(trouble(night))
                without_data = await asyncio.to_thread(unanswered, asked)
                await asyncio.to_thread(until, lambda: all(map(night.resolved, night.cured)), RESOLVED_WITHIN_S)
                for task in background:
                    assert not task.done(), task.exception()
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                while DIALLED:
                    DIALLED.pop().abort()
                print(night.told())

    assert night.cured.keys() == expected
    assert without_data == []
