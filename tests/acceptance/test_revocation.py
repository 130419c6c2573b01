"""What is revoked counts in no session any more: a role (issue 5, J5) and an attestation (issue 6), under load too.

A real process, real TCP, real acts. Only the organisation and its admins are written into the database beforehand: its
founding needs a look-up of a mail domain.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relayclient.badges import Badge
from relayclient.client import Client
from relayclient.device import Device
from relayclient.events import Connected
from relayproto.administration import Change, GetRoles, RevokeRole
from relayproto.administration_replies import Acted, Roles
from relayproto.attestation import Attested, Doubt
from relayproto.codes import Code, SubmitFlag
from relayproto.commands import GetDevices
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.replies import Devices, Refused, Submitted
from relayproto.standing import ActState, Field, Role
from relayproto.verification import Attest, PutWarrant, RevokeAttestation
from support import attesting
from support.acting import ROOT, ROOT_SEED, Session, found_an_organisation, session
from support.device import submit
from support.live_relay import until
from support.processes import RelayProcess, a_relay, relayd, succeed
from support.processes import relay as command_line
from support.visitors import TOGETHER, Visitor, visitors

LIMIT_S, BADGE_S = 5.0, 60.0
HOUR_MS = 3_600_000
OFFICE = "office.example"
WATCHING = ("carol", "frank", "grace")
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


class Watching:
    """A person's own device, connected for good, that knows somebody and is asked for his badge."""

    def __init__(self, device: Device, client: Client, account: bytes) -> None:
        self.device, self.client, self.account = device, client, account
        self.lost_s = 0.0

    @property
    def badge(self) -> Badge | None:
        return self.device.badge(self.account, int(time.time() * 1000))

    async def until_lost(self, since: float) -> None:
        """Wait until no badge is shown any more, asking nobody but the device."""
        while isinstance(self.badge, Attested):
            assert time.monotonic() - since < BADGE_S
            await asyncio.sleep(0.05)
        self.lost_s = time.monotonic() - since


@contextlib.asynccontextmanager
async def watching(home: Path, account: bytes) -> AsyncIterator[Watching]:
    """Connect somebody who has looked the account up, for the block."""
    with Device.open(home) as device:
        async with Client(device, home) as client:
            events = client.events()
            while not isinstance(await anext(events), Connected):
                pass

            async def listen() -> None:
                async for _ in events:
                    pass

            listening = asyncio.create_task(listen())
            try:
                yield Watching(device, client, account)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


def attestation_of(bob: Visitor, vera: Visitor, relay: bytes) -> tuple[PutWarrant, Attest]:
    """Return what lets vera attest, and what she attests of bob."""
    now_ms = int(time.time() * 1000)
    warrant = attesting.warrant(
        organisation=ROOT, unit=ROOT, account=vera.person.account, key=ed25519_public(vera.person.sign_seed),
        not_before_ms=now_ms, expires_ms=now_ms + 2 * HOUR_MS,
    )  # fmt: skip
    said = attesting.attested(
        organisation=ROOT, account=bob.person.account, root=blake2b_256(ed25519_public(ROOT_SEED)),
        not_before_ms=now_ms, expires_ms=now_ms + HOUR_MS,
    )  # fmt: skip
    texts = {Field.NAME: "Bob Roy", Field.UNIT: str(ROOT), Field.ADDRESS: f"bob@{OFFICE}"}
    return (
        attesting.put_warrant(warrant, ROOT_SEED, relay),
        attesting.attest(said, vera.person.sign_seed, relay, texts),
    )


async def done_by(session: Session, change: Change) -> None:
    done = await session.do(change)
    assert isinstance(done, Acted), done
    assert done.state is ActState.DONE


async def people_who_watch(relay: RelayProcess, place: Path, account: bytes, stack: AsyncExitStack) -> list[Watching]:
    """Let people look bob up with their own command line, and stay connected."""
    watchers = []
    for name in WATCHING:
        succeed(await asyncio.to_thread(command_line, place / name, "lookup", f"bob@{OFFICE}"))
        watchers.append(await stack.enter_async_context(watching(place / name, account)))
    for each in watchers:
        badge = each.badge
        assert isinstance(badge, Attested), badge
        assert badge.name == "Bob Roy"
    return watchers


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_revoked_attestation_takes_right_and_badge_from_everybody_under_load(tmp_path: Path) -> None:
    """At the relay within 5 s, in every session; at clients that are connected within 60 s."""
    with a_relay(tmp_path / "relay", settings=SETTINGS) as relay:
        for name in WATCHING:
            await asyncio.to_thread(relay.join, tmp_path / name, f"{name}@{OFFICE}")
        async with visitors(relay, "alice", "bob", "vera", "dave", "erin") as (alice, bob, vera, dave, erin):
            await asyncio.to_thread(relay.stop)
            found_an_organisation(relay, [alice, bob, vera], domain=OFFICE, everybody=True)
            await asyncio.to_thread(relay.start)
            admin, officer, verifier = [await session(who) for who in (alice, bob, vera)]
            put, attest = attestation_of(bob, vera, admin.relay)
            await done_by(admin, put)
            await done_by(verifier, attest)
            async with AsyncExitStack() as stack:
                watchers = await people_who_watch(relay, tmp_path, bob.person.account, stack)
                stored = await stack.enter_async_context(load(dave, erin))
                await until(lambda: sum(stored) >= 2 * TOGETHER)
                assert await officer.may()

                since, before = time.monotonic(), sum(stored)
                await done_by(admin, RevokeAttestation(ROOT, bob.person.account))
                at_the_relay_s = await until_revoked(officer, since)
                verifier.line.say(GetDevices(bob.person.account))
                shown = await verifier.line.expect(Devices)
                await asyncio.gather(*[each.until_lost(since) for each in watchers])
                await until(lambda: sum(stored) >= before + TOGETHER)

                assert shown.proof == b""
                assert [each.badge for each in watchers] == [Doubt.REVOKED] * len(WATCHING)
                assert await admin.may(), "the others keep theirs"
                assert not await officer.may()

    print("lost at the relay after s:", at_the_relay_s, "at clients after s:", [each.lost_s for each in watchers])


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
