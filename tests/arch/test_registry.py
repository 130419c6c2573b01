"""proto/registry.json and the code hold the same numbers, both ways, so that a second implementation can trust it.

A change of the protocol is one commit: spec, registry, vectors and code (CONTRIBUTING.md).
"""

import json
import re
from enum import Enum, IntFlag

import pytest

from relayproto import codes, limits, standing
from relayproto.administration import CHANGES, QUESTIONS
from relayproto.commands import COMMANDS, OperatorCommand
from relayproto.notices import EITHER, NOTICES
from relayproto.replies import REPLIES
from relayproto.rules import GRANTED_BY, RULES
from support.tree import ROOT

TEXT = (ROOT / "proto" / "registry.json").read_text(encoding="utf-8")
REGISTRY = json.loads(TEXT)
SPEC = sorted((ROOT / "proto" / "spec").glob("[0-9][0-9]-*.md"))

SECTIONS = {
    "purposes": codes.Purpose, "suites": codes.Suite, "transports": codes.Transport, "codes": codes.Code,
    "code_ranges": codes.CodeRange, "goaway_codes": codes.GoawayCode, "classes": codes.Class, "lanes": codes.Lane,
    "gap_reasons": codes.GapReason, "results": codes.Result, "sizes": codes.Size, "fates": codes.Fate,
    "prekey_kinds": codes.PrekeyKind,
    "submit_flags": codes.SubmitFlag, "scopes": codes.Scope,
    "wrap_kinds": codes.WrapKind, "passing_kinds": codes.PassingKind, "content_kinds": codes.ContentKind,
    "features": codes.Feature,
    "roles": standing.Role, "standings": standing.Standing, "actions": standing.Action,
    "permissions": standing.Permission, "fields": standing.Field, "viewers": standing.Viewer,
    "visibilities": standing.Visibility, "unit_states": standing.UnitState, "act_states": standing.ActState,
    "proposal_states": standing.ProposalState, "claim_states": standing.ClaimState,
    "seconds": standing.Second, "places": standing.Where,
}  # fmt: skip
"""Section of the registry -> enumeration; the kinds have a test of their own."""


def numbers(section: str) -> dict[str, int]:
    """Return name -> value as the registry has it."""
    return {row["name"]: row["value"] for row in REGISTRY[section]}


@pytest.mark.parametrize(("section", "enumeration"), SECTIONS.items())
def test_a_section_and_its_enumeration_agree(section: str, enumeration: type[Enum]) -> None:
    members = {
        name: member.value
        for name, member in enumeration.__members__.items()
        if member.value or not issubclass(enumeration, IntFlag)  # a flag's NONE is no bit
    }

    assert numbers(section) == members
    assert len(REGISTRY[section]) == len(members)


def test_no_enumeration_is_missing_from_the_registry() -> None:
    ours = {
        thing
        for module in (codes, standing)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Enum) and thing.__module__ == module.__name__
    }

    assert ours == {*SECTIONS.values(), codes.Kind}
    assert REGISTRY.keys() == {"protocol", "kinds", "limits", "rules", "grants", *SECTIONS}


def test_every_kind_has_one_message_with_these_fields() -> None:
    tables = {"device": COMMANDS, "act": CHANGES, "relay": REPLIES | NOTICES, "either": EITHER}
    operators = OperatorCommand.__args__
    messages = [
        {
            "name": kind.name,
            "value": int(kind),
            "said_by": "operator" if table[kind] in operators else speaker,
            "fields": [field.rstrip("_") for field in table[kind].__match_args__],
        }
        for kind in codes.Kind
        for speaker, table in tables.items()
        if kind in table
    ]
    registered = [{key: value for key, value in row.items() if key != "means"} for row in REGISTRY["kinds"]]

    assert registered == messages
    assert [row["name"] for row in registered] == list(codes.Kind.__members__)


def test_a_message_is_called_what_its_kind_is_called() -> None:
    for kind, message in (COMMANDS | CHANGES | REPLIES | NOTICES | EITHER).items():
        assert re.sub(r"(?<=[a-z])(?=[A-Z])", "_", message.__name__).upper() == codes.Kind(kind).name


def test_the_kinds_lie_in_their_ranges() -> None:
    further = range(192, 224)
    ranges = {"device": range(1, 32), "operator": range(1, 32), "either": range(32, 64), "act": range(64, 96)}

    for row in REGISTRY["kinds"]:
        span = ranges.get(row["said_by"]) or (range(128, 160) if row["value"] in REPLIES else range(160, 192))
        span = range(96, 128) if row["value"] in QUESTIONS else span
        assert row["value"] in span or (row["said_by"] == "device" and row["value"] in further), row["name"]


def test_every_command_change_and_question_has_a_rule_and_the_registry_prints_it() -> None:
    rules = {
        kind.name: {
            "where": rule.where.name,
            "by": [role.name for role in sorted(rule.by)],
            "second": rule.second.name,
            "approvers": [role.name for role in sorted(rule.approvers)],
        }
        for kind, rule in RULES.items()
    }
    registered = {
        row["name"]: {k: v for k, v in row.items() if k not in {"name", "means"}} for row in REGISTRY["rules"]
    }

    assert {int(kind) for kind in RULES} == {*COMMANDS, *CHANGES}
    assert registered == rules
    assert list(registered) == [kind.name for kind in RULES]


def test_every_role_has_those_who_grant_it_and_the_registry_prints_them() -> None:
    granted = {role.name: [by.name for by in sorted(GRANTED_BY[role])] for role in standing.Role}

    assert {row["name"]: row["by"] for row in REGISTRY["grants"]} == granted


def test_every_limit_is_registered_with_its_value() -> None:
    ours = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(limits).items()
        if name.isupper() and not isinstance(value, dict)
    }

    assert {row["name"]: row["value"] for row in REGISTRY["limits"]} == ours
    assert len(REGISTRY["limits"]) == len(ours)


def test_every_class_has_its_lane_and_lifetimes() -> None:
    for row in REGISTRY["classes"]:
        class_ = codes.Class(row["value"])

        assert row["lane"] == limits.LANE_OF[class_].name
        assert row["lifetime_s_default"] == limits.LIFETIME_S_DEFAULT[class_]
        assert row["lifetime_s_max"] == limits.LIFETIME_S_MAX[class_]


def test_the_protocol_has_one_version() -> None:
    assert REGISTRY["protocol"] == {
        "version": codes.VERSION,
        "magic": codes.MAGIC.decode(),
        "descriptor_magic": codes.DESCRIPTOR_MAGIC.decode(),
    }


@pytest.mark.parametrize("page", SPEC, ids=lambda page: page.name)
def test_the_first_line_of_a_page_of_the_spec_has_its_number_and_the_version(page) -> None:
    first = page.read_text(encoding="utf-8").partition("\n")[0]

    assert re.fullmatch(rf"# {page.name[:2]} .+ \(protocol version {codes.VERSION}\)", first)


def test_every_entry_says_in_a_sentence_what_it_means() -> None:
    for section in REGISTRY.keys() - {"protocol"}:
        for row in REGISTRY[section]:
            assert re.fullmatch(r".{4,}\.", row["means"]), f"{section} {row['name']}"


def test_the_registry_has_one_entry_a_line() -> None:
    """So that a difference shows what changed; the text below is the file that the same content makes."""
    parts = []
    for section, content in REGISTRY.items():
        if isinstance(content, list) and content:
            rows = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in content)
            parts.append(f'  "{section}": [\n{rows}\n  ]')
        else:
            parts.append(f'  "{section}": {json.dumps(content)}')

    assert ",\n".join(parts).join(("{\n", "\n}\n")) == TEXT
