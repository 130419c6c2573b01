import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from relayd.domain.lifetimes import day
from relayd.store import whole
from relayd.store.daykeys import DayKeys
from relayd.store.vault import Nonces, Vault
from relayproto import audit
from relayproto.administration import AssignOffice, CreateUnit, GrantRole, PlaceMember
from relayproto.audit import Record
from relayproto.codes import Kind
from relayproto.standing import Role, Standing
from support.organisations import NOW_MS, registry
from support.stores import DAY_S, MASTER_KEY, house


async def use(place: Path) -> None:
    async with house(place) as relay:
        alice, bob = await relay.enrol("alice", devices=2), await relay.enrol("bob", devices=2)
        carol = await relay.enrol("carol")
        for _ in range(5):
            await relay.submit(alice, bob, carol)
        await relay.submit(alice, carol, ttl_s=60)
        await relay.acknowledge(carol, 2)
        await relay.acknowledge(bob, 1)
        await relay.submit(carol, bob, targets=())
        relay.clock.advance(61)
        await relay.store.sweep()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return the database of a closed store with some of everything in it."""
    asyncio.run(use(tmp_path))
    return tmp_path / "relay.db"


def broken(path: Path) -> dict[str, int]:
    """Return what rules are broken, and how often."""
    with whole.one_moment(path) as db:
        return {each.rule: each.wrong for each in (whole.pages(db), *whole.rules(db)) if each.wrong}


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute(statement).rowcount > 0
        db.commit()


def test_a_store_that_was_used_breaks_no_rule_and_there_was_something_to_look_at(kept: Path) -> None:
    with whole.one_moment(kept) as db:
        looked_at = {each.rule: each.looked_at for each in whole.rules(db)}

    assert broken(kept) == {}
    assert looked_at["every envelope lies in a lane of a mailbox"] > 10
    assert looked_at["every body is there and its references are what a recount gives"] > 3
    assert looked_at["every fan is there and counts the devices that can still deliver"] > 3
    assert looked_at["holes were given, do not overlap and cover nothing that is queued"] == 1


LANES = "every sequence is above its lane's floor and was given"
COUNTERS = "counters of a mailbox are what a recount gives"
BODIES = "every body is there and its references are what a recount gives"
FANS = "every fan is there and counts the devices that can still deliver"
HOLES = "holes were given, do not overlap and cover nothing that is queued"
PREKEYS = "prekeys are a device's, and no more than it may have"
ONE_TIME = "one-time prekeys are below the highest ever deposited"
TIMES = "nothing was stored later than now, or lives longer than the longest lifetime"
FLOORS = "floors are below the next numbers"


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("UPDATE device SET account = 99 WHERE id = 1", {"every device has its account"}),
        ("UPDATE account SET highest_device = 1", {"no device's number is above the highest that its account gave"}),
        ("DELETE FROM ledger WHERE device = 1", {"every device has a mailbox and a ledger, and they have no other"}),
        ("UPDATE mailbox SET messages = messages + 1 WHERE id = 3", {COUNTERS}),
        ("UPDATE mailbox SET octets = octets + 1 WHERE id = 3", {COUNTERS}),
        ("UPDATE mailbox SET receipts = 1 WHERE id = 3", {COUNTERS}),
        ("UPDATE mailbox SET outcomes = outcomes + 1 WHERE id = 3", {COUNTERS}),
        ("UPDATE mailbox SET floor_urgent = 1 WHERE id = 3", {FLOORS}),
        ("UPDATE mailbox SET floor_normal = 3 WHERE id = 3", {LANES}),
        ("UPDATE mailbox SET next_normal = 4 WHERE id = 3", {LANES}),
        ("UPDATE envelope SET lane = 9999 WHERE id = (SELECT max(id) FROM envelope)",
         {COUNTERS, "every envelope lies in a lane of a mailbox"}),
        ("UPDATE envelope SET expires_ms = expires_ms * 2 WHERE id = (SELECT max(id) FROM envelope)",
         {TIMES}),
        ("UPDATE envelope SET id = id * 2 WHERE id = (SELECT max(id) FROM envelope)", {TIMES}),
        ("UPDATE body SET refs = refs + 1 WHERE id = 2", {BODIES}),
        ("DELETE FROM body WHERE id = 2", {BODIES}),
        ("UPDATE fan SET remaining = 7 WHERE id = (SELECT max(id) FROM fan)", {FANS}),
        ("DELETE FROM fan WHERE id = (SELECT max(id) FROM fan)", {FANS}),
        ("UPDATE hole SET first = last + 1", {HOLES}),
        ("UPDATE hole SET last = 99", {HOLES}),
        ("UPDATE hole SET first = first - 1", {HOLES}),
        ("INSERT INTO hole SELECT lane, first - 1, last FROM hole", {HOLES}),
        ("INSERT INTO refusal VALUES (1, 99, x'00')", {"recorded refusals are of the ledger's last 256"}),
        ("UPDATE prekey SET device = device + 99", {PREKEYS, ONE_TIME}),
        ("INSERT INTO prekey VALUES (1, 2, 5, x'00', x'00')", {ONE_TIME}),
        ("INSERT INTO prekey VALUES (1, 1, 99, x'00', x'00')", {PREKEYS}),
        ("INSERT INTO block VALUES (99, x'00')", {"blocks are an account's"}),
        ("INSERT INTO attempt VALUES (9999, 1, 1)", {"counted logins are a mailbox's"}),
        ("DELETE FROM relay_time", {"there is one relay time", TIMES}),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_found(kept: Path, statement: str, rules: set[str]) -> None:
    change(kept, statement)

    found = broken(kept)

    assert found.keys() & rules
    assert found.keys() <= rules


TREE = "every unit stands in its organisation's tree, no deeper than it may"
CLOSED = "nothing goes on below what is closed"
BELONGS = "accounts belong to a unit that is there, with a standing"
ROLES = "roles are held by their organisation's own"
ANSWERS = "people answer for offices of their own organisation"


@pytest.fixture
def organised(tmp_path: Path) -> Path:
    """Return the database of two organisations: 1 with units 2 and 3 below it, an officer and an office, and 4."""
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()
        unit = desk.done(admin, CreateUnit(root, "Records")).value
        desk.done(admin, CreateUnit(unit, "Below"))
        desk.organisation("pwd.example")
        bob, post = (desk.person(f"{name}@gad.example") for name in ("bob", "post"))
        desk.done(admin, PlaceMember(unit, bob, Standing.INVITED))
        desk.come(post, unit, Standing.OFFICE)
        desk.done(admin, AssignOffice(unit, post, bob, True))
        desk.done(admin, GrantRole(unit, bob, Role.VERIFIER, NOW_MS + 1))
    return tmp_path / "relay.db"


def test_organisations_break_no_rule_and_there_was_something_to_look_at(organised: Path) -> None:
    with whole.one_moment(organised) as db:
        looked_at = {each.rule: each.looked_at for each in whole.rules(db)}

    assert broken(organised) == {}
    assert [looked_at[rule] for rule in (TREE, CLOSED, BELONGS, ROLES, ANSWERS)] == [4, 4, 5, 4, 1]


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("UPDATE unit SET under = 3 WHERE id = 2", {TREE}),
        ("UPDATE unit SET under = 99 WHERE id = 3", {TREE}),
        ("UPDATE unit SET organisation = 4 WHERE id = 3", {TREE}),
        ("UPDATE unit SET state = 3 WHERE id = 2", {CLOSED, BELONGS}),
        ("DELETE FROM organisation WHERE unit = 4", {"every organisation has a root key"}),
        ("UPDATE domain SET unit = 99 WHERE unit = 4", {"domains are a unit's"}),
        ("UPDATE account SET unit = 0 WHERE address = 'post@gad.example'", {BELONGS, ANSWERS}),
        ("UPDATE account SET unit = 0, standing = 0 WHERE address = 'bob@gad.example'", {ROLES, ANSWERS}),
        ("UPDATE account SET standing = 0 WHERE address = 'admin@gad.example'", {BELONGS}),
        ("UPDATE account SET unit = 99 WHERE address = 'admin@gad.example'", {BELONGS, ROLES}),
        ("UPDATE account SET unit = 4 WHERE address = 'bob@gad.example'", {ROLES, ANSWERS}),
        ("UPDATE account SET standing = 3 WHERE address = 'bob@gad.example'", {ANSWERS}),
        ("UPDATE account SET standing = 2 WHERE address = 'post@gad.example'", {ANSWERS}),
        ("UPDATE held_role SET account = 99 WHERE role = 4", {ROLES}),
        ("UPDATE held_role SET unit = 4 WHERE role = 4", {ROLES}),
        ("UPDATE holder SET account = 99", {ANSWERS}),
    ],
)  # fmt: skip
def test_what_organisations_can_not_be_is_found(organised: Path, statement: str, rules: set[str]) -> None:
    change(organised, statement)

    assert broken(organised).keys() == rules


def test_a_tree_that_is_too_deep_is_found(organised: Path) -> None:
    units = ", ".join(f"({number}, {number - 1 if number > 10 else 4}, 4, '', 1)" for number in range(10, 22))
    change(organised, f"INSERT INTO unit (id, under, organisation, name, state) VALUES {units}")

    assert broken(organised) == {TREE: 1}


def test_a_damaged_index_is_found_with_sqlites_own_words(kept: Path) -> None:
    with contextlib.closing(sqlite3.connect(kept)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, '(expires_ms)', '(octets)') WHERE name = 'envelope_by_expiry'"
        )
        db.commit()

    with whole.one_moment(kept) as db:
        found = whole.pages(db)

    assert found.wrong > 1
    assert "envelope_by_expiry" in found.first


def test_days_without_a_key_are_counted_until_they_are_over(kept: Path) -> None:
    with whole.one_moment(kept) as db:
        (latest_ms,) = db.execute("SELECT max(expires_ms) FROM envelope").fetchone()
        now_ms = latest_ms - 1

        found = whole.keys(db, frozenset(), now_ms)
        with_it = whole.keys(db, frozenset({day(latest_ms)}), now_ms)
        over = whole.keys(db, frozenset(), latest_ms)

    assert (found.looked_at, found.wrong, found.first) == (1, 1, f"day {day(latest_ms)} since 1970")
    assert (with_it.wrong, over.looked_at) == (0, 0)


def seals(path: Path, *, now_ms: int = 0, forget=()) -> whole.Finding:
    keys = DayKeys(path.parent, MASTER_KEY, os.urandom)
    keys.forget(forget)
    with whole.one_moment(path) as db:
        return whole.sealed(db, keys, Vault(keys, Nonces(os.urandom)), now_ms)


def test_everything_that_is_sealed_is_opened(kept: Path) -> None:
    with whole.one_moment(kept) as db:
        rows = db.execute("SELECT (SELECT count(*) FROM envelope) + (SELECT count(*) FROM body)").fetchone()

    good = seals(kept)
    change(kept, "UPDATE envelope SET sealed = zeroblob(length(sealed)) WHERE id = (SELECT max(id) FROM envelope)")
    change(kept, "UPDATE body SET sealed = x'00' WHERE id = 2")
    bad = seals(kept)

    assert (good.looked_at, good.wrong) == (*rows, 0)
    assert bad.wrong == 2
    assert bad.first.startswith("envelope ")
    assert bad.first.endswith("does not open")


def test_what_has_expired_may_have_lost_its_key(kept: Path) -> None:
    every = DayKeys(kept.parent, MASTER_KEY, os.urandom).days

    early = seals(kept, forget=every)
    late = seals(kept, forget=every, now_ms=1_790_000_000_000 + 60 * DAY_S * 1000)

    assert early.wrong == early.looked_at > 0
    assert late.wrong == 0


async def test_a_running_stores_moment_stays_while_it_goes_on(tmp_path: Path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        with whole.one_moment(tmp_path / "relay.db") as db:
            await relay.submit(alice, bob)

            found = list(whole.rules(db))

            assert whole.somebody_has_it_open(tmp_path / "relay.db")
            assert [each.wrong for each in found] == [0] * len(found)
            assert db.execute("SELECT count(*) FROM envelope").fetchone() == (1,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM envelope")


def test_what_nobody_has_open_is_read_without_a_trace(kept: Path) -> None:
    before = sorted(path.name for path in kept.parent.iterdir())

    assert broken(kept) == {}

    assert sorted(path.name for path in kept.parent.iterdir()) == before


def test_harm_to_the_audit_log_is_found(organised: Path) -> None:
    with contextlib.closing(sqlite3.connect(organised)) as db:
        head = audit.FIRST_HASH
        for number in (1, 2, 3):
            record = audit.encode(Record(number, 1, Kind.GRANT_ROLE))
            head = audit.following(head, audit.digest(record))
            db.execute("INSERT INTO audit VALUES (?, 1, ?, ?, ?)", (number, number, record, head))
        db.commit()
    with whole.one_moment(organised) as db:
        before = whole.audited(db)
    change(organised, "DELETE FROM audit WHERE id = 2")
    with whole.one_moment(organised) as db:
        after = whole.audited(db)

    assert (before.looked_at, before.wrong) == (3, 0)
    assert (after.looked_at, after.wrong) == (2, 1)
    assert after.first.startswith("record 2: ")


def test_a_database_without_an_audit_log_is_not_whole(organised: Path) -> None:
    with contextlib.closing(sqlite3.connect(organised)) as db:
        db.execute("DROP TABLE audit")
        db.commit()

    with whole.one_moment(organised) as db:
        assert whole.audited(db).wrong == 1


def test_what_is_enforced_without_a_document_is_found(organised: Path) -> None:
    with whole.one_moment(organised) as db:
        before = whole.documented(db)
    change(organised, "UPDATE unit SET policy = zeroblob(150) WHERE id = 2")
    with whole.one_moment(organised) as db:
        after = whole.documented(db)

    assert (before.looked_at, before.wrong) == (1, 0)
    assert (after.looked_at, after.wrong, after.first) == (2, 1, "unit 2")


def test_a_database_without_documents_is_not_whole(organised: Path) -> None:
    with contextlib.closing(sqlite3.connect(organised)) as db:
        db.execute("DROP TABLE document")
        db.commit()

    with whole.one_moment(organised) as db:
        assert whole.documented(db).wrong == 1
