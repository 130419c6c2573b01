"""The store room: how much one person may do on a day before a second one has to agree (spec 70 §3).

An account, a kind of change and an amount enter; whether it is still within its bound leaves. The rules of this file:
what is beyond is not counted, since nobody does it alone; a day is one of UTC; yesterday's counts go.
"""

from typing import Final

from relayd.domain.lifetimes import day
from relayd.store.commit import Commit
from relayproto.codes import Kind

_ROWS_MAX: Final = 500
"""Counts that one pass of the sweep forgets."""


def within(commit: Commit, row: int, kind: Kind, amount: int, maximum: int) -> bool:
    """Count an amount that an account adds to what it has done alone today; False, uncounted, where that is too much.

    ``row`` is the account's number; ``maximum`` is for a day.
    """
    today = day(commit.now_ms)
    found = commit.db.execute(
        "SELECT amount FROM alone WHERE account = ? AND kind = ? AND day = ?", (row, kind, today)
    ).fetchone()
    done = amount + (0 if found is None else int(found[0]))
    if done > maximum:
        return False
    commit.db.execute(
        "INSERT OR REPLACE INTO alone (account, kind, day, amount) VALUES (?, ?, ?, ?)", (row, kind, today, done)
    )
    return True


def forget(commit: Commit) -> None:
    """Forget what was done on days that are over."""
    commit.db.execute(
        "DELETE FROM alone WHERE (account, kind) IN (SELECT account, kind FROM alone WHERE day < ? LIMIT ?)",
        (day(commit.now_ms), _ROWS_MAX),
    )
