"""The commit loop: what fails for now, what fails for good, and what a killed process leaves."""

import asyncio
import contextlib
import errno
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from structlog.testing import capture_logs

from relayd.domain.entry import Entry
from relayd.domain.refusals import Fatal, Fault
from relayd.store import engine as commits
from relayd.store import intake
from relayd.store.database import Thread
from relayproto.codes import Code, Lane
from relayproto.commands import Ack, Credit
from relayproto.replies import NotTaken, Submitted
from support.stores import House, house, submit_of
from support.tree import ROOT


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("on purpose")
    error.sqlite_errorcode = code
    return error


@contextlib.contextmanager
def failing(relay: House, error: Exception):
    """Let every commit fail before it begins; what is given is how many were tried."""
    engine = relay.store._engine
    good = engine._writer

    class Failing:
        tried = 0

        def run(self, db, *, works, now_ms, disk_tight):
            self.tried += 1
            raise error

    engine._writer = failing = Failing()
    yield failing
    engine._writer = good


@contextlib.contextmanager
def held(relay: House):
    """Let no commit end before the event that is given is set."""
    writer, go_on = relay.store._engine._writer, threading.Event()
    run = writer.run

    class Held:
        def run(self, db, **options):
            go_on.wait(10)
            return run(db, **options)

    relay.store._engine._writer = Held()
    yield go_on
    relay.store._engine._writer = writer


@pytest.mark.parametrize(
    ("error", "code", "retry_after_ms"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), Code.DISK, 30_000),
        (OSError(errno.ENOSPC, "no space"), Code.DISK, 30_000),
        (sqlite_error(sqlite3.SQLITE_BUSY), Code.UNAVAILABLE, 1_000),
        (ZeroDivisionError(), Code.UNAVAILABLE, 1_000),
    ],
)
async def test_what_fails_for_now_is_not_taken_and_is_taken_later(tmp_path, error, code, retry_after_ms) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        command = submit_of(alice, bob)

        with failing(relay, error):
            before = await relay.submit_all(command, alice, 1)
        await relay.store.sweep()  # which looks at the disk
        after = await relay.submit_all(command, alice, 1)

        assert before == [NotTaken(1, code, retry_after_ms)]
        assert sum(relay.counters.commits_failed.values()) == 1
        assert after == [Submitted(1, (Code.STORED,), (), 0)]
        assert not relay.store.fatal.done()


async def under_way(relay: House) -> None:
    while relay.store._engine._begun is None:  # noqa: ASYNC110 - it is looked at as the loop does
        await asyncio.sleep(0)


async def turns(count: int) -> float:
    """Let the loop turn so often; return how long that took, seconds."""
    began = time.monotonic()
    for _ in range(count):
        await asyncio.sleep(0)
    return time.monotonic() - began


async def quiet(relay: House) -> None:
    """Wait until the engine has done with what was committed before."""
    await relay.store._engine._thread.run(lambda _: None)
    await turns(5)


async def test_a_message_is_committed_and_told_in_the_turn_after_it_came(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        told = []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)

        await turns(2)

        assert told == [Submitted(1, (Code.STORED,), (), 0)]


async def test_what_comes_while_a_commit_is_told_is_in_the_next(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        second = asyncio.get_running_loop().create_future()

        def settled(_) -> None:
            relay.store.submit(alice.seat, submit_of(alice, bob), b"body", second.set_result)

        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", settled)

        assert await asyncio.wait_for(second, 5) == Submitted(2, (Code.STORED,), (), 0)


async def test_a_slow_commit_keeps_the_loop_once_and_for_a_moment_only(tmp_path, monkeypatch) -> None:
    waits, wait_out = [], Thread.wait_out
    monkeypatch.setattr(Thread, "wait_out", lambda thread, longest_s: waits.append(wait_out(thread, longest_s)))
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        waits.clear()
        with held(relay) as go_on:
            stored = asyncio.ensure_future(relay.submit(alice, bob))
            took_s = await turns(5)
            later = asyncio.ensure_future(relay.submit(bob, alice))
            await turns(5)
            waited = len(waits)
            go_on.set()
            await stored
            await later

        assert waited == 1
        assert commits.WAIT_S <= took_s < 5


@pytest.mark.parametrize("works", [1, 2])
async def test_a_large_commit_is_not_waited_for(tmp_path, monkeypatch, works) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    monkeypatch.setattr(commits, "SMALL_MAX", 1)
    async with house(tmp_path) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        await quiet(relay)
        with held(relay) as go_on:
            # One work of two rows, or two works of a row each.
            sent = [(alice, bob, carol)] if works == 1 else [(alice, bob), (bob, alice)]
            stored = asyncio.gather(*[relay.submit(*people) for people in sent])

            took_s = await turns(5)
            go_on.set()
            await stored

        assert took_s < 5


@pytest.mark.parametrize("waited", [True, False])
async def test_who_logs_in_goes_on_before_the_end_of_the_next_commit_is_told(tmp_path, monkeypatch, waited) -> None:
    """Both where the loop has waited for the commit of the login and where it hears of its end by itself."""
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        monkeypatch.setattr(commits, "WAIT_S", 30.0 if waited else 0.0)
        seen, stored = [], asyncio.get_running_loop().create_future()

        async def login() -> None:
            await relay.store.probe()
            seen.append("let in")

        def settled(settlement) -> None:
            seen.append("told")
            stored.set_result(settlement)

        def submit_next(_) -> None:
            monkeypatch.setattr(commits, "WAIT_S", 30.0)
            relay.store.submit(bob.seat, submit_of(bob, alice), b"body", settled)

        coming = asyncio.ensure_future(login())
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", submit_next)
        await stored
        await coming

        assert seen == ["let in", "told"]


async def test_a_bug_in_telling_while_the_loop_waits_ends_no_commits(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        with monkeypatch.context() as broken, capture_logs() as logged:
            broken.setattr(commits, "_answer", lambda works, done: 1 / 0)
            assert isinstance(await relay.submit(alice, bob), Submitted)
            await turns(5)

        assert isinstance(await asyncio.wait_for(relay.submit(alice, bob), 5), Submitted)
        assert [each["where"] for each in logged if each["event"] == "incident"] == ["commit told"]


async def test_a_log_that_is_long_is_moved_after_a_commit_that_was_waited_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        moved = []
        monkeypatch.setattr(commits, "log_is_long", lambda path, pages: not moved)
        monkeypatch.setattr(commits, "move_log", moved.append)

        await relay.submit(alice, bob)
        async with asyncio.timeout(5):
            while not moved:  # noqa: ASYNC110 - the store's thread does it
                await asyncio.sleep(0.001)
        await quiet(relay)

        assert len(moved) == 1


async def test_a_commit_of_logins_is_waited_for_too(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        await quiet(relay)
        probe = asyncio.ensure_future(relay.store.probe())

        await turns(5)

        assert probe.done()


@contextlib.asynccontextmanager
async def talking(tmp_path, monkeypatch):
    """Open a store with alice, who has said much of late, and bob, who is quiet."""
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    monkeypatch.setattr(intake, "QUIET_MAX", 1)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await quiet(relay)
        yield relay, alice, bob


async def busy_turns(relay: House, count: int) -> None:
    """Let the loop turn so often, a millisecond each."""
    for _ in range(count):
        relay.clock.advance(0.001)
        await asyncio.sleep(0)


async def test_a_commit_gathers_while_the_loop_is_busy_until_a_quiet_device_waits(tmp_path, monkeypatch) -> None:
    async with talking(tmp_path, monkeypatch) as (relay, alice, bob):
        before, told = relay.counters.commits, []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)
        await busy_turns(relay, 4)
        gathered = list(told)
        relay.store.submit(bob.seat, submit_of(bob, alice), b"body", told.append)
        await busy_turns(relay, 1)

        assert (gathered, len(told), relay.counters.commits) == ([], 2, before + 1)


async def test_who_hurries_is_committed_and_told_before_the_loop_turns(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        told = []
        relay.store.hurry()
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)

        relay.store.hurry()

        assert told == [Submitted(1, (Code.STORED,), (), 0)]
        # Once: what comes now is committed with what else the loop finds.
        relay.store.submit(bob.seat, submit_of(bob, alice), b"body", told.append)
        relay.store.hurry()
        assert len(told) == 1
        await turns(3)
        assert len(told) == 2


async def test_an_acknowledgement_does_not_go_alone_after_somebody_has_hurried(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    monkeypatch.setattr(intake, "ALONG_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        before, told = relay.counters.commits, []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)
        relay.store.hurry()
        relay.store.acknowledge(bob.seat, Ack(1, Lane.NORMAL, 1, (), Credit(0, 0), ()))

        await turns(5)

        assert (len(told), relay.counters.commits) == (1, before + 1)
        await relay.submit(alice, bob)
        assert relay.store._engine.intake.works == 0


async def test_who_says_much_does_not_hurry(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with talking(tmp_path, monkeypatch) as (relay, alice, bob):
        told = []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)

        relay.store.hurry()

        assert told == []
        await turns(5)
        assert len(told) == 1


async def test_who_hurries_waits_for_the_commit_that_is_under_way(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 0.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        told = []
        with held(relay) as go_on:
            for sender, recipient in ((alice, bob), (bob, alice)):
                relay.store.submit(sender.seat, submit_of(sender, recipient), b"body", told.append)
                relay.store.hurry()
                await turns(5)
            under_way = relay.store._engine.intake.works
            go_on.set()
            await relay.submit(alice, bob)

        assert under_way == 1
        assert len(told) == 2


async def test_who_hurries_does_not_shorten_the_pause_after_a_failure(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "_PAUSE_S", 0.5)
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        with failing(relay, ZeroDivisionError()) as failed:
            await relay.submit(alice, bob)
            relay.store.submit(bob.seat, submit_of(bob, alice), b"body", lambda _: None)
            relay.store.hurry()

            assert failed.tried == 1
        relay.counters.internal_errors = 0


@pytest.mark.parametrize("waited", [True, False])
async def test_who_was_let_in_by_a_hurried_commit_goes_on_before_the_next(tmp_path, monkeypatch, waited) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await quiet(relay)
        seen = []

        async def login() -> None:
            await relay.store.probe()
            seen.append("let in")

        coming = asyncio.ensure_future(login())
        submission = submit_of(alice, bob)
        monkeypatch.setattr(commits, "WAIT_S", 30.0 if waited else 0.0)
        asyncio.get_running_loop().call_soon(
            lambda: (
                relay.store.submit(alice.seat, submission, b"body", lambda _: seen.append("first")),
                relay.store.hurry(),
                relay.store.submit(bob.seat, submit_of(bob, alice), b"body", lambda _: seen.append("second")),
                relay.store.hurry(),
            )
        )
        await asyncio.sleep(0)
        monkeypatch.setattr(commits, "WAIT_S", 30.0)
        await coming
        await relay.submit(alice, bob)

        assert seen == ["first", "let in", "second"]


async def test_a_commit_begins_when_the_loop_has_nothing_else_to_do(tmp_path, monkeypatch) -> None:
    async with talking(tmp_path, monkeypatch) as (relay, alice, bob):
        told = []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)
        await busy_turns(relay, 4)
        await turns(2)

        assert told == [Submitted(2, (Code.STORED,), (), 0)]


async def test_a_commit_begins_when_it_has_gathered_for_so_long(tmp_path, monkeypatch) -> None:
    async with talking(tmp_path, monkeypatch) as (relay, alice, bob):
        told = []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)
        await busy_turns(relay, 10)

        assert told == [Submitted(2, (Code.STORED,), (), 0)]


async def test_nothing_is_committed_once_trust_has_ended_while_it_gathered(tmp_path, monkeypatch) -> None:
    async with talking(tmp_path, monkeypatch) as (relay, alice, bob):
        before, told = relay.counters.commits, []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)
        await busy_turns(relay, 2)
        relay.store._engine.distrust(sqlite_error(sqlite3.SQLITE_IOERR_FSYNC))
        await turns(5)

        assert (told, relay.counters.commits) == ([None], before)


async def test_what_gathers_is_committed_before_the_end(tmp_path, monkeypatch) -> None:
    told = []
    async with talking(tmp_path, monkeypatch) as (relay, alice, bob):
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", told.append)
        await busy_turns(relay, 2)

    assert told == [Submitted(2, (Code.STORED,), (), 0)]


async def test_of_the_commits_that_are_waited_for_each_turn_has_one(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    monkeypatch.setattr(intake, "SHORT_PLACEMENTS", 2)
    async with house(tmp_path) as relay:
        people = [await relay.enrol(f"person{number}") for number in range(12)]
        await quiet(relay)
        for someone in people:
            relay.store.submit(someone.seat, submit_of(someone, people[0]), b"body", lambda _: None)
        seen = [relay.counters.commits]
        for _ in range(20):
            await asyncio.sleep(0)
            seen.append(relay.counters.commits)

        assert max(later - before for before, later in itertools.pairwise(seen)) == 1
        assert seen[-1] - seen[0] == 6


async def test_a_commit_that_took_long_for_what_it_did_shows_a_slow_disk(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        engine, slow = relay.store._engine, []
        writer = engine._writer

        class Slow:
            takes_s = 0.0

            def run(self, db, **options):
                relay.clock.advance(self.takes_s)
                return writer.run(db, **options)

        engine._writer = disk = Slow()
        for disk.takes_s in (0.0, 1.0, 0.0):
            await relay.submit(alice, bob)
            slow.append(engine.intake.slow)
        engine._writer = writer

        assert slow == [False, True, False]


async def test_a_commit_that_failed_is_waited_for_no_longer_and_the_next_keeps_its_pause(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    monkeypatch.setattr(commits, "_PAUSE_S", 0.5)
    monkeypatch.setattr(commits, "WAIT_S", 30.0)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        with failing(relay, ZeroDivisionError()) as failures:
            assert isinstance(await relay.submit(alice, bob), NotTaken)
            waiting = asyncio.ensure_future(relay.submit(alice, bob))

            await turns(5)

            assert failures.tried == 1
            assert isinstance(await waiting, NotTaken)


async def test_a_commit_is_told_and_the_next_begun_in_the_turn_in_which_its_end_is_heard(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        engine, loop, seen = relay.store._engine, asyncio.get_running_loop(), []

        def settled(_) -> None:
            seen.append(("told, and the awaited future is done:", first.committed.done()))
            loop.call_soon(lambda: seen.append(("a turn later the next is under way:", engine._begun is not first)))

        with held(relay) as go_on:
            relay.store.submit(alice.seat, submit_of(alice, bob), b"body", settled)
            while engine._begun is None:  # noqa: ASYNC110 - it is looked at as the loop does
                await asyncio.sleep(0)
            first = engine._begun
            second = asyncio.ensure_future(relay.store.probe())
            await asyncio.sleep(0)
            go_on.set()
            await second

        assert seen == [
            ("told, and the awaited future is done:", False), ("a turn later the next is under way:", True)
        ]  # fmt: skip


async def test_what_was_begun_when_trust_ended_is_told_to_its_end(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        with held(relay) as go_on:
            stored = asyncio.ensure_future(relay.submit(alice, bob))
            while relay.store._engine._begun is None:  # noqa: ASYNC110 - it is looked at as the loop does
                await asyncio.sleep(0)
            relay.store._engine.distrust(sqlite_error(sqlite3.SQLITE_IOERR_FSYNC))
            go_on.set()

            assert (await stored).codes == (Code.STORED,)


async def test_an_acknowledgement_waits_until_the_disk_has_room(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        with failing(relay, sqlite_error(sqlite3.SQLITE_FULL)), pytest.raises(Fault) as fault:
            await relay.acknowledge(bob, 1)
        await relay.store.probe()

        assert fault.value.code is Code.DISK
        assert len(await relay.outcomes(alice)) == 1


async def test_a_bug_of_ours_is_counted_and_a_verb_that_shared_its_commit_may_try_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        with failing(relay, ZeroDivisionError()), pytest.raises(Fault) as fault:
            await relay.store.probe()

        assert fault.value.code is Code.UNAVAILABLE
        assert relay.counters.internal_errors == 1


@pytest.mark.parametrize(
    "error",
    [sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), sqlite_error(sqlite3.SQLITE_CORRUPT), OSError(errno.EIO, "disk")],
)
async def test_after_a_failed_sync_or_damage_nothing_is_tried_again(tmp_path, error) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        with failing(relay, error):
            settled, probed = await asyncio.gather(
                relay.submit(alice, bob), relay.store.probe(), return_exceptions=True
            )

        assert settled is None
        assert isinstance(probed, Fault)
        assert isinstance(await relay.store.fatal, Fatal)
        relay.store.acknowledge(bob.seat, None)
        relay.store.count_intake()
        assert (relay.store.full, relay.counters.intake_works) == (True, 0)


async def test_a_failure_that_goes_on_is_told_once_and_so_is_its_end(tmp_path) -> None:
    async with house(tmp_path) as relay:
        with capture_logs() as logged:
            with failing(relay, sqlite_error(sqlite3.SQLITE_BUSY)):
                for _ in range(3):
                    with pytest.raises(Fault):
                        await relay.store.probe()
            await relay.store.probe()
            await relay.store.probe()

        assert [event["event"] for event in logged] == ["commits fail for now", "commits go through again"]


@pytest.mark.parametrize(("code", "fatal"), [(sqlite3.SQLITE_FULL, False), (sqlite3.SQLITE_IOERR_FSYNC, True)])
async def test_a_checkpoint_that_fails_is_an_end_only_where_something_may_be_lost(
    tmp_path, monkeypatch, code, fatal
) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise sqlite_error(code)

    async with house(tmp_path) as relay:
        with monkeypatch.context() as patch:
            patch.setattr("relayd.store.engine.checkpoint", fail)
            await relay.store._engine.checkpoint()

        assert relay.store.fatal.done() == fatal


async def test_a_listener_that_fails_does_not_stop_the_commits(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        def deaf(settlement):
            raise ZeroDivisionError

        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", deaf)
        await relay.store.probe()

        assert relay.counters.internal_errors == 1
        assert len((await relay.page(bob)).items) == 1


async def test_a_verb_whose_caller_has_gone_is_done_all_the_same(tmp_path) -> None:
    async with house(tmp_path) as relay:
        gone = asyncio.ensure_future(relay.store.create_ticket("a@gad.example", relay.clock.now_ms() + 1))
        await asyncio.sleep(0)
        gone.cancel()
        await relay.store.probe()

        assert dict(await relay.store.status())["invitations open"] == 1


async def test_closing_finishes_what_was_taken_in(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        settled: list[object] = []
        relay.store.submit(alice.seat, submit_of(alice, bob), b"body", settled.append)

        await relay.reopen()

        assert settled == [Submitted(1, (Code.STORED,), (), 0)]


async def test_a_disk_that_stays_full_does_not_hold_up_the_end(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        with failing(relay, sqlite_error(sqlite3.SQLITE_FULL)):
            closing = asyncio.ensure_future(relay.acknowledge(bob, 1))
            await asyncio.sleep(0)
            await relay.store.close()
        await relay.open()

        assert isinstance(closing.exception(), Fault)
        assert len((await relay.page(bob)).items) == 1


async def test_nothing_is_taken_once_it_is_closing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.store.close()

        assert relay.store.full
        with pytest.raises(Fault):
            await relay.store.probe()
        await relay.open()


WRITER = """
import asyncio, os, sys
from pathlib import Path
from support.stores import House, submit_of

async def main():
    relay = await House(Path(sys.argv[1])).open()
    alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
    print(bob.seat.row, flush=True)
    while True:
        works = [submit_of(alice, bob) for _ in range(16)]
        left = asyncio.get_running_loop().create_future()
        def settle(settled):
            # To the pipe before anything else happens: this is what the device was told.
            os.write(1, b"%d\\n" % settled.submission)
            if settled.submission == works[-1].submission:
                left.set_result(None)
        for work in works:
            relay.store.submit(alice.seat, work, work.body, settle)
        await left

asyncio.run(main())
"""


def killed(directory) -> list[int]:
    """Run WRITER in a process of its own, kill it in the middle and return the numbers that it said."""
    path = os.pathsep.join(str(ROOT / part) for part in ("", "proto", "tests"))
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    guard = threading.Timer(30.0, process.kill)
    guard.start()
    lines = [process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    guard.cancel()
    lines += process.communicate(timeout=10)[0].splitlines()
    return [int(line) for line in lines if line.strip()]


@pytest.mark.slow
async def test_a_killed_writer_loses_nothing_that_was_settled(tmp_path) -> None:
    row, *settled = killed(tmp_path)

    async with house(tmp_path) as relay:
        kept = await relay.store.page(row, 0, 0, 100_000, 1 << 40)

        sequences = [item.sequence for item in kept.items if isinstance(item, Entry)]
        assert len(settled) >= 199
        assert set(settled) <= set(sequences)
        assert sequences == list(range(1, len(sequences) + 1))
        ledger = await relay.store._read(lambda db: db.execute("SELECT max(floor) FROM ledger").fetchone())
        assert ledger == (len(sequences),)
