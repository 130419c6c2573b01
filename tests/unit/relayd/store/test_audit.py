"""The audit log on a real SQLite file: what is written, who sees what of it, and that no harm to it goes unseen."""

import contextlib
import sqlite3

import pytest

from relayd.store import audit
from relayproto import audit as contract
from relayproto.administration import GetAudit, GetCheckpoints
from relayproto.audit import BrokenChain, Chain, Record
from relayproto.codes import Kind
from relayproto.primitives import ed25519_public
from support.changed import replace
from support.stores import STAMP_SEED, House, house

RELAY = b"r" * 32
DAY_S = 86_400
UNITS = ((5, 0, 5), (6, 5, 5), (7, 6, 5), (8, 0, 8))
"""(unit, under, organisation): 5 > 6 > 7, and 8."""


async def filled(relay: House, units: tuple[int, ...], *, every_s: float = 1) -> None:
    """Write one record of each unit."""

    insert = "INSERT OR IGNORE INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, hex(randomblob(8)), 1)"
    await relay.store._act(lambda commit: commit.db.executemany(insert, UNITS))
    for unit in units:
        await relay.store._act(lambda commit, of=unit: audit.append(commit, Record(commit.now_ms, of, Kind.GRANT_ROLE)))
        relay.clock.advance(every_s)


async def read(relay: House, question):
    ask = audit.listed if isinstance(question, GetAudit) else audit.checkpoints
    return await relay.store._act(lambda commit: ask(commit, question))


async def verified(relay: House):
    with contextlib.closing(sqlite3.connect(relay.directory / "relay.db")) as db:
        return audit.verify(db)


async def change(relay: House, *statements: str) -> None:
    await relay.store._act(lambda commit: [commit.db.execute(statement) for statement in statements])


async def test_records_are_numbered_and_chained(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await filled(relay, (5, 6, 7, 8, 0))
        verdict = await verified(relay)
        rows = await relay.store._act(lambda commit: commit.db.execute("SELECT id, record, hash FROM audit").fetchall())

    head = contract.FIRST_HASH
    for number, (row, record, kept) in enumerate(rows, 1):
        head = contract.following(head, contract.digest(record))
        assert (row, kept) == (number, head)
    assert verdict == (5, 0, head, 0)


@pytest.mark.parametrize(
    ("unit", "seen"), [(5, {1, 2, 3, 6}), (6, {2, 3, 6}), (7, {3, 6}), (8, {4}), (0, {5})], ids=str
)
async def test_an_auditor_sees_the_own_and_follows_the_whole(tmp_path, unit: int, seen: set[int]) -> None:
    async with house(tmp_path) as relay:
        await filled(relay, (5, 6, 7, 8, 0, 7))
        await relay.store.check_in(RELAY, 1)
        answer = await read(relay, GetAudit(unit, 0, 100))
        (checkpoint,) = (await read(relay, GetCheckpoints(0, 100))).checkpoints

    chain = Chain({checkpoint.records: checkpoint.head})
    shown = {number: chain.take(number, said) for number, said in answer.records}
    chain.end()
    assert {number for number, record in shown.items() if record is not None} == seen
    assert not answer.more


async def test_a_long_log_is_read_in_pages_that_go_on_where_the_last_one_ended(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await filled(relay, (8,) * 70 + (5,) * 30 + (8,) * 40 + (5,) * 5, every_s=0)
        chain, shown = Chain({}), 0
        for _ in range(200):
            page = await read(relay, GetAudit(5, chain.records, 3))
            shown += sum(chain.take(number, said) is not None for number, said in page.records)
            if not page.more:
                break
        verdict = await verified(relay)

    assert (chain.records, chain.head, shown) == (145, verdict.head, 35)


async def test_a_checkpoint_is_the_relays_word_and_comes_once_for_what_it_says(tmp_path) -> None:
    async with house(tmp_path) as relay:
        nothing = await relay.store.check_in(RELAY, 7)
        await filled(relay, (5, 8))
        signed = [await relay.store.check_in(RELAY, 7) for _ in range(2)]
        await filled(relay, (5,))
        await relay.store.check_in(RELAY, 7)
        first, second = (await read(relay, GetCheckpoints(0, 100))).checkpoints
        later = (await read(relay, GetCheckpoints(2, 100))).checkpoints

    assert (nothing, signed) == (False, [True, False])
    assert (first.records, second.records, later) == (2, 3, (second,))
    for one in (first, second):
        contract.check_checkpoint(ed25519_public(STAMP_SEED), RELAY, one.records, one.head, one.at_ms, one.signature)


async def test_checkpoints_wait_until_they_were_carried(tmp_path) -> None:
    async with house(tmp_path) as relay:
        for _ in range(3):
            await filled(relay, (5,))
            await relay.store.check_in(RELAY, 1)
        before = [one.records for one in await relay.store.to_carry(2)]
        await relay.store.carried(1)
        await relay.reopen()
        after = [one.records for one in await relay.store.to_carry(9)]

    assert (before, after) == ([1, 2], [2, 3])


async def test_what_is_older_than_it_may_be_goes_and_the_rest_is_still_a_chain(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(audit, "FORGOTTEN_MAX", 2)
    async with house(tmp_path, audit_days=10) as relay:
        await filled(relay, (5, 6, 7), every_s=DAY_S)
        await relay.store.check_in(RELAY, 1)
        await filled(relay, (8, 0), every_s=DAY_S)
        head = (await verified(relay)).head
        relay.clock.advance(8 * DAY_S + 1)
        kept = []
        for _ in range(3):
            await relay.store.sweep()
            kept.append(tuple(await verified(relay))[:2])
        verdict = await verified(relay)
        await filled(relay, (5,))
        again = await verified(relay)

    assert kept == [(5, 2), (5, 4), (5, 4)], "two a pass, and the one of nine days ago stays"
    assert (verdict.head, verdict.checkpoints) == (head, 0)
    assert again[:2] == (6, 4)


HARM = {
    "an edit": "UPDATE audit SET record = (SELECT record FROM audit WHERE id = 2) WHERE id = 3",
    "an edit with the hash made anew": "UPDATE audit SET record = x'00', hash = x'00' WHERE id = 3",
    "an edit of whose it is": "UPDATE audit SET unit = 8 WHERE id = 3",
    "an edit of when it was": "UPDATE audit SET at_ms = at_ms + 1 WHERE id = 3",
    "a hash": "UPDATE audit SET hash = zeroblob(32) WHERE id = 3",
    "a gap": "DELETE FROM audit WHERE id = 3",
    "a gap at the beginning": "DELETE FROM audit WHERE id = 1",
    "a cut": "DELETE FROM audit WHERE id > 4",
    "a cut of everything": "DELETE FROM audit",
    "a beginning that is said to be gone": "UPDATE audit_start SET records = 2",
}


@pytest.mark.parametrize("harm", HARM)
async def test_harm_to_the_log_is_found(tmp_path, harm: str) -> None:
    async with house(tmp_path) as relay:
        await filled(relay, (5, 6, 7, 8, 0))
        await relay.store.check_in(RELAY, 1)
        await change(relay, HARM[harm])

        with pytest.raises(BrokenChain):
            await verified(relay)


async def test_another_order_is_found(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await filled(relay, (5, 6, 7, 8, 0))
        await change(
            relay, "UPDATE audit SET id = 99 WHERE id = 2", "UPDATE audit SET id = 2 WHERE id = 4",
            "UPDATE audit SET id = 4 WHERE id = 99",
        )  # fmt: skip

        with pytest.raises(BrokenChain, match="record 2"):
            await verified(relay)


async def test_a_log_that_was_written_anew_is_found_by_a_checkpoint(tmp_path) -> None:
    """Whoever has the machine can make a chain of his own: not one that fits what was signed and is outside."""
    async with house(tmp_path) as relay:
        await filled(relay, (5, 6, 7))
        await relay.store.check_in(RELAY, 1)

        def forge(commit) -> None:
            rows = commit.db.execute("SELECT record FROM audit ORDER BY id").fetchall()
            commit.db.execute("DELETE FROM audit")
            for (record,) in rows:
                audit.append(commit, replace(contract.decode(record), device=9))

        await relay.store._act(forge)

        with pytest.raises(BrokenChain, match="record 3: the relay's checkpoint says"):
            await verified(relay)
