"""Each line of what nobody can, each kind of hostile peer and each lie of a relay names tests that are there."""

import re

from arch.test_reliability import collected
from hostile.catalogue import KINDS
from relayproto.codes import GoawayCode
from support.tree import ROOT

MODEL, HELD = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8").split("\n## Each line and the tests")
LINES, PEERS, RELAY = HELD.split("\n### ")
TEST = re.compile(r"`(tests/[\w/]+\.py::\w+)`")
METRICS = (ROOT / "docs" / "operating" / "metrics.md").read_text(encoding="utf-8")
LIES = (
    "withheld",
    "reordered",
    "duplicated",
    "swapped",
    "split views of device lists",
    "stale attestations",
    "junk stamps",
)


def rows(table: str) -> list[list[str]]:
    cells = [
        [cell.strip() for cell in row.strip("|").split(" | ")] for row in re.findall(r"^\|.*\|$", table, re.MULTILINE)
    ]
    return cells[2:]


def impossible() -> list[str]:
    """Return the lines of every list of what somebody cannot, each as one line."""
    lists = re.findall(r"^\*Cannot\*\n((?:- .*\n|  .*\n)+)", MODEL, re.MULTILINE)
    return [
        re.sub(r"\s+", " ", line) for each in lists for line in re.findall(r"^- ((?:.|\n(?=  ))*)", each, re.MULTILINE)
    ]


def test_each_line_of_what_nobody_can_has_its_row_and_no_row_is_of_nothing() -> None:
    lines, begun = impossible(), [row[0] for row in rows(LINES)]

    assert len(lines) > 60
    assert [line for line in lines if sum(line.startswith(each) for each in begun) != 1] == []
    assert [each for each in begun if sum(line.startswith(each) for line in lines) != 1] == []


def test_each_row_names_a_test_and_each_named_test_is_there() -> None:
    bare = [row[0] for table in (LINES, RELAY) for row in rows(table) if not TEST.findall(row[-1])]
    named = TEST.findall(HELD)

    assert bare == []
    assert [test for test in named if test.partition("::")[2] not in collected(test.partition("::")[0])] == []


def test_the_page_has_each_kind_of_hostile_peer_as_it_is() -> None:
    said = {row[0]: row[1:] for row in rows(PEERS)}

    assert said.keys() == KINDS.keys()
    for kind in KINDS.values():
        story, refusal, counted = said[kind.name]
        assert story == kind.story
        assert counted == f"`{kind.counted}`"
        if kind.refusal is None:
            assert refusal == "the end of the connection"
        else:
            assert refusal == ("GOAWAY " * isinstance(kind.refusal, GoawayCode)) + kind.refusal.name


def test_each_kind_is_counted_by_a_metric_that_there_is() -> None:
    for kind in KINDS.values():
        name, _, label = kind.counted.partition("{")
        [row] = re.findall(rf"^\| `{name}` .*$", METRICS, re.MULTILINE)
        assert not label or re.fullmatch(r'\w+="(\w+)"\}', label)[1] in row


def test_each_lie_of_a_relay_is_detected_or_harmless_and_said_which() -> None:
    told = {row[0]: row[1] for row in rows(RELAY)}

    assert all(outcome.startswith(("detected", "harmless")) for outcome in told.values())
    assert [lie for lie in LIES if not any(what.startswith(lie) for what in told)] == []
