"""relay role."""

import pytest

from relayproto.administration import GrantRole, RevokeRole
from relayproto.administration_replies import Acted, Grant
from relayproto.standing import ActState, Role
from support.registrar import Registrar

DAY_MS = 86_400_000


@pytest.fixture
def works(office):
    office.join("alice", "bob")
    grants = [Grant(3, 2, b"b" * 32, "bob@office.example", Role.VERIFIER, 20 * DAY_MS)]
    return Registrar(grants=grants).install(office.relay)


def test_roles_are_listed(office, works):
    ran = office.run("alice", "role", "list", "2")
    [said] = office.run("alice", "role", "list", "2", "--json").lines

    assert ran.out.splitlines()[1].split() == ["2", "bob@office.example", "verifier", "1970-01-21"]
    assert said == {"unit": 2, "account": "62" * 32, "address": "bob@office.example", "role": "verifier",
                    "until_ms": 20 * DAY_MS}  # fmt: skip


def test_all_pages_are_listed(office, works):
    works.grants = [Grant(n, 2, b"b" * 32, "b@office.example", Role.VERIFIER, DAY_MS) for n in range(1, 251)]

    assert len(office.run("alice", "role", "list", "2", "--json").lines) == 250


def test_a_role_is_granted_until_a_day(office, works):
    bob = office.relay.addresses["bob@office.example"]

    ran = office.run("alice", "role", "grant", "2", "bob@office.example", "unit-admin", "--until", "2027-03-31")

    assert works.changes == [GrantRole(2, bob, Role.UNIT_ADMIN, 1_806_451_200_000)]
    assert "bob@office.example is unit-admin over unit 2 until 2027-03-31." in ran.out


def test_a_role_is_granted_for_half_a_year_where_no_day_is_named(office, works):
    office.run("alice", "role", "grant", "2", "bob@office.example", "unit-admin")

    [act] = works.acts
    assert abs(act.change.until_ms - act.issued_ms - 180 * DAY_MS) < 60_000


def test_what_waits_for_a_second_person_is_told_with_the_next_step(office, works):
    works.outcome = Acted(ActState.PROPOSED, 9, 4, b"")

    ran = office.run("alice", "role", "grant", "0", "bob@office.example", "auditor")

    assert ran.status == 0
    assert "Proposal 4 waits for a second person" in ran.out
    assert "relay proposal approve 4" in ran.err
    assert "platform-operator or organisation-admin" in ran.err


@pytest.mark.parametrize("until", ["2020-01-01", "2099-01-01"])
def test_an_end_that_no_role_can_have_is_told_before_it_is_sent(office, works, until):
    ran = office.run("alice", "role", "grant", "2", "bob@office.example", "unit-admin", "--until", until)

    assert (ran.status, works.acts) == (65, [])
    assert "a role ends in the future and within 366 days" in ran.err


def test_a_role_is_revoked_after_a_yes(office, works):
    bob = office.relay.addresses["bob@office.example"]

    assert office.run("alice", "role", "revoke", "2", "bob@office.example", "verifier").status == 64
    ran = office.run("alice", "role", "revoke", "2", "bob@office.example", "verifier", "--yes")

    assert works.changes == [RevokeRole(2, bob, Role.VERIFIER)]
    assert "no longer" in ran.out


def test_one_is_found_by_ones_own_address(office, works):
    office.run("alice", "role", "revoke", "2", "alice@office.example", "verifier", "--yes")

    assert works.changes[0].account == office.relay.addresses["alice@office.example"]


def test_a_role_that_does_not_exist_is_a_usage_error(office, works):
    assert office.run("alice", "role", "grant", "2", "bob@office.example", "king").status == 2
