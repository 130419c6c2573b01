"""Roles: who may give and take them, what nobody can hold together, and that they end."""

import pytest

from relayd.domain.acting import Effect
from relayd.store import grants
from relayproto.administration import (
    AssignOffice,
    CloseUnit,
    CreateUnit,
    GrantRole,
    HandOver,
    RevokeRole,
    SuspendOrganisation,
)
from relayproto.codes import Code
from relayproto.limits import GRANT_LIFETIME_S_MAX, ROLES_HELD_MAX
from relayproto.rules import GRANTED_BY, PLATFORM_ROLES
from relayproto.standing import PLATFORM, Role, Standing
from support.organisations import NOW_MS, YEAR_MS, registry

UNTIL_MS = NOW_MS + YEAR_MS


def office(desk, *names: str) -> tuple[bytes, int, int, list[bytes]]:
    """Make an organisation with a unit, and officers in it; return admin, organisation, unit and officers."""
    root, admin = desk.organisation()
    unit = desk.done(admin, CreateUnit(root, "Records")).value
    return admin, root, unit, [desk.person(f"{name}@gad.example", unit, Standing.VERIFIED) for name in names]


def test_a_role_is_granted_renewed_and_revoked(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit, [bob] = office(desk, "bob")

        granted = desk.done(admin, GrantRole(unit, bob, Role.VERIFIER, UNTIL_MS))
        renewed = desk.done(admin, GrantRole(unit, bob, Role.VERIFIER, UNTIL_MS - 1))
        held = desk.db.execute("SELECT until_ms FROM held_role WHERE account = ?", (desk.row(bob),)).fetchall()
        revoked = desk.done(admin, RevokeRole(unit, bob, Role.VERIFIER))

        assert held == [(UNTIL_MS - 1,)]
        assert desk.held(bob) == set()
        assert (granted.before, renewed.before, renewed.after, revoked.after) == (
            b"", granted.after, revoked.before, b"",
        )  # fmt: skip
        assert {effect.unit for effect in (granted, renewed, revoked)} == {unit}
        assert desk.do(admin, RevokeRole(unit, bob, Role.VERIFIER)) is Code.NOT_PERMITTED


@pytest.mark.parametrize("granter", Role)
def test_who_grants_holds_a_role_that_may(tmp_path, granter: Role) -> None:
    with registry(tmp_path) as desk:
        _, root, unit, [carol] = office(desk, "carol")
        desk.hold(carol, granter, PLATFORM if granter is Role.PLATFORM_OPERATOR else root)
        reached = root if granter is Role.PLATFORM_OPERATOR else unit
        for role in Role:
            bob = desk.person(f"{role.name}@gad.example", unit, Standing.VERIFIED)

            granted = desk.do(carol, GrantRole(reached, bob, role, UNTIL_MS))

            may = granter in GRANTED_BY[role]
            if may and role is not Role.PLATFORM_OPERATOR:
                assert (isinstance(granted, Effect), desk.held(bob)) == (True, {(role, reached)})
            else:
                assert (granted, desk.held(bob)) == (Code.NOT_PERMITTED, set())
                desk.hold(bob, role, reached)
            revoked = desk.do(carol, RevokeRole(reached, bob, role))
            assert isinstance(revoked, Effect) if may else revoked is Code.NOT_PERMITTED


@pytest.mark.parametrize("role", Role)
def test_over_the_platform_anybody_holds_the_platforms_roles_and_no_others(tmp_path, role: Role) -> None:
    with registry(tmp_path) as desk:
        bob, root = desk.person("bob@elsewhere.example"), desk.organisation()[0]

        effect = desk.do(desk.operator(), GrantRole(PLATFORM, bob, role, UNTIL_MS))
        over_an_organisation = desk.do(desk.operator(), GrantRole(root, bob, Role.PLATFORM_OPERATOR, UNTIL_MS))

        assert isinstance(effect, Effect) == (role in PLATFORM_ROLES)
        assert isinstance(effect, Effect) or effect is Code.NOT_PERMITTED
        assert over_an_organisation is Code.NOT_PERMITTED


def test_nobody_grants_to_himself_and_everybody_may_lay_down(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, [bob] = office(desk, "bob")
        desk.hold(bob, Role.VERIFIER, unit)

        assert desk.do(admin, GrantRole(root, admin, Role.KEY_HOLDER, UNTIL_MS)) is Code.NOT_PERMITTED
        assert isinstance(desk.do(bob, RevokeRole(unit, bob, Role.VERIFIER)), Effect)
        assert isinstance(desk.do(admin, RevokeRole(root, admin, Role.ORGANISATION_ADMIN)), Effect)
        assert desk.held(bob) == desk.held(admin) == set()


def test_only_the_organisations_own_hold_its_roles(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit, _ = office(desk)
        _, foreign = desk.organisation("pwd.example")
        public = desk.person("carol@gad.example")

        for nobody in (foreign, public, b"x" * 32):
            assert desk.do(admin, GrantRole(unit, nobody, Role.VERIFIER, UNTIL_MS)) is Code.NOT_PERMITTED
            assert desk.do(admin, RevokeRole(unit, nobody, Role.VERIFIER)) is Code.NOT_PERMITTED


def test_an_unknown_unit_is_a_forbidden_one_and_over_a_closed_one_nothing_is_held(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, _ = office(desk)
        bob = desk.person("bob@gad.example", root, Standing.VERIFIED)
        grant = GrantRole(unit, bob, Role.VERIFIER, UNTIL_MS)
        desk.done(admin, CloseUnit(unit))

        assert desk.do(admin, GrantRole(999, bob, Role.VERIFIER, UNTIL_MS)) is Code.NOT_PERMITTED
        assert desk.do(admin, grant) is Code.NOT_PERMITTED
        desk.db.execute("UPDATE unit SET under = 0, organisation = id WHERE id = ?", (unit,))
        admins = GrantRole(unit, bob, Role.ORGANISATION_ADMIN, UNTIL_MS)
        assert desk.do(desk.operator(), admins) is Code.CONFLICT


def test_operators_put_an_admin_over_a_suspended_organisation_and_its_own_do_not(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, _, [bob] = office(desk, "bob")
        desk.done(desk.operator(), SuspendOrganisation(root, True))
        grant = GrantRole(root, bob, Role.ORGANISATION_ADMIN, UNTIL_MS)

        assert desk.do(admin, grant) is Code.NOT_PERMITTED
        assert isinstance(desk.do(desk.operator(), grant), Effect)


@pytest.mark.parametrize("until_ms", [0, NOW_MS, NOW_MS + GRANT_LIFETIME_S_MAX * 1000 + 1])
def test_a_grant_ends_and_has_not_ended(tmp_path, until_ms: int) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit, [bob] = office(desk, "bob")

        assert desk.do(admin, GrantRole(unit, bob, Role.VERIFIER, until_ms)) is Code.BAD_LIFETIME
        for soon in (NOW_MS + 1, NOW_MS + GRANT_LIFETIME_S_MAX * 1000):
            assert isinstance(desk.do(admin, GrantRole(unit, bob, Role.VERIFIER, soon)), Effect)


def test_an_auditor_is_nothing_else(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, [bob, carol, dave] = office(desk, "bob", "carol", "dave")
        desk.hold(bob, Role.AUDITOR, root)
        desk.hold(carol, Role.VERIFIER, unit)
        desk.hold(dave, Role.VERIFIER, unit, NOW_MS)

        assert desk.do(admin, GrantRole(unit, bob, Role.VERIFIER, UNTIL_MS)) is Code.CONFLICT
        assert desk.do(admin, GrantRole(root, carol, Role.AUDITOR, UNTIL_MS)) is Code.CONFLICT
        assert desk.do(desk.operator(), GrantRole(PLATFORM, bob, Role.ABUSE_OFFICER, UNTIL_MS)) is Code.CONFLICT
        assert isinstance(desk.do(admin, GrantRole(unit, bob, Role.AUDITOR, UNTIL_MS)), Effect)
        assert isinstance(desk.do(admin, GrantRole(root, dave, Role.AUDITOR, UNTIL_MS)), Effect)


def test_somebody_holds_so_many_roles(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, [bob] = office(desk, "bob")
        for number in range(ROLES_HELD_MAX):
            desk.hold(bob, Role.VERIFIER, 1_000 + number)

        assert desk.do(admin, GrantRole(unit, bob, Role.VERIFIER, UNTIL_MS)) is Code.LIMIT
        desk.db.execute("UPDATE held_role SET unit = ? WHERE unit = 1000", (unit,))
        assert isinstance(desk.do(admin, GrantRole(unit, bob, Role.VERIFIER, UNTIL_MS - 1)), Effect)
        assert desk.do(admin, GrantRole(root, bob, Role.VERIFIER, UNTIL_MS)) is Code.LIMIT


def test_roles_that_are_over_go_a_bounded_number_at_a_time(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(grants, "ROWS_MAX", 2)
    with registry(tmp_path) as desk:
        _, _, unit, [bob] = office(desk, "bob")
        desk.db.execute("DELETE FROM held_role")
        for role, until_ms in ((1, NOW_MS), (2, NOW_MS - 1), (3, NOW_MS - 2), (4, NOW_MS + 1)):
            desk.hold(bob, Role(role), unit, until_ms)

        left = []
        for _ in range(2):
            grants.end(desk.commit)
            left.append({role for role, _ in desk.held(bob)})

        assert left == [{1, 4}, {4}]


def test_what_is_over_but_not_swept_is_not_held(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit, [bob, carol] = office(desk, "bob", "carol")
        desk.hold(bob, Role.UNIT_ADMIN, unit, NOW_MS)

        assert desk.do(bob, GrantRole(unit, carol, Role.VERIFIER, UNTIL_MS)) is Code.NOT_PERMITTED
        assert desk.do(admin, RevokeRole(unit, bob, Role.UNIT_ADMIN)) is Code.NOT_PERMITTED
        assert desk.do(admin, HandOver(unit, bob, carol)) is Code.CONFLICT
        assert desk.done(admin, GrantRole(unit, bob, Role.UNIT_ADMIN, UNTIL_MS)).before == b""


def test_all_that_somebody_holds_within_a_unit_is_handed_over(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, [bob, carol] = office(desk, "bob", "carol")
        post = desk.person("post@gad.example", unit, Standing.OFFICE)
        below = desk.done(admin, CreateUnit(unit, "Below")).value
        desk.done(admin, AssignOffice(unit, post, bob, True))
        for role, over, until_ms in (
            (Role.VERIFIER, unit, NOW_MS + 5), (Role.BROADCASTER, below, NOW_MS + 5),
            (Role.GROUP_ADMIN, root, UNTIL_MS), (Role.STATISTICS_VIEWER, PLATFORM, UNTIL_MS),
        ):  # fmt: skip
            desk.hold(bob, role, over, until_ms)
        desk.hold(carol, Role.VERIFIER, unit, NOW_MS + 9)

        effect = desk.done(admin, HandOver(unit, bob, carol))

        assert desk.held(bob) == {(Role.GROUP_ADMIN, root), (Role.STATISTICS_VIEWER, PLATFORM)}
        found = desk.db.execute("SELECT role, unit, until_ms FROM held_role WHERE account = ?", (desk.row(carol),))
        assert set(found) == {(Role.VERIFIER, unit, NOW_MS + 9), (Role.BROADCASTER, below, NOW_MS + 5)}
        assert desk.db.execute("SELECT * FROM holder").fetchall() == [(desk.row(post), desk.row(carol))]
        assert (effect.unit, len({effect.before, effect.after, b""})) == (unit, 3)


@pytest.mark.parametrize("standing", [Standing.OFFICE, Standing.APPLICATION])
def test_people_alone_are_given_roles(tmp_path, standing: Standing) -> None:
    """Several answer for an office: nobody would give himself something by giving it to his own."""
    with registry(tmp_path) as desk:
        admin, _, unit, [bob, carol] = office(desk, "bob", "carol")
        post = desk.person("post@gad.example", unit, standing)
        public = desk.person("removed@gad.example", PLATFORM, standing)
        desk.hold(bob, Role.VERIFIER, unit)

        assert desk.do(admin, GrantRole(unit, post, Role.VERIFIER, UNTIL_MS)) is Code.NOT_PERMITTED
        assert desk.do(desk.operator(), GrantRole(PLATFORM, public, Role.AUDITOR, UNTIL_MS)) is Code.NOT_PERMITTED
        assert desk.do(admin, HandOver(unit, bob, post)) is Code.NOT_PERMITTED
        assert isinstance(desk.do(admin, HandOver(unit, bob, carol)), Effect)


def test_an_auditor_s_grant_is_renewed_and_not_shortened(tmp_path) -> None:
    """Two end it; a renewal until a moment from now would be an end by one."""
    with registry(tmp_path) as desk:
        admin, _, unit, [bob] = office(desk, "bob")
        desk.done(admin, GrantRole(unit, bob, Role.AUDITOR, UNTIL_MS - 5))

        assert desk.do(admin, GrantRole(unit, bob, Role.AUDITOR, UNTIL_MS - 6)) is Code.CONFLICT
        assert isinstance(desk.do(admin, GrantRole(unit, bob, Role.AUDITOR, UNTIL_MS)), Effect)


def test_what_may_not_be_handed_over_stays(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, [bob, carol, dave, erin] = office(desk, "bob", "carol", "dave", "erin")
        _, foreign = desk.organisation("pwd.example")
        desk.hold(bob, Role.KEY_HOLDER, unit)
        desk.hold(carol, Role.UNIT_ADMIN, unit)
        desk.hold(dave, Role.AUDITOR, root)

        for to in (foreign, desk.person("public@gad.example"), b"x" * 32, admin, bob):
            assert desk.do(admin, HandOver(unit, bob, to)) is Code.NOT_PERMITTED
        assert desk.do(admin, HandOver(unit, b"x" * 32, carol)) is Code.NOT_PERMITTED
        assert desk.do(admin, HandOver(999, bob, carol)) is Code.NOT_PERMITTED
        assert desk.do(admin, HandOver(unit, erin, carol)) is Code.CONFLICT
        assert desk.do(admin, HandOver(unit, bob, dave)) is Code.CONFLICT
        # A unit's admin may hand over, but gives no role that he could not grant.
        assert desk.do(carol, HandOver(unit, bob, erin)) is Code.NOT_PERMITTED
        for number in range(ROLES_HELD_MAX):
            desk.hold(erin, Role.VERIFIER, 1_000 + number)
        assert desk.do(admin, HandOver(unit, bob, erin)) is Code.LIMIT


def test_an_application_answers_for_no_office_that_is_handed_over(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit, [bob, carol] = office(desk, "bob", "carol")
        post = desk.person("post@gad.example", unit, Standing.OFFICE)
        desk.done(admin, AssignOffice(unit, post, bob, True))
        application = desk.person("app@gad.example", unit, Standing.APPLICATION)

        assert desk.do(admin, HandOver(unit, bob, application)) is Code.NOT_PERMITTED
        assert isinstance(desk.do(admin, HandOver(unit, bob, carol)), Effect)
