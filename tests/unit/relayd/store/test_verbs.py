"""Every change has its verb, and the look-ups of verbs stay cheap in a large relay."""

import re

import pytest

from relayd.store import accounts, claims, grants, rosters, units
from relayd.store.verbs import VERBS
from relayproto.administration import (
    CHANGES,
    AssignOffice,
    CloseUnit,
    CreateUnit,
    GetUnits,
    GrantRole,
    HandOver,
    InviteMember,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    RenameUnit,
    RevokeRole,
    RotateKey,
    SuspendOrganisation,
)
from relayproto.codes import Kind
from relayproto.primitives import ed25519_public
from relayproto.rootkeys import sign_successor
from relayproto.rosters import Claim, GetClaims, GetRoster, RefuseClaim, StrikeLine
from relayproto.standing import Role, Standing
from support.attestable import Department
from support.organisations import NOW_MS, RELAY, YEAR_MS, founding, registry, seed_of
from support.rostered import in_force, line, seat

ELSEWHERE = {Kind.APPROVE, Kind.WITHDRAW}
ORGANISATIONS, ACCOUNTS = 500, 100_000
LARGE = {"account", "device", "ticket", "unit", "organisation", "held_role", "holder", "domain", "roster",
         "roster_line", "claim"}  # fmt: skip
"""Tables that grow with people and units; no verb reads one from end to end."""


def test_every_change_but_those_of_proposals_has_its_verb() -> None:
    assert VERBS.keys() == CHANGES.keys() - ELSEWHERE


def populate(desk) -> None:
    """Fill 500 organisations with 10 units and 200 people each."""
    db = desk.db
    db.execute("BEGIN")
    for number in range(ORGANISATIONS):
        first = 100 + number * 10
        db.executemany(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, ?, 1)",
            [(first + each, first if each else 0, first, f"unit {first + each}") for each in range(10)],
        )
        db.execute("INSERT INTO organisation VALUES (?, ?, x'', 1)", (first, number.to_bytes(32)))
        db.execute("INSERT INTO domain VALUES (?, ?)", (f"d{number}.example", first))
    db.executemany(
        "INSERT INTO account (account, address, look, unit, standing, list_version, highest_device, devices, signature)"
        " VALUES (?1, ?2, ?2, ?3, 2, 1, 1, x'', x'')",
        [
            (number.to_bytes(32), f"a{number}@d{number % ORGANISATIONS}.example", 100 + number % (ORGANISATIONS * 10))
            for number in range(ACCOUNTS)
        ],
    )
    db.execute("COMMIT")
    db.execute("ANALYZE")


def everything(desk) -> None:
    """Do every change that has a verb, as those do who may."""
    operator = desk.operator()
    (root, admin), (other, _) = desk.organisation(), desk.organisation("pwd.example")
    unit, second = (desk.done(admin, CreateUnit(root, name)).value for name in ("first", "second"))
    below = desk.done(admin, CreateUnit(unit, "below")).value
    bob, carol, post = (desk.person(f"{name}@gad.example") for name in ("bob", "carol", "post"))
    desk.come(post, unit, Standing.OFFICE)
    key, until_ms = ed25519_public(b"n" * 32), NOW_MS + YEAR_MS
    signed = [sign_successor(seed, RELAY, root, key) for seed in (seed_of("gad.example"), b"n" * 32)]
    for change in (
        PlaceMember(unit, bob, Standing.INVITED), PlaceMember(unit, carol, Standing.INVITED),
        AssignOffice(unit, post, bob, True),
        GrantRole(unit, bob, Role.VERIFIER, until_ms), HandOver(unit, bob, carol), RenameUnit(unit, "First"),
        MoveUnit(below, second), RevokeRole(unit, carol, Role.VERIFIER), PlaceMember(unit, carol, Standing.PUBLIC),
        InviteMember(unit, "new@gad.example", Standing.INVITED, 60), CloseUnit(below), RotateKey(root, key, *signed),
    ):  # fmt: skip
        desk.done(admin, change)
    expecting(desk, admin, unit, bob)
    for suspended in (True, False):
        desk.done(operator, SuspendOrganisation(other, suspended))
    desk.done(operator, MergeOrganisation(other, second))
    desk.done(operator, founding("Third", "third.example", desk.person("third@third.example")), "third.example")
    units.listed(desk.db, GetUnits(root, 0, 100))
    grants.end(desk.commit)
    desk.commit.party(bob)


def expecting(desk, admin: bytes, unit: int, bob: bytes) -> None:
    """Let a roster come in force, settle, be read and struck, and claims arise and be refused."""
    at = Department(desk, unit, unit, admin, admin, bob)
    for name in (b"1" * 16, b"2" * 16):
        in_force(at, line("bob"), line("dan"), line("erin"), unit=unit, name=name)
    claims.arrived(desk.commit, desk.row(bob), "bob@gad.example")
    claims.make(desk.commit, seat(at, bob), Claim("", ""))
    claims.own(desk.commit, bob)
    rosters.sweep(desk.commit)
    in_force(at, line("bob"), unit=unit, name=b"3" * 16)
    rosters.look(desk.commit, GetRoster(unit, b"", 0, 100), [])
    rosters.look(desk.commit, GetRoster(unit, b"3" * 16, 0, 100), [])
    claims.listed(desk.commit, GetClaims(unit, 0, 100))
    desk.done(admin, RefuseClaim(unit, bob))
    desk.done(admin, StrikeLine(unit, "dan@gad.example"))
    rosters.sweep(desk.commit)
    claims.expire(desk.commit)


OF_FEW = {"SELECT name FROM domain"}
"""Whether a new organisation's domain looks like another: there are hundreds, and two operators ask for it."""


def scans(desk, statement: str) -> set[str]:
    """Return the large tables that a statement reads from end to end, as SQLite plans it."""
    plan = [row[3] for row in desk.db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
    found = {match[1] for line in plan if (match := re.match(r"SCAN (\w+)", line))}
    names = {alias: name for name, alias in re.findall(r"(?:FROM|JOIN) (\w+) (?:AS )?(?=(\w+))", statement)}
    return {names.get(each, each) for each in found} & LARGE


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    with registry(tmp_path_factory.mktemp("large")) as desk:
        populate(desk)
        yield desk


def test_no_verb_looks_through_all_accounts_or_units(large, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("support.organisations.tables", lambda _: "not compared here")
    large.db.set_trace_callback(said.append)
    everything(large)
    large.db.set_trace_callback(None)

    asked = {statement for statement in said if re.match(r"SELECT|WITH|UPDATE|DELETE", statement)}

    assert len(asked) > 60
    assert {statement: scans(large, statement) for statement in asked - OF_FEW if scans(large, statement)} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM account WHERE standing = 4",
        "SELECT 1 FROM unit JOIN account a ON a.policy = unit.id WHERE unit.id = 1",
        "SELECT unit FROM held_role h WHERE account > unit",
    ],
)
def test_a_statement_that_looks_through_a_table_is_found(large, statement: str) -> None:
    assert scans(large, statement) != set()


def test_who_belongs_to_a_unit_is_found_by_the_index_by_unit(large) -> None:
    plan = large.db.execute(f"EXPLAIN QUERY PLAN {units.PEOPLED}", (100,)).fetchall()

    assert ["account_of_unit (unit=?)" in row[3] for row in plan] == [True]


def test_how_many_invitations_of_a_unit_are_open_is_found_by_the_index_by_unit(large) -> None:
    plan = large.db.execute(f"EXPLAIN QUERY PLAN {accounts.OPEN}", (100, 0)).fetchall()

    assert ["ticket_by_unit (unit=?)" in row[3] for row in plan] == [True]
