"""The services' room: the data map with the retention in force (spec 87 §4).

``retention.toml`` and a configuration enter; one row for each stored column and file leaves. The rules of this file:
the map names everything that is kept, and what is said of its end is computed from the settings that the sweep uses.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct

from relayd.config import Config
from relayproto.administration import TICKET_LIFETIME_S_MAX
from relayproto.codes import Class
from relayproto.limits import (
    ATTESTATION_LIFETIME_MS_MAX,
    CLAIM_LIFETIME_MS,
    CONTACT_KEPT_S,
    GRANT_LIFETIME_S_MAX,
    OUTCOME_LIFETIME_S,
    PROPOSAL_LIFETIME_MS,
    ROSTER_LIFETIME_MS,
    WARRANT_LIFETIME_MS_MAX,
)
from relayproto.statistics import Kept

_DAY_S: Final = 86_400
_HOUR_S: Final = 3_600
STATE: Final = "state directory"
"""The place of files, in a row of the map."""
BACKUPS: Final = "backups"


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A table: whom its rows concern, what ends them, after which clock at the latest, and what each column is for."""

    concerns: str
    ends: str
    columns: dict[str, str]
    clock: str | None = None


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """A file, or all that fit a pattern."""

    concerns: str
    purpose: str
    ends: str
    clock: str | None = None


class Map(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a relay keeps."""

    tables: dict[str, Table]
    files: dict[str, File]
    backups: dict[str, File]


@cache
def whole_map() -> Map:
    """Return the data map as it is written."""
    text = (files("relayd.services") / "retention.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Map)


def clocks(config: Config) -> Mapping[str, int]:
    """Return the longest time that a thing may stay by each clock, seconds.

    What is dated by the day stays until the day after is over too: its day counts from its end.
    """
    queue_s = max(OUTCOME_LIFETIME_S, *(config.lifetimes.longest_s(class_) for class_ in Class))
    tracing_s, audit_s = config.tracing.retention_days * _DAY_S, config.audit.retention_days * _DAY_S
    return {
        "queue": queue_s,
        "day_key": queue_s + _DAY_S,
        "ticket": TICKET_LIFETIME_S_MAX,
        "code": _DAY_S,
        "registered": CONTACT_KEPT_S,
        "tracing": tracing_s,
        "report": tracing_s + _DAY_S,
        "statistics": config.statistics.retention_days * _DAY_S + _DAY_S,
        "grant": GRANT_LIFETIME_S_MAX,
        "warrant": WARRANT_LIFETIME_MS_MAX // 1000,
        "attestation": ATTESTATION_LIFETIME_MS_MAX // 1000,
        "roster": ROSTER_LIFETIME_MS // 1000,
        "claim": CLAIM_LIFETIME_MS // 1000,
        "alone": _DAY_S,
        "proposal": 2 * PROPOSAL_LIFETIME_MS // 1000,
        "audit": audit_s,
        "hour": _HOUR_S,
    }


def in_force(config: Config) -> tuple[Kept, ...]:
    """Return the map's rows with the retention in force, tables first."""
    after, kept = clocks(config), whole_map()
    rows = [
        Kept(name, column, table.concerns, purpose, table.ends, _longest(table.clock, after))
        for name, table in kept.tables.items()
        for column, purpose in table.columns.items()
    ]
    for place, there in ((STATE, kept.files), (BACKUPS, kept.backups)):
        rows += [
            Kept(place, name, file.concerns, file.purpose, file.ends, _longest(file.clock, after))
            for name, file in there.items()
        ]
    return tuple(rows)


def _longest(clock: str | None, after: Mapping[str, int]) -> int | None:
    return None if clock is None else after[clock]
