"""What has expired is never delivered, wherever it was at that moment; its number is explained and its sender told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayproto.codes import Code, GapReason, Lane, Result, SubmitFlag
from relayproto.commands import Credit
from relayproto.notices import Deliver, Drained, Gap, Outcome
from support.clocks import TurnedClock
from support.device import PLENTY, Line, ack, enrol, login, number_in, send
from support.live_relay import LiveRelay, live_relay, until
from support.people import Person

TTL_S = 60
DAY_S = 86_400
ONE = Credit(1, 1 << 20)


@contextlib.asynccontextmanager
async def office(place: Path) -> AsyncIterator[tuple[LiveRelay, Person, Person]]:
    """A relay with a clock that can be turned, where alice and bob have enrolled."""
    async with live_relay(place, clock=TurnedClock()) as relay:
        alice, bob = Person("alice"), Person("bob")
        for person in (alice, bob):
            await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
        yield relay, alice, bob


async def submitted(relay: LiveRelay, alice: Person, bob: Person, *, first: int = 1, last: int = 3) -> None:
    """Let alice submit some that wish for an outcome, and go."""
    line, _ = await login(relay.port, alice)
    for number in range(first, last + 1):
        settled = await send(line, number, bob, ttl_s=TTL_S, flags=SubmitFlag.OUTCOME)
        assert settled.codes == (Code.STORED,)
    await line.close()


def delivered(line: Line, came: list[object] = ()) -> list[int]:
    """Return the numbers of all that a device was given."""
    return [number_in(one) for one in (*line.passed, *came) if isinstance(one, Deliver)]


async def told_expired(relay: LiveRelay, alice: Person, numbers: range) -> None:
    """Alice comes back and hears of each number that it has expired, and of nothing else."""
    line, _ = await login(relay.port, alice)
    outcomes = await line.several(Outcome, len(numbers))
    assert [(one.submission, one.result) for one in outcomes] == [(number, Result.EXPIRED) for number in numbers]
    await line.expect(Drained)


async def gaps_to(line: Line, last: int) -> None:
    """The device hears of numbers up to ``last`` that they have expired."""
    gap = await line.expect(Gap)
    while gap.last < last:
        assert (gap.lane, gap.reason) == (Lane.NORMAL, GapReason.EXPIRED)
        gap = await line.expect(Gap)
    assert (gap.lane, gap.last, gap.reason) == (Lane.NORMAL, last, GapReason.EXPIRED)


@pytest.mark.parametrize("swept", [True, False], ids=["swept", "before the sweep"])
async def test_on_reconnect_nothing_expired_comes_and_an_offline_sender_is_told(tmp_path: Path, swept: bool) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        await submitted(relay, alice, bob)
        relay.pass_time(TTL_S)
        if swept:
            await relay.store.sweep()

        line, _ = await login(relay.port, bob)
        came = await line.silence()
        await relay.store.sweep()

        assert delivered(line, came) == []
        if swept:
            assert [(gap.first, gap.last) for gap in came if isinstance(gap, Gap)] == [(1, 3)]
        else:
            await gaps_to(line, 3)
        await told_expired(relay, alice, range(1, 4))


async def test_what_the_pump_remembers_is_not_written_after_its_time(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        await submitted(relay, alice, bob)
        line, welcome = await login(relay.port, bob, credit=ONE)
        first = await line.expect(Deliver)
        await until(lambda: relay.counters.delivered == 1)
        relay.pass_time(TTL_S)

        line.say(ack(welcome.epoch, 1, credit=PLENTY))
        came = await line.silence()
        await relay.store.sweep()

        assert number_in(first) == 1
        assert delivered(line, came) == []
        await gaps_to(line, 3)
        sender, _ = await login(relay.port, alice)
        outcomes = [(one.submission, one.result) for one in await sender.several(Outcome, 3)]
        assert outcomes == [(1, Result.DELIVERED), (2, Result.EXPIRED), (3, Result.EXPIRED)]


async def test_what_was_in_flight_and_unacknowledged_expires_and_is_not_sent_again(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        await submitted(relay, alice, bob)
        lost, _ = await login(relay.port, bob)
        await lost.several(Deliver, 3)
        await lost.close()
        relay.pass_time(TTL_S)

        line, _ = await login(relay.port, bob)
        came = await line.silence()
        await relay.store.sweep()

        assert delivered(line, came) == []
        await gaps_to(line, 3)
        await told_expired(relay, alice, range(1, 4))


async def test_a_restart_in_between_changes_nothing(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        await submitted(relay, alice, bob)
    relay.clock.advance(TTL_S)

    async with live_relay(tmp_path, clock=relay.clock) as again:
        line, _ = await login(again.port, bob)
        came = await line.silence()
        await again.store.sweep()

        assert delivered(line, came) == []
        await gaps_to(line, 3)
        await told_expired(again, alice, range(1, 4))


async def test_a_clock_that_jumps_ahead_expires_nothing_early_and_lets_nothing_live_longer(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        await submitted(relay, alice, bob)
        relay.clock.turn(30 * DAY_S)

        early = await relay.store.sweep()
        lost, _ = await login(relay.port, bob)
        in_time = [number_in(one) for one in await lost.several(Deliver, 3)]
        await lost.close()
        relay.pass_time(TTL_S)
        line, _ = await login(relay.port, bob)
        came = await line.silence()
        await relay.store.sweep()

        assert (early, in_time) == (0, [1, 2, 3])
        assert delivered(line, came) == []
        await gaps_to(line, 3)
        await told_expired(relay, alice, range(1, 4))


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_a_clock_that_jumps_back_brings_nothing_expired_back(tmp_path: Path, restart: bool) -> None:
    async with contextlib.AsyncExitStack() as running:
        relay, alice, bob = await running.enter_async_context(office(tmp_path))
        await submitted(relay, alice, bob)
        relay.pass_time(TTL_S)
        await relay.store.probe()
        relay.clock.turn(-DAY_S)
        if restart:
            await running.aclose()
            relay = await running.enter_async_context(live_relay(tmp_path, clock=TurnedClock()))
            relay.clock.turn(-DAY_S)
            assert relay.store.high_water_ms > relay.clock.now_ms()
            relay.clock.raise_to(relay.store.high_water_ms)

        line, _ = await login(relay.port, bob)
        came = await line.silence()
        await relay.store.sweep()

        assert delivered(line, came) == []
        await gaps_to(line, 3)
        await told_expired(relay, alice, range(1, 4))


async def test_what_expires_at_the_moment_of_its_delivery_has_one_outcome(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        await submitted(relay, alice, bob, last=40)
        line, welcome = await login(relay.port, bob)
        await line.several(Deliver, 40)
        relay.pass_time(TTL_S)

        line.say(ack(welcome.epoch, 20))
        await asyncio.gather(relay.store.sweep(), relay.store.probe())

        sender, _ = await login(relay.port, alice)
        outcomes = await sender.several(Outcome, 40)
        assert sorted(one.submission for one in outcomes) == list(range(1, 41))
        assert {one.submission for one in outcomes if one.result is Result.EXPIRED} >= set(range(21, 41))
        assert [one for one in await sender.silence() if isinstance(one, Outcome)] == []
