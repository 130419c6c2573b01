"""Verbs of groups."""

import pytest

from relayclient.cli import verbs

GROUPS = {name: verbs.group(name) for name in verbs.GROUPS}
VERBS = [(name, verb) for name, group in GROUPS.items() for verb in group.VERBS]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_help_with_examples(office, group):
    ran = office.run("alice", group, "--help")

    assert ran.status == 0
    assert f"relay {group}" in ran.out
    assert all(verb.name in ran.out for verb in GROUPS[group].VERBS)


@pytest.mark.parametrize(("group", "verb"), VERBS, ids=lambda one: getattr(one, "name", None))
def test_a_verb_of_a_group_has_help(office, group, verb):
    ran = office.run("alice", group, verb.name, "--help")

    assert ran.status == 0
    assert "--json" in ran.out
    assert " ".join(verb.help.split()[:3]) in " ".join(ran.out.split()) or verb.description


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_is_a_usage_error(office, group):
    assert office.run("alice", group).status == 2
