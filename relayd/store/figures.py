"""The store room: its figures, for the operator.

A reading connection enters; names and numbers leave. The rule of this file: counts only, nothing about anybody.
"""

import sqlite3
from pathlib import Path
from typing import Final

_COUNTS: Final = (
    ("accounts", "SELECT count(*) FROM account"),
    ("devices", "SELECT count(*) FROM device"),
    ("envelopes queued", "SELECT coalesce(sum(messages), 0) FROM mailbox"),
    ("bytes queued", "SELECT coalesce(sum(octets), 0) FROM mailbox"),
    ("outcomes queued", "SELECT coalesce(sum(outcomes), 0) FROM mailbox"),
    ("mailboxes over quota", "SELECT coalesce(sum(over), 0) FROM mailbox"),
    ("reports kept", "SELECT count(*) FROM report"),
    ("invitations open", "SELECT count(*) FROM ticket WHERE account IS NULL"),
)


def read(db: sqlite3.Connection, path: Path) -> list[tuple[str, int]]:
    """Return the store's figures; ``path`` is the database's file."""
    figures = [(name, db.execute(statement).fetchone()[0]) for name, statement in _COUNTS]
    log = path.with_name(path.name + "-wal")
    return [
        *figures,
        ("bytes of the store", path.stat().st_size),
        ("bytes of its log", log.stat().st_size if log.exists() else 0),
    ]


def queued(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Return how many envelopes, bytes of them and outcomes are queued."""
    messages, octets, outcomes = (db.execute(statement).fetchone()[0] for _, statement in _COUNTS[2:5])
    return messages, octets, outcomes
