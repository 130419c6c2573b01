"""Whatever officers do, in any order, organisations fit together: what relayd verify looks for is never there."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relayd.store import offices, whole
from relayproto.administration import (
    AssignOffice,
    CloseUnit,
    CreateUnit,
    GrantRole,
    HandOver,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    RevokeRole,
    SuspendOrganisation,
)
from relayproto.standing import PLATFORM, Role, Standing, UnitState
from support.organisations import NOW_MS, founding, registry

ROOTS = {1: 1, 5: 3}
"""Admin -> organisation; the number after it is a unit of it, and the three after him belong to it at first."""
ADMINS = st.sampled_from(sorted(ROOTS))
UNITS = st.integers(0, 8)
PEOPLE = st.integers(0, 12)
UNIT = st.sampled_from((0, 1, 0, 1, 0, 1, 2, 5))
"""How far behind his organisation an admin's unit stands: most are his own."""
PERSON = st.sampled_from((0, 1, 2, 0, 1, 2, 0, 1, 3, 4, 8, 12))
"""How far behind the first after him whom he means stands: most are his own."""
ROLES = st.sampled_from(Role)
DOMAINS = ("a.example", "b.example", "c.example")


class Officers(RuleBasedStateMachine):
    """Everybody tries everything by the verbs alone, so that nothing hangs on who was let through to them."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.desk = self.stack.enter_context(registry(Path(directory)))
        patch = pytest.MonkeyPatch()
        patch.setattr(offices, "HOLDERS_MAX", 2)
        patch.setattr("relayd.store.grants.ROLES_HELD_MAX", 3)
        self.stack.callback(patch.undo)

    @initialize()
    def begin(self) -> None:
        names = [f"{name}@{domain}" for domain in DOMAINS for name in ("w", "x", "y", "z")]
        self.people = [self.desk.operator(), *map(self.desk.person, names)]
        for domain, admin in ((DOMAINS[0], 1), (DOMAINS[1], 5)):
            founded = founding(domain, domain, self.people[admin])
            root = self.desk.done(self.people[0], founded, domain).value
            self.desk.done(self.people[admin], CreateUnit(root, "Records"))
            for number in (admin + 1, admin + 2):
                self.desk.done(self.people[admin], PlaceMember(root, self.people[number], Standing.INVITED))
            self.desk.come(self.people[admin + 3], root, Standing.OFFICE)
            first, second, post = self.people[admin + 1 : admin + 4]
            for change in (
                AssignOffice(root, post, first, True), GrantRole(root + 1, first, Role.UNIT_ADMIN, NOW_MS + 1),
                GrantRole(root + 1, second, Role.AUDITOR, NOW_MS + 1),
            ):  # fmt: skip
                self.desk.done(self.people[admin], change)

    def teardown(self) -> None:
        self.stack.close()

    def standing_of(self, account: bytes) -> Any:
        answered = self.desk.db.execute("SELECT count(*) FROM holder WHERE account = ?", (self.desk.row(account),))
        return self.desk.belongs(account), self.desk.held(account), answered.fetchone()

    def tried(self, actor: int, change: Any) -> None:
        """Let somebody try a change; whatever comes of it, he has no role more than before and stays where he is."""
        account = self.people[actor]
        place, held, _ = self.standing_of(account)
        self.desk.do(account, change)
        after, held_after, _ = self.standing_of(account)
        assert after == place
        assert held_after <= held

    @rule(actor=PEOPLE, unit=UNITS, account=PEOPLE, role=ROLES)
    def grant(self, actor: int, unit: int, account: int, role: Role) -> None:
        self.tried(actor, GrantRole(unit, self.people[account], role, NOW_MS + 1))

    @rule(actor=PEOPLE, unit=UNITS, account=PEOPLE, role=ROLES)
    def revoke(self, actor: int, unit: int, account: int, role: Role) -> None:
        self.tried(actor, RevokeRole(unit, self.people[account], role))

    def near(self, admin: int, account: int) -> bytes:
        return self.people[(admin + 1 + account) % len(self.people)]

    @rule(admin=ADMINS, unit=UNIT, account=PERSON, role=ROLES)
    def grant_rightly(self, admin: int, unit: int, account: int, role: Role) -> None:
        self.tried(admin, GrantRole(ROOTS[admin] + unit, self.near(admin, account), role, NOW_MS + 1))

    @rule(admin=ADMINS, unit=UNIT, account=PERSON, role=ROLES)
    def revoke_rightly(self, admin: int, unit: int, account: int, role: Role) -> None:
        self.tried(admin, RevokeRole(ROOTS[admin] + unit, self.near(admin, account), role))

    @rule(admin=ADMINS, unit=UNIT, giver=PERSON, taker=PERSON)
    def hand_over(self, admin: int, unit: int, giver: int, taker: int) -> None:
        self.tried(admin, HandOver(ROOTS[admin] + unit, self.near(admin, giver), self.near(admin, taker)))

    @rule(admin=ADMINS, unit=UNIT, account=PERSON, standing=st.sampled_from(Standing))
    def place(self, admin: int, unit: int, account: int, standing: Standing) -> None:
        self.tried(admin, PlaceMember(ROOTS[admin] + unit, self.near(admin, account), standing))

    @rule(admin=ADMINS, account=PERSON, answers=st.sampled_from((True, True, False)))
    def assign(self, admin: int, account: int, answers: bool) -> None:
        office = self.people[admin + 3]
        self.tried(admin, AssignOffice(ROOTS[admin], office, self.near(admin, account), answers))

    @rule(admin=ADMINS, unit=UNIT, other=UNIT)
    def move(self, admin: int, unit: int, other: int) -> None:
        self.tried(admin, MoveUnit(ROOTS[admin] + unit, ROOTS[admin] + other))

    @rule(admin=ADMINS, unit=UNIT)
    def close(self, admin: int, unit: int) -> None:
        self.desk.do(self.people[admin], CloseUnit(ROOTS[admin] + unit))

    @rule(unit=UNITS, into=UNITS)
    def merge(self, unit: int, into: int) -> None:
        self.tried(0, MergeOrganisation(unit, into))

    @rule(unit=UNITS)
    def suspend_and_lift(self, unit: int) -> None:
        for suspended in (True, False):
            self.tried(0, SuspendOrganisation(unit, suspended))

    @rule(account=PEOPLE)
    def found(self, account: int) -> None:
        domain = DOMAINS[2]
        self.desk.do(self.people[0], founding(domain, domain, self.people[account]), domain)

    @invariant()
    def everything_fits_together(self) -> None:
        assert {each.rule: each.first for each in whole.rules(self.desk.db) if each.wrong} == {}

    @invariant()
    def nobody_holds_what_does_not_go_together(self) -> None:
        for account in self.people:
            held = self.desk.held(account)
            assert len(held) <= 3
            assert not any(role == Role.AUDITOR for role, _ in held) or {role for role, _ in held} == {Role.AUDITOR}
            assert all(role != Role.PLATFORM_OPERATOR or unit == PLATFORM for role, unit in held)

    @invariant()
    def only_organisations_are_suspended(self) -> None:
        suspended = "SELECT count(*) FROM unit WHERE state = ? AND under != 0"
        assert self.desk.db.execute(suspended, (UnitState.SUSPENDED,)).fetchone() == (0,)


TestOfficers = Officers.TestCase
TestOfficers.settings = settings(
    max_examples=30, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
