"""A database that is an older copy of itself: found by the mark beside it, and renewed."""

import shutil
import sqlite3

import pytest

from relayd.store import restored
from relayd.store.restored import EVERY_MS, FILE_NAME, Mark
from relayproto.codes import Code, Lane, PrekeyKind
from relayproto.commands import GetBundles
from relayproto.replies import Submitted
from support.stores import house


@pytest.fixture
def db():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE relay_time (high_water_ms INTEGER)")
    db.execute("INSERT INTO relay_time VALUES (5)")
    yield db
    db.close()


def passes(db, ms: int) -> None:
    db.execute("UPDATE relay_time SET high_water_ms = ?", (ms,))


def test_the_mark_follows_now_and_then_and_at_the_end(db, tmp_path) -> None:
    mark = Mark(tmp_path)
    passes(db, EVERY_MS)
    mark.follow(db)
    passes(db, 2 * EVERY_MS - 1)
    mark.follow(db)
    early = mark.read()

    mark.follow(db, at_once=True)

    assert (early, mark.read()) == (EVERY_MS, 2 * EVERY_MS - 1)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"nonsense", b"9" * 30, b"-5"])
def test_a_mark_that_nobody_can_read_says_nothing(tmp_path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    assert Mark(tmp_path).read() == 0


def test_where_there_is_no_mark_nothing_was_restored(db, tmp_path) -> None:
    assert not restored.renew_if_restored(db, Mark(tmp_path), bytes)


def test_a_mark_that_cannot_be_written_is_no_reason_to_fail(db, tmp_path) -> None:
    mark = Mark(tmp_path / "gone")

    mark.follow(db, at_once=True)

    assert mark.read() == 0


async def copied(relay, to) -> None:
    """Make a copy of the database as a backup does, and close the relay's day after it."""
    await relay.store.close()
    to.mkdir()
    for path in relay.directory.glob("relay.db*"):
        shutil.copy(path, to)
    await relay.open()


async def put_back(relay, copy) -> None:
    await relay.store.close()
    for path in relay.directory.glob("relay.db*"):
        path.unlink()
    for path in copy.glob("relay.db*"):
        shutil.copy(path, relay.directory)
    await relay.open()


async def test_an_older_copy_gets_new_epochs_and_keeps_what_was_queued(tmp_path) -> None:
    (tmp_path / "state").mkdir()
    async with house(tmp_path / "state") as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        before = await relay.login(bob), await relay.login(alice)
        await copied(relay, tmp_path / "copy")
        await relay.login(alice)
        await relay.login(bob)
        relay.clock.advance(60)
        await relay.submit(alice, bob)

        await put_back(relay, tmp_path / "copy")

        after = await relay.login(bob), await relay.login(alice)
        assert relay.counters.restores == 1
        assert after[0].welcome.epoch != before[0].welcome.epoch
        assert after[1].welcome.ledger_epoch != before[1].welcome.ledger_epoch
        assert after[1].welcome.ledger_floor == 0
        assert len((await relay.page(bob)).items) == 1
        assert relay.store.high_water_ms >= relay.clock.now_ms()


async def test_a_restart_is_no_restore(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        before = await relay.login(alice)
        relay.clock.advance(60)
        await relay.store.sweep()

        await relay.reopen()

        assert relay.counters.restores == 0
        assert (await relay.login(alice)).welcome.epoch == before.welcome.epoch


async def test_a_restored_relay_is_found_once(tmp_path) -> None:
    (tmp_path / "state").mkdir()
    async with house(tmp_path / "state") as relay:
        await relay.enrol("alice")
        await copied(relay, tmp_path / "copy")
        relay.clock.advance(60)
        await relay.store.probe()
        await put_back(relay, tmp_path / "copy")
        first = relay.counters.restores

        await relay.reopen()

        assert (first, relay.counters.restores) == (1, 0)


async def test_outcomes_of_old_numbers_are_never_taken_for_those_of_new_ones(tmp_path) -> None:
    (tmp_path / "state").mkdir()
    async with house(tmp_path / "state") as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        for _ in range(2):
            await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)
        await copied(relay, tmp_path / "copy")
        relay.clock.advance(60)
        await relay.store.probe()
        await put_back(relay, tmp_path / "copy")
        for device in (1, 2):
            await relay.login(bob, device)
        await relay.login(alice)

        for device in (1, 2):
            await relay.acknowledge(bob, 2, device=device)

        assert await relay.outcomes(alice) == []
        rows = await relay.store._read(
            lambda db: db.execute("SELECT (SELECT count(*) FROM fan), (SELECT sum(outcomes) FROM mailbox)").fetchone()
        )
        assert rows == (0, 0)


async def test_a_new_ledger_begins_at_one_and_remembers_no_refusal(tmp_path) -> None:
    (tmp_path / "state").mkdir()
    async with house(tmp_path / "state") as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=90 * 86_400)
        await copied(relay, tmp_path / "copy")
        relay.clock.advance(60)
        await relay.store.probe()
        await put_back(relay, tmp_path / "copy")
        await relay.login(alice)

        settlement = await relay.submit(alice, bob, submission=1)

        assert settlement == Submitted(1, (Code.STORED,), (), 0)
        assert len((await relay.page(bob, Lane.NORMAL)).items) == 1


async def test_no_one_time_prekey_is_handed_out_twice(tmp_path) -> None:
    (tmp_path / "state").mkdir()
    async with house(tmp_path / "state") as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.store.put_prekeys(bob.seat, (bob.prekey(PrekeyKind.ONE_TIME, 1),))
        await copied(relay, tmp_path / "copy")
        await relay.login(alice)
        taken = await relay.store.bundles(alice.seat, GetBundles(bob.account, ()))
        relay.clock.advance(60)
        await relay.store.probe()
        await put_back(relay, tmp_path / "copy")
        await relay.login(alice)

        again = await relay.store.bundles(alice.seat, GetBundles(bob.account, ()))

        assert taken.reply.bundles[0].one_time is not None
        assert again.reply.bundles[0].one_time is None
        assert (await relay.login(bob)).welcome.one_time_left == 0


async def test_a_renewal_that_fails_changes_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        before = await relay.login(alice)

        def fails(_: int) -> bytes:
            raise OSError("no randomness")

        with pytest.raises(OSError, match="no randomness"):
            await relay.store._opened.writer.run(lambda db: restored.renew(db, fails, 0))

        assert (await relay.login(alice)).welcome.epoch == before.welcome.epoch


async def test_a_failure_that_rolled_back_by_itself_is_the_one_that_is_told(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("alice")

        def renew(db: sqlite3.Connection) -> None:
            def fails(_: int) -> bytes:
                db.execute("ROLLBACK")  # as SQLite does where the disk fails
                raise OSError("the disk failed")

            restored.renew(db, fails, 0)

        with pytest.raises(OSError, match="the disk failed"):
            await relay.store._opened.writer.run(renew)


def test_an_epoch_is_never_nothing() -> None:
    assert restored.new_epoch(bytes) == 1
