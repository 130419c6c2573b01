import pytest

from relayd.domain.acting import Actor, Authority, Denied
from relayd.domain.authority import Reach
from relayd.store import authority
from relayproto.administration import (
    CreateUnit,
    GrantRole,
    MergeOrganisation,
    MoveUnit,
    RevokeRole,
    SuspendOrganisation,
)
from relayproto.codes import Code, Kind
from relayproto.rules import RULES, Rule
from relayproto.standing import PLATFORM, Role, Standing, UnitState, Where
from support.officers import Chamber, chamber


@pytest.fixture
def made():
    with chamber() as opened:
        for number, under in ((1, 0), (2, 1), (3, 2), (6, 0)):
            opened.unit(number, under)
        yield opened


def actor(made: Chamber, account: bytes) -> Actor:
    found = authority.actor(made.view, account)
    assert found is not None
    return found


def test_an_account_acts_with_what_it_is(made: Chamber) -> None:
    made.place(made.alice, 3)

    who = authority.actor(made.view, made.alice.account, frozenset({"u1.example"}))

    assert who is not None
    assert (who.address, who.standing, who.unit) == ("alice@gad.example", Standing.VERIFIED, 3)
    assert who.proven == {"u1.example"}
    assert authority.actor_of_row(made.view, who.row) == actor(made, made.alice.account)
    assert authority.actor(made.view, bytes(32)) is None
    assert authority.actor_of_row(made.view, 99) is None


def test_the_way_up_ends_at_the_organisation(made: Chamber) -> None:
    assert authority.chain(made.view, 3) == (3, 2, 1)
    assert authority.chain(made.view, 6) == (6,)
    assert authority.chain(made.view, PLATFORM) == (PLATFORM,)
    assert authority.chain(made.view, 77) == ()


@pytest.mark.parametrize("stopped", [1, 2, 3])
@pytest.mark.parametrize("state", [UnitState.SUSPENDED, UnitState.CLOSED])
def test_what_is_below_something_suspended_does_not_work(made: Chamber, stopped: int, state: UnitState) -> None:
    made.db.execute("UPDATE unit SET state = ? WHERE id = ?", (state, stopped))

    assert authority.reach(made.view, 3) == Reach((3, 2, 1), working=False)
    assert authority.reach(made.view, 6).working


def test_a_way_that_is_a_circle_ends(made: Chamber) -> None:
    made.db.execute("UPDATE unit SET under = 3 WHERE id = 1")

    assert len(authority.chain(made.view, 3)) <= 13


def test_a_role_counts_until_its_time_is_over(made: Chamber) -> None:
    made.hold(made.alice.account, Role.UNIT_ADMIN, 2, made.now_ms + 1000)
    who = actor(made, made.alice.account)
    rule = RULES[Kind.CREATE_UNIT]
    assert authority.find(made.view, who, rule, 3) == Authority(Role.UNIT_ADMIN, 2)

    made.clock.advance(1)

    assert authority.find(made.view, who, rule, 3) is None


@pytest.mark.parametrize("standing", Standing)
def test_people_alone_hold_roles(made: Chamber, standing: Standing) -> None:
    person = standing not in (Standing.APPLICATION, Standing.OFFICE)
    made.place(made.alice, 2, standing)
    made.hold(made.alice.account, Role.UNIT_ADMIN, 2)

    who = actor(made, made.alice.account)

    assert authority.held(made.view, who.row) == ([Authority(Role.UNIT_ADMIN, 2)] if person else [])
    assert authority.may_hold(made.view, who.row) is person


@pytest.mark.parametrize(("stopped", "state"), [(1, UnitState.SUSPENDED), (2, UnitState.CLOSED)])
def test_whose_organisation_does_not_work_holds_nothing_over_the_platform(made: Chamber, stopped: int, state) -> None:
    for who, unit in ((made.alice, 2), (made.bob, PLATFORM)):
        made.place(who, unit)
        made.hold(who.account, Role.PLATFORM_OPERATOR)
    made.hold(made.alice.account, Role.UNIT_ADMIN, 2)
    made.db.execute("UPDATE unit SET state = ? WHERE id = ?", (state, stopped))
    alice, bob = actor(made, made.alice.account), actor(made, made.bob.account)

    assert authority.held(made.view, alice.row) == [Authority(Role.UNIT_ADMIN, 2)]
    assert authority.held(made.view, bob.row) == [Authority(Role.PLATFORM_OPERATOR, PLATFORM)]
    assert [authority.may_hold(made.view, who.row) for who in (alice, bob)] == [False, True]
    with pytest.raises(Denied):
        authority.require(made.view, alice, SuspendOrganisation(1, False))


@pytest.mark.parametrize(("over", "gains"), [(PLATFORM, False), (1, True), (2, True), (3, False), (6, True)])
def test_who_holds_a_role_where_something_is_merged_gains_by_it(made: Chamber, over: int, gains: bool) -> None:
    made.hold(made.alice.account, Role.STATISTICS_VIEWER, over)

    assert authority.gains(made.view, actor(made, made.alice.account), MergeOrganisation(6, 2)) is gains


def test_a_unit_is_of_one_organisation_or_there_is_none(made: Chamber) -> None:
    assert [authority.root(made.view, unit) for unit in (PLATFORM, 1, 3, 6, 77)] == [PLATFORM, 1, 1, 6, None]


def test_a_rule_of_the_platform_is_checked_there_wherever_the_change_is(made: Chamber) -> None:
    made.hold(made.alice.account, Role.AUDITOR, 6)
    made.hold(made.bob.account, Role.AUDITOR, PLATFORM)
    rule = Rule(Where.PLATFORM, frozenset({Role.AUDITOR}))

    assert authority.find(made.view, actor(made, made.alice.account), rule, 6) is None
    assert authority.find(made.view, actor(made, made.bob.account), rule, 6) == Authority(Role.AUDITOR, PLATFORM)


def test_what_moves_needs_a_right_over_both_ends(made: Chamber) -> None:
    made.hold(made.alice.account, Role.UNIT_ADMIN, 3)
    who = actor(made, made.alice.account)
    assert authority.require(made.view, who, CreateUnit(3, "x")) == Authority(Role.UNIT_ADMIN, 3)

    for change in (MoveUnit(3, 2), MoveUnit(2, 3)):
        with pytest.raises(Denied) as denied:
            authority.require(made.view, who, change)
        assert denied.value.code is Code.NOT_PERMITTED


def test_members_are_those_of_the_unit_and_of_all_below(made: Chamber) -> None:
    made.place(made.alice, 2)
    alice, bob = actor(made, made.alice.account), actor(made, made.bob.account)

    assert [authority.is_member(made.view, alice, unit) for unit in (PLATFORM, 1, 2, 3, 6, 77)] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert [authority.is_member(made.view, bob, unit) for unit in (PLATFORM, 1)] == [True, False]


def test_nobody_is_allowed_what_favours_him_and_everybody_lays_his_own_down(made: Chamber) -> None:
    made.hold(made.alice.account, Role.UNIT_ADMIN, 2)
    who, me = actor(made, made.alice.account), made.alice.account
    mine = authority.require(made.view, who, RevokeRole(2, me, Role.UNIT_ADMIN))

    for change in (GrantRole(2, me, Role.VERIFIER, made.now_ms + 1), RevokeRole(1, me, Role.UNIT_ADMIN)):
        with pytest.raises(Denied) as denied:
            authority.require(made.view, who, change)
        assert denied.value.code is Code.NOT_PERMITTED

    assert mine == Authority(Role.UNIT_ADMIN, 2)
