"""Writes docs/operating/metrics.md: every metric there is, from the table that exports it (``--write``; or prints)."""

import sys
from pathlib import Path
from typing import assert_never

from relayd.exposition import METRICS, Labelled, Level, Levels, Metric, Spread, Total
from relayd.metrics import Counters

PATH = Path(__file__).parents[2] / "docs" / "operating" / "metrics.md"
_HEAD = """\
# Metrics

What `/metrics` of the operations socket tells, in Prometheus' text format: each metric of relayd, its kind, its labels
with every value that they can have, and what it means. Sizes are in bytes, times in seconds. No metric names a person,
a device or a machine, and no peer can make a series.

Beside these there are the usual figures of a Python process (`process_*`, `python_gc_*`) and `relayd_build_info`, whose
label is the version. A histogram has `_bucket`, `_sum` and `_count`.

Most are counted where they happen. What is looked at: every ten seconds the queue's ages, sizes and connections
(`relayd_queue_oldest_seconds`, `relayd_expiry_backlog`, `relayd_store_*`, `relayd_unacknowledged`,
`relayd_devices_owing`, `relayd_windows_full`, `relayd_backup_finished_timestamp_seconds`), every second the disk, and
at the scrape the clocks, `relayd_ready` and the intake.

Which clock is right relayd cannot know from inside its sandbox. It knows when the wall clock was turned while it ran
(`relayd_clock_ahead_seconds`) or is behind what it was before (`relayd_clock_behind_seconds`), and it tells the time,
so that Prometheus on another machine can compare: `relayd_wall_time_seconds - timestamp(relayd_wall_time_seconds)`.

Made from the code by `tests/support/generate_metrics_page.py`; a test compares.

| metric | kind | labels | what it is |
|---|---|---|---|
"""


def shown(metric: Metric) -> tuple[str, str, str]:
    """Return a metric's exported name, its kind and its labels."""
    match metric:
        case Total(name):
            return f"{name}_total", "counter", ""
        case Labelled(name, _, label, _, members):
            return f"{name}_total", "counter", _values(label, [*(value for _, value in members), "other"])
        case Level(name):
            return name, "gauge", ""
        case Levels(name, _, label, _, members):
            return name, "gauge", _values(label, [value for _, value in members])
        case Spread(name):
            bounds = ", ".join(f"{bound:g}" for bound in metric.read(Counters()).bounds)
            return name, "histogram", f"`le`: {bounds}"
        case _ as never:
            assert_never(never)


def _values(label: str, values: list[str]) -> str:
    return f"`{label}`: {', '.join(values)}"


def generate() -> str:
    """Return the page."""
    rows = [(*shown(metric), metric.help) for metric in METRICS]
    return _HEAD + "".join(f"| `{name}` | {kind} | {labels} | {text} |\n" for name, kind, labels, text in sorted(rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
