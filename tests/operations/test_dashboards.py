"""Dashboards and rules are what the code says, fit the metrics in both directions, and can be read."""

import itertools
import json
import re

import promql_parser as promql
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashboards import rules
from dashboards.boards import BOARDS, NOT_SHOWN
from dashboards.panels import GRID, Heat
from dashboards.write import HERE, files
from relayd.exposition import exposition
from relayd.metrics import Counters
from support.prometheus import promtool
from support.tree import ROOT

RULES = HERE / "prometheus" / "relayd.rules.yml"
PROMETHEUS_OWN = {"up", "ALERTS"}
QUERIES = [
    (board.uid, panel.title, query.expr) for board in BOARDS for panel in board.panels for query in panel.queries
]


def readable(expr: str) -> str:
    """Return an expression as Grafana sends it."""
    return expr.replace("$__rate_interval", "1m").replace("$instance", ".+")


def names(expr: str) -> set[str]:
    """Return the metrics that an expression asks for."""
    return set(re.findall(r"\b((?:relayd|process|python)_[a-z_]+|up|ALERTS)\b(?=[{\[\s)]|$)", expr))


def scraped() -> dict[str, set[str]]:
    """Return every exported series name -> its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition(Counters(), "1", lambda: None)().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def family_of(name: str) -> str:
    """Return the metric that a histogram's series belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def alerts() -> list[rules.Alert]:
    return rules.alerts(rules.Time())


def test_what_is_committed_is_what_the_code_says() -> None:
    stale = {str(path.relative_to(ROOT)) for path, text in files().items() if path.read_text("utf-8") != text}

    assert stale == set(), "python -m dashboards.write writes them again"


def test_nothing_else_lies_beside_the_dashboards() -> None:
    assert set((HERE / "grafana").iterdir()) == {path for path in files() if path.suffix == ".json"}


@pytest.mark.parametrize(("board", "panel", "expr"), QUERIES, ids=[f"{board}: {panel}" for board, panel, _ in QUERIES])
def test_a_query_can_be_parsed_and_asks_for_metrics_that_exist(board: str, panel: str, expr: str) -> None:
    promql.parse(readable(expr))

    assert names(expr)
    assert names(expr) <= scraped().keys() | PROMETHEUS_OWN
    assert "$instance" in expr or "ALERTS" in expr


def test_a_query_for_a_metric_that_does_not_exist_is_found() -> None:
    assert names('sum(rate(relayd_made_up_total{a="b"}[5m]))') == {"relayd_made_up_total"}


def test_every_metric_is_on_a_dashboard_or_it_is_said_why_not() -> None:
    shown = {family_of(name) for _, _, expr in QUERIES for name in names(expr)}
    exported = {family_of(name) for name in scraped() if not name.endswith("_created")}

    assert exported - shown == NOT_SHOWN.keys()
    assert all(NOT_SHOWN.values())


def test_a_label_that_a_query_groups_or_selects_by_is_one_of_its_metric() -> None:
    wrong = []
    for board, panel, expr in QUERIES:
        labels = set(re.findall(r"(?<=[{,])([a-z_]+)(?==)", expr)) | set(re.findall(r"by \(([a-z_]+)\)", expr))
        known = {"instance", "alertname", "alertstate"}.union(*(scraped().get(name, set()) for name in names(expr)))
        wrong += [(board, panel, label) for label in labels - known]

    assert wrong == []


def test_every_panel_has_a_unit_and_none_lies_on_another() -> None:
    for board in BOARDS:
        made = json.loads((HERE / "grafana" / f"{board.uid.removeprefix('relayd-')}.json").read_text("utf-8"))
        taken = set()
        for panel in made["panels"]:
            place = panel["gridPos"]
            cells = set(itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            ))  # fmt: skip
            assert not cells & taken, (board.title, panel["title"])
            assert place["x"] + place["w"] <= GRID
            taken |= cells
            if panel["type"] != "row":
                assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
                assert panel["datasource"]["uid"] == "${datasource}"
        assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
        assert len(made["links"]) == len(BOARDS) - 1


def test_a_heat_map_asks_for_buckets() -> None:
    heats = [panel for board in BOARDS for panel in board.panels if isinstance(panel, Heat)]

    assert heats
    assert all("_bucket" in panel.query.expr and panel.query.legend == "{{le}}" for panel in heats)


def test_promtool_finds_nothing_to_say_about_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_promtool_finds_nothing_to_say_about_our_metrics() -> None:
    text = exposition(Counters(), "1", lambda: None)()
    ours = b"".join(line for line in text.splitlines(keepends=True) if b"python_gc" not in line)

    assert promtool("check", "metrics", stdin=ours) == ""


def test_alerts_and_records_ask_for_metrics_that_exist() -> None:
    recorded = {rule["record"] for rule in rules.records(rules.Time())}

    for alert in alerts():
        promql.parse(alert.expr)
        asked = set(re.findall(r"relayd:[a-z_0-9]+:[a-z_0-9]+", alert.expr))
        assert asked <= recorded
        assert names(alert.expr) <= scraped().keys() | PROMETHEUS_OWN
        assert asked | names(alert.expr)
    for rule in rules.records(rules.Time()):
        promql.parse(rule["expr"])
        assert names(rule["expr"]) <= scraped().keys()


def test_every_alert_has_its_own_section_of_the_runbooks_and_every_section_its_alert() -> None:
    page = (ROOT / rules.RUNBOOKS).read_text("utf-8")
    sections = re.findall(r"^## (Relayd\w+)$", page, re.MULTILINE)
    texts = re.split(r"^## .*$", page, flags=re.MULTILINE)[1:]

    assert sorted(sections) == sorted(alert.name for alert in alerts())
    assert all(len(text.split()) > 40 for text in texts)
    assert {rules.anchor(name) for name in sections} == {
        rule["annotations"]["runbook_url"].partition("#")[2] for rule in rules.groups()["groups"][1]["rules"]
    }


@pytest.mark.parametrize(
    ("seconds", "scale", "text"),
    [(300, 1, "5m"), (90, 1, "90s"), (93_600, 1, "26h"), (86_400, 1, "1d"), (300, 120, "2500ms"), (300, 60, "5s")],
)
def test_a_span_is_written_as_prometheus_reads_it(seconds: float, scale: float, text: str) -> None:
    assert rules.Time(scale).span(seconds) == text
    assert promql.parse_duration(text).total_seconds() == seconds / scale
