"""Blocking: what the other side finds, and what lies on disk of it."""

import pytest

from relayd.domain.refusals import Refusal
from relayd.store import blocks
from relayproto.codes import Code, Result
from relayproto.commands import GetBundles
from relayproto.limits import BLOCKED_MAX
from support.stores import house, submit_of


async def codes(relay, sender, *receivers) -> tuple[int, ...]:
    return (await relay.submit(sender, *receivers)).codes


async def test_who_is_blocked_finds_nobody_and_everybody_else_does(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory, bob = [await relay.enrol(name) for name in ("alice", "mallory", "bob")]

        await relay.store.block(alice.seat, mallory.account, blocked=True)

        assert await codes(relay, mallory, alice, bob) == (Code.NOT_AVAILABLE, Code.STORED)
        assert await codes(relay, bob, alice) == (Code.STORED,)
        assert await codes(relay, alice, mallory) == (Code.STORED,)


async def test_nothing_of_an_account_is_shown_to_who_is_blocked(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = await relay.enrol("alice"), await relay.enrol("mallory")
        await relay.store.block(alice.seat, mallory.account, blocked=True)

        for asked in (
            relay.store.account_of("alice@gad.example", mallory.account),
            relay.store.devices_of(alice.account, mallory.account),
            relay.store.mailboxes_of(alice.account, mallory.account),
            relay.store.bundles(mallory.seat, GetBundles(alice.account, ())),
        ):
            with pytest.raises(Refusal) as refused:
                await asked
            assert refused.value.code is Code.NOT_AVAILABLE


async def test_a_block_is_taken_back(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = await relay.enrol("alice"), await relay.enrol("mallory")
        await relay.store.block(alice.seat, mallory.account, blocked=True)
        await codes(relay, mallory, alice)

        await relay.store.block(alice.seat, mallory.account, blocked=False)

        assert await codes(relay, mallory, alice) == (Code.STORED,)
        assert await relay.store.mailboxes_of(alice.account, mallory.account) == {1: alice.seat.row}


async def test_what_was_queued_before_a_block_stays(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = await relay.enrol("alice"), await relay.enrol("mallory")
        await codes(relay, mallory, alice)

        await relay.store.block(alice.seat, mallory.account, blocked=True)

        assert len((await relay.page(alice)).items) == 1
        await relay.acknowledge(alice, 1)
        assert await relay.outcomes(mallory) == [(1, 0, Result.DELIVERED)]


async def test_blocking_who_is_not_there_and_blocking_twice_are_no_errors(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")

        for _ in range(2):
            await relay.store.block(alice.seat, bytes(32), blocked=True)

        rows = await relay.store._read(lambda db: db.execute("SELECT count(*) FROM block").fetchone())
        assert rows == (1,)


async def test_nobody_blocks_themselves(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice", devices=2)

        await relay.store.block(alice.seat, alice.account, blocked=True)

        assert await codes(relay, alice, alice) == (Code.STORED,)
        assert await relay.store.devices_of(alice.account, alice.account)


async def test_a_stolen_database_names_neither_side(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = await relay.enrol("alice"), await relay.enrol("mallory")

        await relay.store.block(alice.seat, mallory.account, blocked=True)

        [(row, mark)] = await relay.store._read(lambda db: db.execute("SELECT account, mark FROM block").fetchall())
        assert isinstance(row, int)
        assert len(mark) == 32
        assert mallory.account not in mark
        assert alice.account not in mark


async def test_only_so_many_are_blocked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCKED_MAX", 2)
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        for other in (b"1" * 32, b"2" * 32):
            await relay.store.block(alice.seat, other, blocked=True)

        with pytest.raises(Refusal) as refused:
            await relay.store.block(alice.seat, b"3" * 32, blocked=True)

        assert refused.value.code is Code.LIMIT
        await relay.store.block(alice.seat, b"2" * 32, blocked=True)
        assert BLOCKED_MAX == 1_000


async def test_a_superseded_connection_blocks_nobody(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        older = alice.seat
        await relay.login(alice)

        with pytest.raises(Refusal) as refused:
            await relay.store.block(older, bytes(32), blocked=True)

        assert refused.value.code is Code.AUTHENTICATION


async def test_a_repeat_after_a_block_tells_nothing_new_of_the_devices(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = await relay.enrol("alice"), await relay.enrol("mallory")
        stale = submit_of(mallory, alice)
        await relay.put_devices(alice, 1, 2)
        [first] = await relay.submit_all(stale, mallory, 1)
        await relay.store.block(alice.seat, mallory.account, blocked=True)

        [again] = await relay.submit_all(stale, mallory, 1)

        assert first.codes == again.codes == (Code.MISMATCHED_DEVICES,)
        assert first.mismatches
        assert again.mismatches == ()
