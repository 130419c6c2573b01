"""The store room: the audit log, a chain of records (spec 80).

A record enters and its number leaves; records and checkpoints leave to those who may see them. The rules of this file:
numbers have no gaps, and each row's hash covers the row before; who cannot write here has done nothing; rows go by
retention alone, the oldest first, and what is left is still a chain.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from relayd.domain.fitting import fitting
from relayd.store.authority import BELOW, Sight
from relayd.store.commit import Commit
from relayproto import audit
from relayproto.administration import GetAudit, GetCheckpoints
from relayproto.administration_replies import Audit, Checkpoint, Checkpoints
from relayproto.audit import HIDDEN_MAX, Chain, Record

FORGOTTEN_MAX: Final = 200
"""Records that one pass of the sweep deletes: under a millisecond."""
_RECORDS: Final = f"{BELOW}SELECT id, unit IN below, record FROM audit WHERE id > :after ORDER BY id"  # noqa: S608 - ours
_CHECKPOINTS: Final = (
    "SELECT records, head, at_ms, key_id, signature FROM checkpoint WHERE records > ? ORDER BY records"
)
_DAY_MS: Final = 86_400_000


class Verdict(NamedTuple):
    """What a check of the whole log found: its records, those gone by retention, its head, and its checkpoints."""

    records: int
    gone: int
    head: bytes
    checkpoints: int


def append(commit: Commit, record: Record) -> int:
    """Write the next record of the log and return its number."""
    octets = audit.encode(record)
    number, previous = _head(commit.db)
    commit.db.execute(
        "INSERT INTO audit (id, unit, at_ms, record, hash) VALUES (?, ?, ?, ?, ?)",
        (number + 1, record.unit, record.at_ms, octets, audit.following(previous, audit.digest(octets))),
    )
    return number + 1


def _head(db: sqlite3.Connection) -> tuple[int, bytes]:
    """Return how many records there ever were, and the hash of the last."""
    last = db.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    number, head = last or db.execute("SELECT records, hash FROM audit_start").fetchone()
    return int(number), bytes(head)


def listed(sight: Sight, question: GetAudit) -> Audit:
    """Return the records of a unit and of those below it; of all others in between their digests alone."""
    rows = sight.db.execute(_RECORDS, {"unit": question.unit, "after": question.after})
    return Audit(*fitting(_shown(rows), question.rows))


def _shown(rows: Iterator[tuple[int, int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for visible, stretch in groupby(rows, key=lambda row: row[1]):
        if visible:
            yield from ((number, record) for number, _, record in stretch)
            continue
        first, digests = 0, list[bytes]()
        for number, _, record in stretch:
            first = first or number
            digests.append(audit.digest(record))
            if len(digests) == HIDDEN_MAX:
                yield first, audit.hidden(digests)
                first, digests = 0, []
        if digests:
            yield first, audit.hidden(digests)


def check_in(commit: Commit, relay: bytes, key_id: int) -> bool:
    """Sign how far the log has come, if it has come further since the last time; say whether it has.

    ``relay`` is the fingerprint of the relay's root, ``key_id`` names the descriptor with the stamp key.
    """
    db, now_ms = commit.db, commit.now_ms
    records, head = _head(db)
    (signed,) = db.execute("SELECT coalesce(max(records), 0) FROM checkpoint").fetchone()
    if records == signed:
        return False
    signature = commit.tools.stamper.sign_checkpoint(relay, records, head, now_ms)
    db.execute(
        "INSERT INTO checkpoint (records, head, at_ms, key_id, signature) VALUES (?, ?, ?, ?, ?)",
        (records, head, now_ms, key_id, signature),
    )
    return True


def checkpoints(sight: Sight, question: GetCheckpoints) -> Checkpoints:
    """Return the relay's signed words on the log."""
    rows = sight.db.execute(_CHECKPOINTS, (question.after,))
    return Checkpoints(*fitting((Checkpoint(*row) for row in rows), question.rows))


def to_carry(db: sqlite3.Connection, maximum: int) -> list[Checkpoint]:
    """Return the oldest checkpoints that nobody has carried outside yet, at most so many."""
    rows = db.execute(
        "SELECT records, head, at_ms, key_id, signature FROM checkpoint WHERE NOT carried ORDER BY records LIMIT ?",
        (maximum,),
    )
    return [Checkpoint(*row) for row in rows]


def carried(commit: Commit, records: int) -> None:
    """Note that a checkpoint is outside."""
    commit.db.execute("UPDATE checkpoint SET carried = 1 WHERE records = ?", (records,))


def forget(commit: Commit, retention_days: int) -> None:
    """Delete records that are older than they may be, a few at a time; the chain then begins with the next."""
    db, until_ms = commit.db, commit.now_ms - retention_days * _DAY_MS
    gone = db.execute(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?) AND at_ms < ? RETURNING id, hash",
        (FORGOTTEN_MAX, until_ms),
    ).fetchall()
    if gone:
        records, head = max(gone)
        db.execute("UPDATE audit_start SET records = ?, hash = ?", (records, head))
        db.execute("DELETE FROM checkpoint WHERE records <= ?", (records,))


def verify(db: sqlite3.Connection) -> Verdict:
    """Follow the whole log of a database, hash by hash, and hold its checkpoints against it. Raises BrokenChain."""
    gone, start = db.execute("SELECT records, hash FROM audit_start").fetchone()
    expected = dict(db.execute("SELECT records, head FROM checkpoint"))
    chain = Chain(expected, gone, start)
    for number, unit, at_ms, record, kept in db.execute("SELECT id, unit, at_ms, record, hash FROM audit ORDER BY id"):
        shown = chain.take(number, record)
        if shown is None or (shown.unit, shown.at_ms) != (unit, at_ms):
            raise audit.BrokenChain(number, "its row says another unit or time than its record")
        if kept != chain.head:
            raise audit.BrokenChain(number, "its hash is not what it and those before it give")
    chain.end()
    return Verdict(chain.records, gone, chain.head, len(expected))
