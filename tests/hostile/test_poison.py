"""An envelope that makes its device fail again and again: it is offered alone, may be refused, and blocks nothing."""

from pathlib import Path

from relayproto.codes import Class, Lane, Result, SubmitFlag
from relayproto.commands import Ack
from relayproto.limits import HEAD_ATTEMPTS_MAX
from relayproto.notices import Deliver, Drained, Outcome
from relayproto.replies import Welcome
from support.device import PLENTY, Line, enrol, login, send
from support.live_relay import LiveRelay, live_relay
from support.people import Person

ALICE, BOB = Person("alice"), Person("bob")


def delivered(came: list[object]) -> list[tuple[Lane, int]]:
    return [(each.lane, each.sequence) for each in came if isinstance(each, Deliver)]


async def poisoned(relay: LiveRelay) -> Line:
    """Let Alice send what makes Bob's device fail, and two messages behind it; return her connection."""
    for person, name in ((ALICE, "alice"), (BOB, "bob")):
        await enrol(relay.port, person, await relay.ticket(f"{name}@gad.example"))
    alice, _ = await login(relay.port, ALICE)
    for number in (1, 2, 3):
        await send(alice, number, BOB, flags=SubmitFlag.OUTCOME)
    return alice


async def fails(relay: LiveRelay, times: int) -> None:
    """Let Bob's device connect and die before it has acknowledged anything."""
    for _ in range(times):
        bob, _ = await login(relay.port, BOB)
        await bob.several(Deliver, 3)
        bob.transport.abort()
        await bob.lost.wait()


async def connected(relay: LiveRelay) -> tuple[Line, Welcome, list[object]]:
    bob, welcome = await login(relay.port, BOB)
    return bob, welcome, await bob.silence()


async def test_what_makes_a_device_fail_is_offered_alone_and_the_rest_flows_when_it_is_refused(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        alice = await poisoned(relay)
        await fails(relay, HEAD_ATTEMPTS_MAX)

        bob, welcome, came = await connected(relay)
        bob.say(Ack(welcome.epoch, Lane.NORMAL, 0, (), PLENTY, (1,)))
        rest = await bob.silence()

        assert delivered(came) == [(Lane.NORMAL, 1)]
        assert not any(isinstance(each, Drained) for each in came)
        assert delivered(rest) == [(Lane.NORMAL, 2), (Lane.NORMAL, 3)]
        assert any(isinstance(each, Drained) for each in rest)
        assert (await alice.expect(Outcome)).result is Result.UNDECRYPTABLE


async def test_an_urgent_code_comes_past_it(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        alice = await poisoned(relay)
        await fails(relay, HEAD_ATTEMPTS_MAX)
        bob, _, _ = await connected(relay)

        await send(alice, 4, BOB, class_=Class.OTP)

        assert (await bob.expect(Deliver)).lane is Lane.URGENT


async def test_the_relay_itself_never_gives_it_up(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        await poisoned(relay)
        await fails(relay, HEAD_ATTEMPTS_MAX)

        for _ in range(3):
            bob, _, came = await connected(relay)
            assert delivered(came) == [(Lane.NORMAL, 1)]
            bob.transport.abort()
            await bob.lost.wait()

        assert relay.counters.envelopes_queued == 3


async def test_a_device_that_only_has_a_bad_network_loses_nothing_by_it(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        await poisoned(relay)
        await fails(relay, HEAD_ATTEMPTS_MAX)
        bob, welcome, first = await connected(relay)

        bob.say(Ack(welcome.epoch, Lane.NORMAL, 1, (), PLENTY, ()))

        assert delivered(first) == [(Lane.NORMAL, 1)]
        assert [each.sequence for each in await bob.several(Deliver, 2)] == [2, 3]
