"""The store room: what was denied goes into the audit log, up to a bound.

Records of denials enter; they are written, or only counted. The rules of this file: nobody fills the log by asking for
what he may not; and how many denials are missing is written there as well, at the latest when their hour is over.
"""

from typing import Final

from relayd.domain.acting import Actor
from relayd.store import audit, authority
from relayd.store.commit import Commit
from relayproto.audit import Record
from relayproto.codes import Code, Kind
from relayproto.ids import UnitId
from relayproto.standing import PLATFORM

DENIALS_MAX: Final = 60
"""Denials and rehearsals of one account in one hour that are written each for itself: more than a mistaken officer
makes, and at 400 bytes each a thief of a device fills half a megabyte a day."""
_HOUR_MS: Final = 3_600_000
_ROWS_MAX: Final = 100
"""Hours of accounts that one pass of the sweep closes."""


def seen_by(commit: Commit, who: Actor, unit: UnitId | None) -> UnitId:
    """Return whose auditors see that somebody was denied something about a unit, or about nothing that there is.

    Those of the unit where it is of his own organisation or the platform, else those of where he belongs. What is
    foreign and what there is not are seen by the same, so that no auditor tells by it which of them it was.
    """
    if unit is None or (unit != PLATFORM and authority.root(commit, unit) != authority.root(commit, who.unit)):
        return who.unit
    return unit


def write(commit: Commit, who: Actor, record: Record) -> int:
    """Write a denial or a rehearsal into the log and return its number.

    0 where it is only counted, because the account has had its share of this hour.
    """
    hour = commit.now_ms // _HOUR_MS
    before = commit.db.execute("SELECT hour, count FROM denial WHERE account = ?", (who.row,)).fetchone()
    if before is not None and before[0] != hour:
        _close(commit, who.row, before[1])
    [(count,)] = commit.db.execute(
        "INSERT INTO denial (account, hour, count) VALUES (?, ?, 1)"
        " ON CONFLICT (account) DO UPDATE SET count = count + 1 RETURNING count",
        (who.row, hour),
    ).fetchall()
    return audit.append(commit, record) if count <= DENIALS_MAX else 0


def close_hours(commit: Commit) -> None:
    """Say of past hours how many denials were left out, and forget them."""
    over = commit.db.execute(
        "SELECT account, count FROM denial WHERE hour < ? LIMIT ?", (commit.now_ms // _HOUR_MS, _ROWS_MAX)
    ).fetchall()
    for row, count in over:
        _close(commit, row, count)


def _close(commit: Commit, row: int, count: int) -> None:
    commit.db.execute("DELETE FROM denial WHERE account = ?", (row,))
    who = authority.actor_of_row(commit, row)
    if who is not None and count > DENIALS_MAX:
        left_out = count - DENIALS_MAX
        audit.append(commit, Record(commit.now_ms, who.unit, Kind.ACT, who.account, code=Code.RATE, value=left_out))
