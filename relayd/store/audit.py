"""The store room: the audit log, a chain of records (spec 80 §1).

A record enters and its number leaves. The rule of this file: numbers have no gaps, and each row's hash covers the row
before; who cannot write here has done nothing.
"""

from relayd.store.commit import Commit
from relayproto import audit
from relayproto.audit import Record


def append(commit: Commit, record: Record) -> int:
    """Write the next record of the log and return its number."""
    db, octets = commit.db, audit.encode(record)
    last = db.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    number, previous = last or db.execute("SELECT records, hash FROM audit_start").fetchone()
    db.execute(
        "INSERT INTO audit (id, unit, at_ms, record, hash) VALUES (?, ?, ?, ?, ?)",
        (number + 1, record.unit, record.at_ms, octets, audit.following(previous, octets)),
    )
    return int(number) + 1
