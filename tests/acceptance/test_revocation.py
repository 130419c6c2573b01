"""A role that is revoked counts in no session any more (issue 5, J5): under load, and with a restart in between.

A real process, real TCP, real acts. Only the organisation and its admins are written into the database beforehand: its
founding needs a look-up of a mail domain.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayproto.administration import GetRoles, RevokeRole
from relayproto.administration_replies import Acted, Roles
from relayproto.codes import Code, SubmitFlag
from relayproto.replies import Refused, Submitted
from relayproto.standing import ActState, Role
from support.acting import ROOT, Session, found_an_organisation, session
from support.device import submit
from support.live_relay import until
from support.processes import RelayProcess, a_relay, relayd, succeed
from support.visitors import TOGETHER, Visitor, visitors

LIMIT_S = 5.0
SETTINGS = {
    "device_rate_per_s = 200": "device_rate_per_s = 100000",
    "device_burst = 1000": "device_burst = 100000",
    "pair_rate_per_s = 50": "pair_rate_per_s = 100000",
    "pair_burst = 500": "pair_burst = 100000",
    "mailbox_messages = 5000": "mailbox_messages = 1000000",
    "mailbox_bytes = 33554432": "mailbox_bytes = 4294967296",
}
"""So that one sender's share and rate allow a load."""


async def restarted(relay: RelayProcess, *, killed: bool = False) -> None:
    await asyncio.to_thread(relay.kill if killed else relay.stop)
    await asyncio.to_thread(relay.start)


@contextlib.asynccontextmanager
async def load(sender: Visitor, to: Visitor) -> AsyncIterator[list[int]]:
    """Keep a relay busy with submissions for the block; the list grows by what was stored."""
    line, welcome = await sender.login()
    stored: list[int] = []

    async def go_on() -> None:
        for first in itertools.count(welcome.ledger_floor + 1, TOGETHER):
            numbers = range(first, first + TOGETHER)
            line.say(*[submit(number, to.person, ttl_s=3_600, flags=SubmitFlag.NONE) for number in numbers])
            for settled in await line.several(Submitted, TOGETHER):
                assert settled.codes == (0,)
            stored.append(TOGETHER)

    running = asyncio.create_task(go_on())
    try:
        yield stored
        assert not running.done(), running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until_revoked(officer: Session, since: float) -> float:
    """Return how many seconds after ``since`` a session lost its right."""
    while await officer.may():
        assert time.monotonic() - since < LIMIT_S
    return time.monotonic() - since


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_revoked_role_is_lost_in_every_open_session_at_once_under_load(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay", settings=SETTINGS) as relay:
        async with visitors(relay, "alice", "bob", "carol", "dave", "erin") as (alice, bob, carol, dave, erin):
            await asyncio.to_thread(relay.stop)
            found_an_organisation(relay, [alice, bob, carol])
            await asyncio.to_thread(relay.start)
            admin, *officers = [await session(who) for who in (alice, bob, carol)]
            async with load(dave, erin) as stored:
                assert all([await officer.may() for officer in officers])
                await until(lambda: sum(stored) >= 2 * TOGETHER)

                took_s = []
                for officer in officers:
                    since = time.monotonic()
                    revoked = RevokeRole(ROOT, officer.who.person.account, Role.ORGANISATION_ADMIN)
                    done = await admin.ask(admin.act(revoked))
                    assert isinstance(done, Acted)
                    assert done.state is ActState.DONE
                    answered = time.monotonic()
                    assert not await officer.may(), "it was answered, so it is committed, so it counts"
                    took_s.append((answered - since, await until_revoked(officer, since)))

                assert not any([await officer.may() for officer in officers])
                assert await admin.may(), "the others keep theirs"
                assert sum(stored) > 2 * TOGETHER

    print("revoked (answered after s, lost after s):", took_s)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("killed", [True, False])
async def test_a_revocation_outlives_a_restart_right_after_it(tmp_path: Path, *, killed: bool) -> None:
    with a_relay(tmp_path / "relay", settings=SETTINGS) as relay:
        async with visitors(relay, "alice", "bob") as (alice, bob):
            await asyncio.to_thread(relay.stop)
            found_an_organisation(relay, [alice, bob])
            await asyncio.to_thread(relay.start)
            admin, officer = await session(alice), await session(bob)
            assert await officer.may()
            revoked = admin.act(RevokeRole(ROOT, bob.person.account, Role.ORGANISATION_ADMIN))
            assert isinstance(await admin.ask(revoked), Acted)

            since = time.monotonic()
            await restarted(relay, killed=killed)
            admin, officer = await session(alice), await session(bob)

            assert not await officer.may()
            assert await admin.may()
            replayed = await admin.ask(revoked)
            assert isinstance(replayed, Refused)
            assert replayed.code == Code.REPLAYED

    print("restarted and denied after s:", time.monotonic() - since)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_first_operator_of_a_fresh_relay_comes_by_the_broken_glass(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        async with visitors(relay, "alice") as (alice,):
            officer = await session(alice)
            asked = GetRoles(0, 0, 10)
            before = await officer.ask(asked)

            said = await asyncio.to_thread(
                relayd, relay.state, "break-glass", "alice@office.example", "--for", "1m", "--reason", "a test", "--yes"
            )
            succeed(said)
            after = await officer.ask(asked)
            unknown = await asyncio.to_thread(
                relayd, relay.state, "break-glass", "nobody@office.example", "--for", "1h", "--reason", "x", "--yes"
            )
            log, (_, metrics) = relay.log.read_text("utf-8"), relay.page("/metrics")

    assert isinstance(before, Refused)
    assert isinstance(after, Roles)
    assert [(grant.address, grant.role) for grant in after.grants] == [("alice@office.example", Role.PLATFORM_OPERATOR)]
    assert unknown.status == 65
    assert "the glass was broken" in log
    assert "<2>" in next(line for line in log.splitlines() if "the glass was broken" in line)
    assert b"relayd_break_glass_total 1.0" in metrics
