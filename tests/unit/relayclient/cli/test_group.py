"""Verbs of groups."""

import pytest

from relayclient.cli import audit, link, office, org, policy, proposal, role, unit

GROUPS = (link, org, unit, role, proposal, office, policy, audit)
VERBS = [(group, verb) for group in GROUPS for verb in group.VERBS]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.NAME)
def test_a_group_has_help_with_examples(office, group):
    ran = office.run("alice", group.NAME, "--help")

    assert ran.status == 0
    assert f"relay {group.NAME}" in ran.out
    assert all(verb.name in ran.out for verb in group.VERBS)


@pytest.mark.parametrize(("group", "verb"), VERBS, ids=lambda one: getattr(one, "name", None))
def test_a_verb_of_a_group_has_help(office, group, verb):
    ran = office.run("alice", group.NAME, verb.name, "--help")

    assert ran.status == 0
    assert "--json" in ran.out
    assert " ".join(verb.help.split()[:3]) in " ".join(ran.out.split()) or verb.description


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.NAME)
def test_a_group_alone_is_a_usage_error(office, group):
    assert office.run("alice", group.NAME).status == 2
