"""The page of metrics is what the code exports."""

from prometheus_client.parser import text_string_to_metric_families

from relayd.exposition import exposition
from relayd.metrics import Counters
from support.generate_metrics_page import PATH, generate

THEIRS = {"relayd_build", "relayd_build_info"}
"""Told in the page's text."""


def test_the_page_is_what_the_code_says() -> None:
    assert PATH.read_text(encoding="utf-8") == generate(), "make vectors writes it again"


def test_the_page_names_exactly_what_a_scrape_gives() -> None:
    families = text_string_to_metric_families(exposition(Counters(), "1", lambda: None)().decode())
    scraped = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if family.name.startswith("relayd_") and family.name not in THEIRS
    }

    assert scraped == {line.split("`")[1] for line in generate().splitlines() if line.startswith("| `")}
