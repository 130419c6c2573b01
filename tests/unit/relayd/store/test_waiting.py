"""WRITABLE: who hears that a mailbox has room again, and who does not."""

import sqlite3

import pytest

from relayd.config import LimitsSection
from relayd.domain.mailbox import Mailbox, Quota
from relayd.domain.seat import Seat
from relayd.store import waiting
from relayd.store.waiting import Waiter, Waiting
from relayproto.codes import Code, SubmitFlag
from relayproto.notices import Overflow, Writable
from support.stores import house

QUOTA = Quota(messages=10, octets=1 << 20, reopen_percent=80)
BOB = b"b" * 32
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def db():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE account (account BLOB, address TEXT, unit INTEGER)")
    db.execute("CREATE TABLE unit (id INTEGER, organisation INTEGER)")
    db.executemany("INSERT INTO unit VALUES (?, ?)", ((5, 5), (6, 5), (7, 7)))
    people = (("a", "gad", 0), ("b", "gad", 0), ("c", "gad", 0), ("m", "other", 0),
              ("x", "gad", 5), ("y", "other", 6), ("z", "gad", 7))  # fmt: skip
    for name, domain, unit in people:
        db.execute("INSERT INTO account VALUES (?, ?, ?)", (name.encode() * 32, f"{name}@{domain}.example", unit))
    yield db
    db.close()


def seat(name: str, row: int = 1) -> Seat:
    return Seat(row, 1, name.encode() * 32, 1)


def full() -> Mailbox:
    return Mailbox(epoch=1, messages=10, over=True)


def test_who_waits_is_told_once_when_there_is_room(db) -> None:
    waiters = Waiting()
    waiters.note(db, seat("a"), BOB, 7, NOW_MS)

    assert waiters.served(7, full(), QUOTA) == []
    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == [Waiter(seat("a"), BOB)]
    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == []


def test_another_domain_never_learns_when_somebody_was_there(db) -> None:
    waiters = Waiting()
    waiters.note(db, seat("m"), BOB, 7, NOW_MS)

    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == []


@pytest.mark.parametrize(
    ("sender", "recipient", "told"), [("y", "x", True), ("z", "x", False), ("a", "x", False), ("x", "a", False)]
)
def test_an_organisation_takes_the_domains_place(db, sender: str, recipient: str, told: bool) -> None:
    waiters, whom = Waiting(), recipient.encode() * 32
    waiters.note(db, seat(sender), whom, 7, NOW_MS)

    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == ([Waiter(seat(sender), whom)] if told else [])


def test_only_those_whose_share_has_room_are_told(db) -> None:
    waiters, mailbox = Waiting(), Mailbox(epoch=1, shares={})
    for _ in range(5):
        mailbox.put(QUOTA, 0, 4, 10, seat("a").account)
    waiters.note(db, seat("a", 1), BOB, 7, NOW_MS)
    waiters.note(db, seat("c", 2), BOB, 7, NOW_MS)

    assert waiters.served(7, mailbox, QUOTA) == [Waiter(seat("c", 2), BOB)]
    mailbox.take_share(seat("a").account, 10)
    assert waiters.served(7, mailbox, QUOTA) == [Waiter(seat("a", 1), BOB)]


def test_who_waits_is_bounded_and_the_oldest_gives_way(db, monkeypatch) -> None:
    monkeypatch.setattr(waiting, "SENDERS_MAX", 2)
    monkeypatch.setattr(waiting, "MAILBOXES_MAX", 2)
    waiters = Waiting()
    for row in (1, 2, 3):
        waiters.note(db, seat("a", row), BOB, 7, NOW_MS)
    for mailbox in (8, 9):
        waiters.note(db, seat("a", 1), BOB, mailbox, NOW_MS)

    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == []
    assert len(waiters.served(8, Mailbox(epoch=1), QUOTA)) == 1

    for row in (1, 2, 3):
        waiters.note(db, seat("a", row), BOB, 9, NOW_MS)
    assert [waiter.seat.row for waiter in waiters.served(9, Mailbox(epoch=1), QUOTA)] == [2, 3]


def test_who_waited_longer_than_a_connection_lasts_is_forgotten(db) -> None:
    waiters = Waiting()
    waiters.note(db, seat("a"), BOB, 7, NOW_MS)
    waiters.note(db, seat("a"), BOB, 8, NOW_MS + 1)

    waiters.forget(NOW_MS + DAY_MS)

    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == []
    assert len(waiters.served(8, Mailbox(epoch=1), QUOTA)) == 1
    waiters.forget(NOW_MS + 2 * DAY_MS)


def test_nobody_waits_for_a_mailbox_that_is_gone(db) -> None:
    waiters = Waiting()
    waiters.note(db, seat("a"), BOB, 7, NOW_MS)

    waiters.drop(7)

    assert waiters.served(7, Mailbox(epoch=1), QUOTA) == []


ASKING = SubmitFlag.OUTCOME | SubmitFlag.WRITABLE
LIMITS = LimitsSection(mailbox_messages=10, reopen_percent=50)


async def test_a_sender_hears_that_a_mailbox_has_come_down_and_its_recipient_what_it_missed(tmp_path) -> None:
    async with house(tmp_path, limits=LIMITS) as relay:
        alice, carol, bob = [await relay.enrol(name) for name in ("alice", "carol", "bob")]
        for sender in (alice, carol) * 5:
            await relay.submit(sender, bob)
        relay.said.clear()

        refused = await relay.submit(alice, bob, flags=ASKING)
        await relay.acknowledge(bob, 1)
        early = list(relay.said)
        await relay.acknowledge(bob, 9)

        assert refused.codes == (Code.OVER_QUOTA,)
        assert early == [(bob.seat.row, Overflow(1))]
        assert relay.said == [*early, (alice.seat.row, Writable(bob.account))]


async def test_a_later_connection_of_the_sender_is_not_told(tmp_path) -> None:
    async with house(tmp_path, limits=LIMITS) as relay:
        alice, carol, bob = [await relay.enrol(name) for name in ("alice", "carol", "bob")]
        for sender in (alice, carol) * 5:
            await relay.submit(sender, bob)
        await relay.submit(alice, bob, flags=ASKING)
        await relay.login(alice)
        relay.said.clear()

        await relay.acknowledge(bob, 9)

        assert relay.said == []


async def test_who_does_not_ask_is_not_told(tmp_path) -> None:
    async with house(tmp_path, limits=LIMITS) as relay:
        alice, carol, bob = [await relay.enrol(name) for name in ("alice", "carol", "bob")]
        for sender in (alice, carol) * 5:
            await relay.submit(sender, bob)
        relay.said.clear()

        await relay.acknowledge(bob, 9)

        assert relay.said == []


async def test_what_was_refused_is_told_at_login_until_something_is_acknowledged(tmp_path) -> None:
    async with house(tmp_path, limits=LIMITS) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(8):
            await relay.submit(alice, bob)
        await relay.reopen()

        first, second = await relay.login(bob), await relay.login(bob)
        await relay.acknowledge(bob, 1)
        third = await relay.login(bob, floors=(1, 0, 0))

        assert first.notices == second.notices == (Overflow(3),)
        assert third.notices == ()
