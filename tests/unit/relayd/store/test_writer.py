import asyncio
import contextlib
import sqlite3

import pytest

from relayd.config import LimitsSection
from relayd.domain.entry import Entry
from relayd.domain.refusals import Fatal, Fault, Refusal
from relayproto.codes import Code, Lane, Result
from relayproto.commands import Ack, Credit, GetBundles
from relayproto.primitives import x25519_public
from relayproto.replies import NotTaken
from support.stores import House, guest, hello_of, house, submit_of


class FullAtTheEnd:
    """A connection whose disk is full when it comes to the COMMIT."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __getattr__(self, name: str):
        return getattr(self._db, name)

    def execute(self, statement: str, *values):
        if statement == "COMMIT":
            error = sqlite3.OperationalError("on purpose")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._db.execute(statement, *values)


@contextlib.contextmanager
def full_at_the_end(relay: House):
    """Let every commit fail at its last step."""
    engine = relay.store._engine
    good = engine._writer

    class Failing:
        def run(self, db, works, now_ms, *, disk_tight):
            return good.run(FullAtTheEnd(db), works, now_ms, disk_tight=disk_tight)

    engine._writer = Failing()
    yield
    engine._writer = good


async def test_a_refused_verb_is_undone_and_the_rest_of_its_commit_stands(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        before = relay.counters.commits

        def refuse(commit):
            commit.db.execute("DELETE FROM account")
            commit.done.tally.expired += 9
            commit.explain(bob.seat.row, Lane.NORMAL, 1, 1)
            raise Refusal(Code.LIMIT)

        refused, settled, ticket = await asyncio.gather(
            relay.store._act(refuse),
            relay.submit(alice, bob),
            relay.store.create_ticket("carol@gad.example", relay.clock.now_ms() + 1),
            return_exceptions=True,
        )

        assert relay.counters.commits == before + 1
        assert (type(refused), settled.codes, len(ticket)) == (Refusal, (Code.STORED,), 16)
        assert (relay.counters.expired, relay.gaps) == (0, [])
        assert (await relay.store.account_of("bob@gad.example", bob.account)).account == bob.account


async def test_acknowledgements_make_room_for_submissions_of_the_same_commit(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=1)) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        waiting = asyncio.ensure_future(relay.submit(alice, bob))
        await asyncio.sleep(0)

        relay.store.acknowledge(bob.seat, Ack(bob.epochs[1], Lane.NORMAL, 1, (), Credit(0, 0), ()))

        assert (await waiting).codes == (Code.STORED,)


async def test_what_was_rolled_back_is_forgotten_in_memory_too(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        command = submit_of(alice, bob)
        relay.store.submit(alice.seat, command, b"body", lambda _: None)

        def damage(commit):
            raise Fatal("on purpose")

        with pytest.raises(Fault):
            await relay.store._act(damage)
        await relay.reopen()
        await relay.login(alice)
        (settled,) = await relay.submit_all(command, alice, 1)

        assert settled.codes == (Code.STORED,)
        assert [item.sequence for item in (await relay.page(bob)).items] == [1]


async def test_who_is_refused_empties_no_memory_and_makes_no_new_hour_key(tmp_path) -> None:
    async with house(tmp_path, moderators=(x25519_public(b"1" * 32), x25519_public(b"2" * 32))) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        residents = relay.store._opened.tools.residents
        for _ in range(5):
            await relay.submit(alice, bob)
            with pytest.raises(Refusal):
                await relay.store.login(hello_of(guest("mallory")), b"m" * 32)
            with pytest.raises(Refusal):
                await relay.store.bundles(alice.seat, GetBundles(bytes(32), ()))

        keys = await relay.store._read(lambda db: db.execute("SELECT count(*) FROM hour_key").fetchone())

        assert keys == (1,)
        assert residents._mailboxes.get(bob.seat.row) is not None


async def test_a_mistake_of_ours_in_a_verb_leaves_nothing_of_it_in_memory(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        def fail(commit):
            commit.mailbox(bob.seat.row).nexts[Lane.NORMAL] = 99
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await relay.store._act(fail)
        await relay.submit(alice, bob)

        items = (await relay.page(bob)).items
        assert [type(item) for item in items] == [Entry]
        assert items[0].sequence == 1


async def test_a_commit_that_fails_at_its_last_step_is_told_to_nobody_and_forgotten(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        relay.listening |= {alice.seat.row, bob.seat.row}
        command = submit_of(alice, bob)

        with full_at_the_end(relay):
            relay.store.acknowledge(bob.seat, Ack(bob.epochs[1], Lane.NORMAL, 1, (), Credit(0, 0), ()))
            (before,) = await relay.submit_all(command, alice, 1)
            told = list(relay.entries)
        await relay.store.sweep()  # which looks at the disk
        (after,) = await relay.submit_all(command, alice, 1)

        assert (before, told) == (NotTaken(2, Code.DISK, 30_000), [])
        assert after.codes == (Code.STORED,)
        assert [item.sequence for item in (await relay.page(bob)).items if isinstance(item, Entry)] == [2]
        assert await relay.outcomes(alice) == [(1, 0, Result.DELIVERED)]
