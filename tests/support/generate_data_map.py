"""Writes docs/data-map.md: what a relay keeps of whom, why and how long, from its map (``--write``; else it prints)."""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from relayclient.cli.stats import lasting
from relayd.config import Config
from relayd.services.retention import BACKUPS, STATE, in_force
from relayproto.statistics import Kept

PATH = Path(__file__).parents[2] / "docs" / "data-map.md"
_HEAD = """\
# What a relay keeps

Everything that relayd stores, of whom, what for, and what ends it: the retention policy. The times are those of the
defaults; `relay stats retention` prints what is in force at a relay, for anybody who is a member of it.

- What people write is not here in any form that the relay could read: it is end-to-end encrypted before it comes.
- Who wrote to whom is known while a message waits, sealed under the key of its expiry day, and goes with it. Nothing
  that is kept afterwards names both: the counters have no accounts, reports no reporter, blocks only keyed hashes.
- Not kept at all: addresses of machines, message ids, when somebody wrote or was there, a log of messages.
- "At most" is enforced by the sweep, which runs every second and deletes what is over; while relay time is in doubt
  (a jump forward of the clock) it waits for the operator's word.
- Beside this there are the process's own log, which has no event for a message at any level and lies where systemd
  keeps it, and on another machine what the carrier was given: signed checkpoints, hashes without people.

Made from `relayd/services/retention.toml` by `tests/support/generate_data_map.py`. Tests compare it with the schema
of a real store, the files of a real relay and a real backup, and let the sweep pass over a row of each kind.
"""
_SETTINGS = """
## Settings

| setting | default | ends |
|---|---|---|
| `lifetimes.*` | as the protocol's | envelopes, bodies and their day keys |
| `tracing.retention_days` | {tracing} | keys that open origin stamps, and reports |
| `audit.retention_days` | {audit} | the audit log and its checkpoints |
| `statistics.retention_days` | {statistics} | counters |
"""


def heading(place: str) -> str:
    """Return the heading of a place."""
    return {STATE: "Files beside the tables", BACKUPS: "Backups"}.get(place, f"`{place}`")


def section(place: str, rows: list[Kept]) -> str:
    """Return what stands below a heading: one line where all of it ends together, else a column for it."""
    said = f"\n## {heading(place)}\n\n"
    if place not in {STATE, BACKUPS}:
        first = rows[0]
        said += f"Concerns {first.concerns}. Ends: {ending(first)}.\n\n| column | for |\n|---|---|\n"
        return said + "".join(f"| `{row.column}` | {row.purpose} |\n" for row in rows)
    said += "| file | concerns | for | ends |\n|---|---|---|---|\n"
    return said + "".join(f"| `{row.column}` | {row.concerns} | {row.purpose} | {ending(row)} |\n" for row in rows)


def ending(row: Kept) -> str:
    """Return what ends a thing, and after which time at the latest."""
    longest = "" if row.kept_s is None else f"at most {lasting(row.kept_s)}: "
    return f"{longest}{row.ends}"


def generate(rows: Iterable[Kept] | None = None) -> str:
    """Return the page."""
    config = Config()
    page = _HEAD + _SETTINGS.format(
        tracing=config.tracing.retention_days,
        audit=config.audit.retention_days,
        statistics=config.statistics.retention_days,
    )
    for place, same in groupby(in_force(config) if rows is None else rows, key=lambda row: row.place):
        page += section(place, list(same))
    return page


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
