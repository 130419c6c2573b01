"""What the published policy says is gone is gone (P2): a row of each kind that has a time, and the sweep over it."""

from collections.abc import Awaitable, Callable

import pytest

from relayd.config import Config
from relayd.services.retention import clocks, whole_map
from relayd.store.rosters import span
from relayproto.codes import Class
from relayproto.limits import LIFETIME_S_MAX, PROPOSAL_LIFETIME_MS, REPORT_BYTES
from relayproto.standing import ProposalState
from support.stores import House, house

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
PASSES = 8
"""Of the sweep: what is bounded in each goes on in the next, and an end may make the next row's."""

CLOCKS = clocks(Config())
TABLES = {name: table.clock for name, table in whole_map().tables.items() if table.clock is not None}


def row(statement: str, *values: Callable[[int], object]) -> Callable[[House], Awaitable[None]]:
    """Return what puts a row into its table as the relay would at this moment."""

    async def put(relay: House) -> None:
        now_ms = relay.clock.now_ms()
        await relay.store._act(lambda commit: commit.db.execute(statement, [value(now_ms) for value in values]))

    return put


async def queue(relay: House) -> None:
    """Queue the longest-lived there is for two devices: envelopes, their body and their fan."""
    alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
    class_ = max(LIFETIME_S_MAX, key=LIFETIME_S_MAX.__getitem__)
    await relay.submit(alice, bob, class_=class_, ttl_s=LIFETIME_S_MAX[class_])


async def ticket(relay: House) -> None:
    await relay.store.create_ticket("carol@gad.example", relay.clock.now_ms() + CLOCKS["ticket"] * 1000)


async def report(relay: House) -> None:
    alice = await relay.enrol("alice")
    await relay.store.report(alice.seat, bytes(REPORT_BYTES))


async def attestation(relay: House) -> None:
    await relay.enrol("alice")
    await row(
        "INSERT INTO attestation (account, serial, warrant, expires_ms, proof) VALUES (1, x'01', x'01', ?, x'')",
        lambda now_ms: now_ms + CLOCKS["attestation"] * 1000,
    )(relay)


async def roster(relay: House) -> None:
    """Let a roster with one line be in force."""
    await row(
        "INSERT INTO roster (id, unit, account, name, sent, kept, digest, force, until_ms)"
        " VALUES (1, 1, 1, x'6e', 1, 1, x'', 1, ?)",
        lambda now_ms: now_ms + CLOCKS["roster"] * 1000,
    )(relay)
    await row(
        "INSERT INTO roster_line (id, look, address, name, title) VALUES (?, 'a', 'a', 'Ann', '')",
        lambda _: span(1)[0],
    )(relay)


async def claim(relay: House) -> None:
    await relay.enrol("alice")
    await row(
        "INSERT INTO claim (account, unit, state, name, title, rostered, until_ms) VALUES (1, 1, 1, 'Al', '', 0, ?)",
        lambda now_ms: now_ms + CLOCKS["claim"] * 1000,
    )(relay)


PUT: dict[str, Callable[[House], Awaitable[None]]] = {
    "envelope": queue,
    "body": queue,
    "fan": queue,
    "ticket": ticket,
    "report": report,
    "hour_key": row(
        "INSERT INTO hour_key (key_id, expires_ms, sealed) VALUES (x'', ?, x'')",
        lambda now_ms: now_ms + 180 * DAY_MS,
    ),
    "statistic": row("INSERT INTO statistic VALUES (?, 1, 4, 1, 1, 20)", lambda now_ms: now_ms // DAY_MS),
    "held_role": row(
        "INSERT INTO held_role (unit, account, role, until_ms) VALUES (1, 1, 2, ?)",
        lambda now_ms: now_ms + CLOCKS["grant"] * 1000,
    ),
    "proposal": row(
        "INSERT INTO proposal (unit, account, state, kind, expires_ms, digest, act) VALUES (1, 1, ?, 69, ?, x'', x'')",
        lambda _: ProposalState.WAITING,
        lambda now_ms: now_ms + PROPOSAL_LIFETIME_MS,
    ),
    "audit": row(
        "INSERT INTO audit (id, unit, at_ms, record, hash) VALUES (1, 1, ?, x'', zeroblob(32))", lambda now_ms: now_ms
    ),
    "warrant": row(
        "INSERT INTO warrant (serial, organisation, expires_ms, warrant, signature) VALUES (x'01', 1, ?, x'', x'')",
        lambda now_ms: now_ms + CLOCKS["warrant"] * 1000,
    ),
    "attestation": attestation,
    "revocation": row(
        "INSERT INTO revocation (serial, until_ms) VALUES (x'01', ?)", lambda now_ms: now_ms + CLOCKS["warrant"] * 1000
    ),
    "code": row(
        "INSERT INTO code (contact, hash, expires_ms, tries, asked, until_ms) VALUES (x'01', x'', 1, 5, 1, ?)",
        lambda now_ms: now_ms + CLOCKS["code"] * 1000,
    ),
    "registered": row(
        "INSERT INTO registered (contact, account, until_ms) VALUES (x'01', x'02', ?)",
        lambda now_ms: now_ms + CLOCKS["registered"] * 1000,
    ),
    "roster": roster,
    "roster_line": roster,
    "claim": claim,
    "alone": row(
        "INSERT INTO alone (account, kind, day, amount) VALUES (1, 83, ?, 7)", lambda now_ms: now_ms // DAY_MS
    ),
    "denial": row("INSERT INTO denial (account, hour, count) VALUES (77, ?, 3)", lambda now_ms: now_ms // HOUR_MS),
}


async def checkpoint(relay: House) -> None:
    await PUT["audit"](relay)
    now_ms = relay.clock.now_ms()
    await relay.store._act(
        lambda commit: commit.db.execute(
            "INSERT INTO checkpoint (records, head, at_ms, key_id, signature) VALUES (1, x'', ?, 1, x'')", (now_ms,)
        )
    )


PUT["checkpoint"] = checkpoint


def test_every_table_with_a_clock_is_tried() -> None:
    assert PUT.keys() == TABLES.keys()


async def count(relay: House, table: str) -> int:
    """Let the sweep pass and count what is left of before: rows that the passes wrote themselves do not matter."""
    for _ in range(PASSES):
        await relay.store.sweep()
    counted = f"SELECT count(*) FROM {table}"
    if table == "audit":
        counted += " WHERE id = 1"
    if table == "envelope":
        counted += " WHERE class <> 0"
    return await relay.store._read(lambda db: db.execute(counted).fetchone()[0])


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_is_there_until_its_time_and_not_after_it(tmp_path, table: str) -> None:
    longest_s = CLOCKS[TABLES[table]]
    async with house(tmp_path) as relay:
        relay.clock.advance((-relay.clock.now_ms() % DAY_MS) / 1000)
        await PUT[table](relay)
        assert await count(relay, table) > 0

        relay.clock.advance(0.9 * longest_s)
        assert await count(relay, table) > 0, "it went before its time"

        relay.clock.advance(0.1 * longest_s + 1)
        assert await count(relay, table) == 0, "it outlived what the policy says"


async def test_an_outcome_and_what_is_noted_of_it_go_after_their_week(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, class_=Class.CHAT, ttl_s=60)
        relay.clock.advance(61)
        await relay.store.sweep()
        assert await relay.outcomes(alice)

        relay.clock.advance(CLOCKS["queue"])
        await relay.store.sweep()

        assert await relay.store._read(lambda db: db.execute("SELECT count(*) FROM envelope").fetchone()[0]) == 0


async def test_the_key_of_a_day_is_gone_with_its_day(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await queue(relay)
        keys = relay.store._opened.keys
        assert keys.days

        relay.clock.advance(CLOCKS["day_key"] + 1)
        for _ in range(PASSES):
            await relay.store.sweep()
        first = {day for day in keys.days if day <= relay.clock.now_ms() // DAY_MS}

        # What is left are days of outcomes that the expiry itself has just made, none of the day that is over.
        assert first == set()
