"""The store room: which warrants and attestations were taken back (spec 85 §5).

Serials enter and are told to every device with their commit; the list leaves to whoever asks. The rules of this file:
numbers only grow; a row is kept until what it takes back would have ended anyway, and no longer.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from relayd.domain.fitting import fitting
from relayd.store.authority import Sight
from relayd.store.commit import Commit
from relayproto.verification import GetRevocations, Revocation, Revocations

ROWS_MAX: Final = 500
"""Rows that one pass of the sweep forgets."""
_OVER: Final = "DELETE FROM revocation WHERE id IN (SELECT id FROM revocation WHERE until_ms <= ? LIMIT ?)"
_NEWEST: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'revocation'), 0)"


def add(commit: Commit, serials: Iterable[tuple[bytes, int]]) -> None:
    """Put serials, each with its end in unix ms, on the list; what is there already stays as it is."""
    for serial, until_ms in serials:
        if has(commit, serial):
            continue
        number = commit.db.execute(
            "INSERT INTO revocation (serial, until_ms) VALUES (?, ?)", (serial, until_ms)
        ).lastrowid  # fmt: skip
        assert number is not None  # noqa: S101 - an INSERT that did not raise has a row
        commit.done.revoked.append((number, serial))


def has(commit: Commit, serial: bytes) -> bool:
    """Say whether something was taken back."""
    return commit.db.execute("SELECT 1 FROM revocation WHERE serial = ?", (serial,)).fetchone() is not None


def listed(sight: Sight, question: GetRevocations) -> Revocations:
    """Return what was taken back after a number."""
    taken, more = fitting(_rows(sight.db, question), question.rows)
    return Revocations(taken, sight.db.execute(_NEWEST).fetchone()[0], more)


def _rows(db: sqlite3.Connection, question: GetRevocations) -> Iterator[Revocation]:
    found = db.execute(
        "SELECT id, serial, until_ms FROM revocation WHERE id > ? ORDER BY id LIMIT ?",
        (question.after, question.rows + 1),
    )
    return (Revocation(*row) for row in found)


def forget(commit: Commit) -> None:
    """Delete rows of what would have ended by now."""
    commit.db.execute(_OVER, (commit.now_ms, ROWS_MAX))
