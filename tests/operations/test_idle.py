"""A healthy relay to which nobody writes: a day of it, replayed with the rates that a real one has, and no alert."""

import json
import time
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from dashboards.write import HERE
from relayd.observe import STAMP
from support.processes import RelayProcess, a_relay
from support.prometheus import promtool

APART_S = 11.0
"""Two scrapes: two probes and a look at the store lie between them."""
DAY_MINUTES = 24 * 60
HOUR_MINUTES = 60

Sample = tuple[str, tuple[tuple[str, str], ...]]


def scrape(relay: RelayProcess) -> tuple[float, dict[Sample, float], set[str]]:
    """Return the time, every sample of a scrape, and the names of those that only grow."""
    status, text = relay.page("/metrics")
    assert status == 200
    found, growing = {}, set()
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
            if family.type in {"counter", "histogram"}:
                growing.add(sample.name)
    return time.time(), found, growing


def day_of(name: str, *, now: float, value: float, each_minute: float) -> str:
    """Return a day of a series in promtool's notation, which begins at second 0."""
    if name == "relayd_wall_time_seconds":
        return f"{value - now:.6f}+60x{DAY_MINUTES}"
    if name == "relayd_backup_finished_timestamp_seconds":
        # Made once a day, here after six hours.
        return f"0+0x{6 * HOUR_MINUTES - 1} {6 * HOUR_MINUTES * 60}+0x{18 * HOUR_MINUTES}"
    if name.endswith("_timestamp_seconds"):
        return f"{value - now:.6f}+0x{DAY_MINUTES}"
    return f"{value}{each_minute:+.9f}x{DAY_MINUTES}"


def series(relay: RelayProcess) -> list[dict[str, str]]:
    """Return a day of the relay as it is now."""
    began, before, growing = scrape(relay)
    time.sleep(APART_S)
    now, after, _ = scrape(relay)
    day = [{"series": 'up{instance="idle",job="relayd"}', "values": f"1+0x{DAY_MINUTES}"}]
    for (name, labels), value in after.items():
        each_minute = (value - before[name, labels]) / (now - began) * 60 if name in growing else 0.0
        told = ",".join(f"{key}={json.dumps(text)}" for key, text in [*labels, ("instance", "idle"), ("job", "relayd")])
        values = day_of(name, now=now, value=value, each_minute=each_minute)
        day.append({"series": f"{name}{{{told}}}", "values": values})
    return day


def test_a_day_of_an_idle_relay_wakes_nobody(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        (relay.state / STAMP).write_text(json.dumps({"finished_ms": int(time.time() * 1000)}), "utf-8")
        day = series(relay)

    looks = [
        {"expr": f"max_over_time(ALERTS[{DAY_MINUTES}m])", "eval_time": f"{DAY_MINUTES}m", "exp_samples": []},
        # What proves that the day was lived through: a probe every five seconds, and a backup.
        {"expr": f"rate(relayd_commits_total[{DAY_MINUTES}m]) > bool 0.1", "eval_time": f"{DAY_MINUTES}m",
         "exp_samples": [{"labels": '{instance="idle",job="relayd"}', "value": 1}]},
        {"expr": "relayd_backup_finished_timestamp_seconds > bool 0", "eval_time": f"{DAY_MINUTES}m",
         "exp_samples": [{"labels": '{instance="idle",job="relayd"}', "value": 1}]},
    ]  # fmt: skip
    page = tmp_path / "day.yml"
    tests = [{"interval": "1m", "input_series": day, "promql_expr_test": looks}]
    rules = str(HERE / "prometheus" / "relayd.rules.yml")
    page.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}), "utf-8")

    assert len(day) > 200
    assert "SUCCESS" in promtool("test", "rules", page)
