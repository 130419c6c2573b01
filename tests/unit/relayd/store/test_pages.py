import contextlib
import sqlite3

import pytest

from relayd.domain.entry import Entry
from relayd.store.pages import Wanted, _without, read
from relayproto.codes import GapReason, Lane
from support.stores import house


def shape(page) -> list[tuple]:
    return [
        (item.sequence,) if isinstance(item, Entry) else (item.first, item.last, item.reason) for item in page.items
    ]


async def test_a_page_begins_after_the_number_and_says_whether_there_is_more(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(5):
            await relay.submit(alice, bob)

        first = await relay.page(bob, after=1, messages=2)
        last = await relay.page(bob, after=3, messages=2)

        assert (shape(first), first.more) == ([(2,), (3,)], True)
        assert (shape(last), last.more) == ([(4,), (5,)], False)


async def test_a_page_is_bounded_by_bytes_but_for_its_first_entry(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(3):
            await relay.submit(alice, bob, body=bytes(96))

        two = await relay.page(bob, octets=200)
        one = await relay.page(bob, octets=1)

        assert (shape(two), two.more) == ([(1,), (2,)], True)
        assert (shape(one), one.more) == ([(1,)], True)


async def test_numbers_that_are_gone_without_a_hole_were_acknowledged(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(6):
            await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1, (3, 4), (6, 6))

        page = await relay.page(bob)

        acknowledged = GapReason.ACKNOWLEDGED
        assert shape(page) == [(1, 1, acknowledged), (2,), (3, 4, acknowledged), (5,), (6, 6, acknowledged)]


async def test_gaps_beyond_the_page_wait_for_the_next(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(4):
            await relay.submit(alice, bob)
        await relay.acknowledge(bob, 0, (3, 3))

        page = await relay.page(bob, messages=2)

        assert (shape(page), page.more) == ([(1,), (2,)], True)


async def test_expired_and_acknowledged_numbers_are_told_apart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for ttl_s in (600, 60, 600, 120):
            await relay.submit(alice, bob, ttl_s=ttl_s)
        await relay.acknowledge(bob, 0, (1, 1))
        relay.clock.advance(60)
        await relay.store.sweep()
        relay.clock.advance(60)

        page = await relay.page(bob)

        assert shape(page) == [(1, 1, GapReason.ACKNOWLEDGED), (2, 2, GapReason.EXPIRED), (3,)]


async def test_a_removed_mailbox_gives_an_empty_page(tmp_path) -> None:
    async with house(tmp_path) as relay:
        page = await relay.store.page(77, 0, 0, 10, 1_000)

        assert (page.items, page.more) == ((), False)


@pytest.mark.parametrize(
    ("stretch", "taken", "left"),
    [
        ((1, 9), [], [(1, 9)]),
        ((1, 9), [(1, 9)], []),
        ((1, 9), [(0, 2), (5, 5), (9, 12)], [(3, 4), (6, 8)]),
        ((4, 6), [(1, 2), (8, 9)], [(4, 6)]),
        ((4, 3), [], []),
    ],
)
def test_what_is_left_of_a_stretch(stretch, taken, left) -> None:
    assert list(_without(stretch, taken)) == left


class Failing:
    """A connection whose statements fail, except for what begins and ends a transaction."""

    def __init__(self, db: sqlite3.Connection, *, ends: bool) -> None:
        self.db, self.ends = db, ends

    @property
    def in_transaction(self) -> bool:
        return self.db.in_transaction

    def execute(self, statement: str, *bindings: object) -> sqlite3.Cursor:
        if statement in {"BEGIN", "ROLLBACK"}:
            return self.db.execute(statement)
        if self.ends:
            self.db.execute("ROLLBACK")
        raise sqlite3.OperationalError("made to fail")


@pytest.mark.parametrize("ends", [False, True])
def test_a_page_that_fails_says_why_and_leaves_no_transaction_to_the_next(ends) -> None:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="made to fail"):
                read(Failing(db, ends=ends), None, Wanted(1, Lane.NORMAL, 0, 1, 1), 0)

        assert not db.in_transaction
