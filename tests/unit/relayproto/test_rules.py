import pytest

from relayproto.administration import CHANGES, QUESTIONS
from relayproto.codes import Kind
from relayproto.commands import COMMANDS, DeviceCommand, OperatorCommand
from relayproto.rules import GRANTED_BY, PLATFORM_ROLES, RULES
from relayproto.standing import Role, Second, Where


def test_every_command_change_and_question_has_a_rule_and_nothing_else_has() -> None:
    assert {int(kind) for kind in RULES} == {*COMMANDS, *CHANGES, *QUESTIONS}


@pytest.mark.parametrize("kind", list(RULES), ids=lambda kind: kind.name)
def test_a_rule_is_of_one_piece(kind: Kind) -> None:
    rule = RULES[kind]
    takes_roles = rule.where in {Where.PLATFORM, Where.UNIT, Where.MEMBER, Where.OFFICER}

    assert bool(rule.by) == takes_roles
    assert bool(rule.approvers) == (rule.second is not Second.NEVER)
    assert rule.second is Second.NEVER or kind in CHANGES


def test_only_the_local_operator_has_what_is_local() -> None:
    local = {kind for kind, rule in RULES.items() if rule.where is Where.LOCAL}

    assert local == {each.KIND for each in OperatorCommand.__args__}
    assert not local & {each.KIND for each in DeviceCommand.__args__}


def test_an_auditor_reads_and_changes_nothing() -> None:
    assert not {kind for kind in CHANGES if {Role.AUDITOR} & (RULES[Kind(kind)].by | RULES[Kind(kind)].approvers)}
    assert RULES[Kind.GET_AUDIT].by == {Role.AUDITOR}


def test_every_role_is_granted_by_somebody_and_no_lower_role_grants_a_higher_one() -> None:
    assert GRANTED_BY.keys() == set(Role)
    assert all(GRANTED_BY.values())
    for role, granters in GRANTED_BY.items():
        assert granters <= {Role.PLATFORM_OPERATOR, Role.ORGANISATION_ADMIN, Role.UNIT_ADMIN}
        assert max(granters) <= max(role, Role.UNIT_ADMIN)
    assert Role.UNIT_ADMIN not in GRANTED_BY[Role.ORGANISATION_ADMIN] | GRANTED_BY[Role.AUDITOR]


def test_what_the_platform_grants_over_itself_an_operator_grants() -> None:
    assert all(Role.PLATFORM_OPERATOR in GRANTED_BY[role] for role in PLATFORM_ROLES)


DANGEROUS = {
    Kind.CREATE_ORGANISATION, Kind.SUSPEND_ORGANISATION, Kind.MERGE_ORGANISATION, Kind.HAND_OVER, Kind.ROTATE_KEY,
    Kind.GRANT_ROLE, Kind.REVOKE_ROLE, Kind.RENAME_UNIT, Kind.CLOSE_UNIT, Kind.PUT_DOCUMENT, Kind.IMPORT_ROSTER,
    Kind.ATTEST,
}  # fmt: skip


def test_what_is_dangerous_needs_a_second_person() -> None:
    assert {kind for kind, rule in RULES.items() if rule.second is not Second.NEVER} == DANGEROUS
