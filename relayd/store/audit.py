"""The store room: the audit log, a chain of records (spec 80 §1).

A record enters and its number leaves; records and checkpoints leave to those who may see them. The rule of this file:
numbers have no gaps, and each row's hash covers the row before; who cannot write here has done nothing.
"""

from relayd.domain.fitting import fitting
from relayd.store.authority import BELOW, Sight
from relayd.store.commit import Commit
from relayproto import audit
from relayproto.administration import GetAudit, GetCheckpoints
from relayproto.administration_replies import Audit, Checkpoint, Checkpoints
from relayproto.audit import Record

_RECORDS = BELOW + "SELECT id, record FROM audit WHERE unit IN below AND id > :after ORDER BY id"  # noqa: S608 - ours
_CHECKPOINTS = "SELECT records, head, at_ms, key_id, signature FROM checkpoint WHERE records > :after ORDER BY records"


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


def listed(sight: Sight, question: GetAudit) -> Audit:
    """Return the records of a unit and of those below it."""
    rows = sight.db.execute(_RECORDS, {"unit": question.unit, "after": question.after})
    return Audit(*fitting(rows, question.rows))


def checkpoints(sight: Sight, question: GetCheckpoints) -> Checkpoints:
    """Return the relay's signed words on the log."""
    rows = sight.db.execute(_CHECKPOINTS, {"after": question.after})
    return Checkpoints(*fitting((Checkpoint(*row) for row in rows), question.rows))
