"""The store as its callers see it, on a real file: what is settled stays, what is acknowledged never comes again."""

import asyncio
import contextlib
import gc
import sqlite3

import pytest

from relayd.config import LimitsSection, StoreSection
from relayd.domain.entry import Entry
from relayd.domain.refusals import Fatal, Fault, Refusal
from relayd.store.works import Works
from relayproto import stamp
from relayproto.codes import Class, Code, GapReason, Lane
from relayproto.commands import GetBundles
from relayproto.notices import Deliver
from relayproto.primitives import ed25519_public
from relayproto.replies import NotTaken, Submitted
from support.live_relay import until
from support.stores import STAMP_SEED, House, house, submit_of


def delivered(page) -> list[Deliver]:
    return [item.notice for item in page.items if isinstance(item, Entry)]


async def test_an_accepted_envelope_is_in_the_mailbox(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        settled = await relay.submit(alice, bob, body=b"sealed content")

        assert settled == Submitted(1, (Code.STORED,), (), 0)
        (envelope,) = delivered(await relay.page(bob))
        assert (envelope.sender, envelope.sender_device, envelope.sequence) == (alice.account, 1, 1)
        assert (envelope.body, envelope.wrap, envelope.class_) == (b"sealed content", b"wrap", Class.CHAT)
        assert envelope.expires_ms == relay.clock.now_ms() + 86_400_000


async def test_an_envelope_carries_a_stamp_that_holds(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        await relay.submit(alice, bob)

        (envelope,) = delivered(await relay.page(bob))
        stamp.check(envelope.stamp, envelope.commitment, ed25519_public(STAMP_SEED))


async def test_an_acknowledged_envelope_is_never_delivered_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(3):
            await relay.submit(alice, bob)

        await relay.acknowledge(bob, 1, (3, 3))
        await relay.reopen()
        login = await relay.login(bob, floors=(1, 0, 0))

        page = await relay.page(bob, after=login.cursors[Lane.NORMAL])
        assert [item.sequence for item in page.items if isinstance(item, Entry)] == [2]
        assert [(g.first, g.last, g.reason) for g in page.items if not isinstance(g, Entry)] == [
            (3, 3, GapReason.ACKNOWLEDGED)
        ]


async def test_whoever_listens_is_woken_with_what_a_page_would_give(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        relay.listening.add(bob.seat.row)

        await relay.submit(alice, bob)

        page = await relay.page(bob)
        assert tuple(relay.entries) == page.items


async def test_nobody_is_woken_who_does_not_listen(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        await relay.submit(alice, bob)

        assert relay.entries == []


async def test_twenty_submissions_and_acknowledgements_of_one_turn_are_one_commit(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        before = relay.counters.commits
        works = [part for _ in range(20) for part in (submit_of(alice, bob), alice, 1)]

        await relay.submit_all(*works)

        assert relay.counters.commits == before + 1


async def test_what_was_counted_is_there_after_a_restart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, body=b"12345")

        await relay.reopen()

        assert (relay.counters.envelopes_queued, relay.counters.queued_bytes) == (1, 5 + len(b"wrap"))


async def test_relay_time_is_remembered(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("alice")

        await relay.reopen()

        assert relay.store.high_water_ms == relay.clock.now_ms()


async def test_a_full_intake_takes_no_more_and_says_when_it_does(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(intake_messages_max=2)) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        settled: list[object] = []

        full = []
        for _ in range(2):
            full.append(relay.store.full)
            relay.store.submit(alice.seat, submit_of(alice, bob), b"body", settled.append)
        full.append(relay.store.full)
        await relay.store.space()

        assert [*full, relay.store.full] == [False, False, True, False]
        await relay.store.probe()
        assert [answer.codes for answer in settled] == [(Code.STORED,), (Code.STORED,)]


async def test_a_nearly_full_disk_refuses_submissions_and_nothing_else(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        relay.settings = StoreSection(disk_warn_percent=1, disk_refuse_percent=1)
        await relay.reopen()
        await relay.login(alice)
        await relay.login(bob)

        settled = await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)

        assert settled == NotTaken(2, Code.DISK, 30_000)
        assert delivered(await relay.page(bob)) == []


async def test_after_damage_nothing_is_taken_and_the_relay_is_told(tmp_path) -> None:
    async with house(tmp_path) as relay:

        def damaged(_):
            raise Fatal("what a damaged page gives")

        with pytest.raises(Fault):
            await relay.store._act(damaged)
        fatal = await relay.store.fatal

        assert isinstance(fatal, Fatal)
        assert relay.store.full
        with pytest.raises(Fault):
            await relay.store.probe()


async def test_a_bug_in_a_verb_changes_nothing_and_hurts_nobody_else(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        def mistaken(commit):
            commit.db.execute("DELETE FROM envelope")
            commit.mailbox(bob.seat.row).messages = 77
            raise ZeroDivisionError

        settled, (wrong, right) = await asyncio.gather(
            relay.submit(alice, bob),
            asyncio.gather(relay.store._act(mistaken), relay.store.probe(), return_exceptions=True),
        )

        assert (settled.codes, type(wrong), right) == ((Code.STORED,), ZeroDivisionError, None)
        assert len(delivered(await relay.page(bob))) == 1
        assert dict(await relay.store.status())["envelopes queued"] == 1


async def test_an_unknown_address_and_an_unknown_account_are_not_available(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")

        found = await relay.store.account_of("alice@gad.example", alice.account)

        assert found.account == alice.account
        assert (await relay.store.devices_of(alice.account, alice.account)).devices == found.devices
        for read in (
            relay.store.account_of("bob@gad.example", alice.account),
            relay.store.devices_of(bytes(32), alice.account),
        ):
            with pytest.raises(Refusal) as refusal:
                await read
            assert refusal.value.code is Code.NOT_AVAILABLE


async def test_a_sealed_wrap_of_an_urgent_class_goes_to_the_urgent_lane(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        await relay.submit(alice, bob, class_=Class.OTP, ttl_s=300)

        assert delivered(await relay.page(bob)) == []
        (code,) = delivered(await relay.page(bob, Lane.URGENT))
        assert (code.lane, code.class_) == (Lane.URGENT, Class.OTP)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("on purpose")
    error.sqlite_errorcode = code
    return error


async def test_a_read_that_fails_for_now_is_a_fault(tmp_path) -> None:
    async with house(tmp_path) as relay:

        def busy(_):
            raise sqlite_error(sqlite3.SQLITE_BUSY)

        with pytest.raises(Fault) as fault:
            await relay.store._read(busy)

        assert (fault.value.code, fault.value.retry_after_ms) == (Code.UNAVAILABLE, 1_000)
        assert not relay.store.fatal.done()


async def test_a_read_that_meets_damage_is_fatal(tmp_path) -> None:
    async with house(tmp_path) as relay:

        def damaged(_):
            raise sqlite_error(sqlite3.SQLITE_CORRUPT)

        for _ in range(2):
            with pytest.raises(Fault):
                await relay.store._read(damaged)

        assert isinstance(await relay.store.fatal, Fatal)


async def test_a_log_that_cannot_be_moved_at_the_end_is_no_loss(tmp_path, monkeypatch) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        def busy(_):
            raise sqlite_error(sqlite3.SQLITE_BUSY)

        with monkeypatch.context() as patch:
            patch.setattr("relayd.store.store.checkpoint", busy)
            await relay.store.close()
        await relay.open()

        assert len((await relay.page(bob)).items) == 1


async def test_a_store_whose_commits_were_cut_off_ends_its_threads_all_the_same(tmp_path) -> None:
    opened = await House(tmp_path).open()
    store = opened.store
    threads = [each._connection._thread for each in (store._opened.writer, store._opened.reader)]

    store._engine._task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await store.close()

    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


async def test_a_row_whose_seal_does_not_open_is_damage_and_names_the_file(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.store._opened.writer.run(
            lambda db: db.execute("UPDATE envelope SET sealed = zeroblob(100)").fetchall()
        )

        with pytest.raises(Fault):
            await relay.page(bob)

        assert "relay.db: a sealed row does not open" in str(await relay.store.fatal)


async def test_what_a_commit_refuses_leaves_no_circle_that_only_the_collector_would_find(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        nobody = bytes(32)
        gc.collect()
        before = [each for each in gc.get_objects() if isinstance(each, Refusal | Works)]

        def left(kind: type) -> list[object]:
            return [each for each in gc.get_objects() if isinstance(each, kind) and each not in before]

        gc.disable()
        try:
            for _ in range(5):
                with contextlib.suppress(Refusal):
                    await relay.store.bundles(alice.seat, GetBundles(nobody, ()))
            await relay.store.probe()

            # The thread lets go of a work and of what came of it when it has the next one, which is a moment after that
            # has been told; a circle would stay for as long as nobody collects.
            await until(lambda: not left(Refusal) and len(left(Works)) <= 1)
        finally:
            gc.enable()
