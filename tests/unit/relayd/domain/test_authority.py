import pytest

from relayd.domain.acting import Authority
from relayd.domain.authority import (
    Reach,
    favours,
    lays_down,
    needs_second,
    rule_of,
    sufficient,
    unit_of,
    units_of,
)
from relayproto.administration import (
    CloseUnit,
    CreateUnit,
    GrantRole,
    HandOver,
    InviteMember,
    MoveUnit,
    PlaceMember,
    RenameUnit,
    RevokeRole,
    SuspendOrganisation,
)
from relayproto.codes import Kind
from relayproto.rules import RULES
from relayproto.standing import PLATFORM, Role, Standing
from support.attesting import attest, attested, put_warrant, warrant
from support.organisations import founding

ALICE, BOB = b"a" * 32, b"b" * 32
ADMINS = frozenset({Role.ORGANISATION_ADMIN, Role.UNIT_ADMIN})
OPERATORS = frozenset({Role.PLATFORM_OPERATOR, Role.AUDITOR})
LEAF = Reach((3, 2, 1), working=True)
ROOT = Reach((1,), working=True)
PLATFORMS = Reach((PLATFORM,), working=True)


@pytest.mark.parametrize(("over", "reaches"), [(3, True), (2, True), (1, True), (4, False), (9, False)])
def test_a_role_reaches_its_unit_and_what_is_below(over: int, reaches: bool) -> None:
    held = [Authority(Role.UNIT_ADMIN, over)]

    assert (sufficient(held, LEAF, ADMINS, change=True) is not None) is reaches


def test_the_role_that_is_held_nearest_counts() -> None:
    held = [Authority(Role.ORGANISATION_ADMIN, 1), Authority(Role.UNIT_ADMIN, 3), Authority(Role.VERIFIER, 3)]

    assert sufficient(held, LEAF, ADMINS, change=True) == Authority(Role.UNIT_ADMIN, 3)
    assert sufficient(held, Reach((2, 1), working=True), ADMINS, change=True) == held[0]


@pytest.mark.parametrize("change", [True, False])
def test_a_role_over_the_platform_reaches_the_platform(change: bool) -> None:
    held = [Authority(Role.AUDITOR, PLATFORM)]

    assert sufficient(held, PLATFORMS, OPERATORS, change=change) == held[0]
    assert sufficient(held, ROOT, OPERATORS, change=change) is None


def test_an_operator_changes_roots_and_asks_about_none() -> None:
    held = [Authority(Role.PLATFORM_OPERATOR, PLATFORM)]

    assert sufficient(held, ROOT, OPERATORS, change=True) == held[0]
    assert sufficient(held, ROOT, OPERATORS, change=False) is None
    assert sufficient(held, LEAF, OPERATORS, change=True) is None
    assert sufficient(held, ROOT, ADMINS, change=True) is None


def test_what_does_not_work_is_the_operators_alone() -> None:
    held = [Authority(Role.ORGANISATION_ADMIN, 1), Authority(Role.PLATFORM_OPERATOR, PLATFORM)]
    suspended = Reach((1,), working=False)

    assert sufficient(held, suspended, ADMINS, change=True) is None
    assert sufficient(held, suspended, ADMINS | OPERATORS, change=True) == held[1]


def test_there_is_no_right_over_what_there_is_not() -> None:
    held = [Authority(role, PLATFORM) for role in Role]

    assert sufficient(held, Reach((), working=True), frozenset(Role), change=True) is None
    assert sufficient([], LEAF, frozenset(Role), change=True) is None


def test_the_rule_of_a_grant_is_that_of_its_role() -> None:
    auditor = GrantRole(1, BOB, Role.AUDITOR, 9)

    assert rule_of(auditor).by == {Role.ORGANISATION_ADMIN, Role.PLATFORM_OPERATOR}
    assert rule_of(RevokeRole(1, BOB, Role.KEY_HOLDER)).by == {Role.ORGANISATION_ADMIN}
    assert rule_of(CreateUnit(1, "x")) is RULES[Kind.CREATE_UNIT]


def test_a_change_needs_a_right_over_each_unit_that_it_names() -> None:
    assert units_of(MoveUnit(3, 5)) == (3, 5)
    assert units_of(CloseUnit(3)) == (3,)
    assert unit_of(SuspendOrganisation(1, True)) == PLATFORM, "that is the operators' to decide"


def test_nobody_favours_himself() -> None:
    changes = [
        GrantRole(1, BOB, Role.VERIFIER, 9), PlaceMember(1, BOB, Standing.INVITED), HandOver(1, ALICE, BOB),
        founding("New", "new.example", BOB), attest(attested(account=BOB)), put_warrant(warrant(account=BOB)),
    ]  # fmt: skip

    assert all(favours(change, BOB) for change in changes)
    assert not any(favours(change, ALICE) for change in changes)
    assert not favours(CreateUnit(1, "x"), BOB)


def test_only_ones_own_role_is_laid_down() -> None:
    revoked = RevokeRole(1, BOB, Role.VERIFIER)

    assert lays_down(revoked, BOB)
    assert not lays_down(revoked, ALICE)
    assert not lays_down(GrantRole(1, BOB, Role.VERIFIER, 9), BOB)


@pytest.mark.parametrize(
    ("change", "reach", "second"),
    [
        (CreateUnit(1, "x"), ROOT, False), (RenameUnit(1, "x"), ROOT, True), (RenameUnit(3, "x"), LEAF, False),
        (GrantRole(0, BOB, Role.AUDITOR, 9), PLATFORMS, True), (HandOver(3, BOB, ALICE), LEAF, True),
        (RevokeRole(3, BOB, Role.AUDITOR), LEAF, True), (RevokeRole(1, BOB, Role.AUDITOR), ROOT, True),
        (RevokeRole(1, BOB, Role.VERIFIER), ROOT, False), (RevokeRole(3, ALICE, Role.AUDITOR), LEAF, False),
    ],
)  # fmt: skip
def test_a_second_person_is_needed_as_the_rule_says(change, reach: Reach, second: bool) -> None:
    """Of an auditor's role too, unless it is his own that alice lays down."""
    assert needs_second(change, ALICE, [reach]) is second


@pytest.mark.parametrize("standing", Standing)
def test_a_verifier_answers_for_people_alone(standing: Standing) -> None:
    person = standing in {Standing.PUBLIC, Standing.INVITED, Standing.VERIFIED}

    for change in (PlaceMember(1, BOB, standing), InviteMember(1, "bob@gad.example", standing, 60)):
        assert rule_of(change).by == (ADMINS | {Role.VERIFIER} if person else ADMINS)
