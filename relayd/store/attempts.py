"""The store room: envelopes that make their device fail (spec 50 §3).

A login enters; which envelopes are to be offered alone leaves. The rules of this file: counted is only what was first
in its lane at one login after the other; nothing is ever dropped for it.
"""

from typing import Final

from relayd.domain.mailbox import Mailbox
from relayd.store.commit import Commit
from relayproto.codes import Lane
from relayproto.limits import HEAD_ATTEMPTS_MAX

_LANES: Final = (Lane.NORMAL, Lane.URGENT)


def count(commit: Commit, row: int, mailbox: Mailbox) -> tuple[int, ...]:
    """Count a login of the device; return, by lane, the number of the envelope to be offered alone, 0 for none."""
    db = commit.db
    if not mailbox.messages:
        db.execute("DELETE FROM attempt WHERE lane BETWEEN ? AND ?", (row * 4, row * 4 + 3))
        return (0,) * len(Lane)
    alone = dict.fromkeys(Lane, 0)
    for lane in _LANES:
        name = row * 4 + lane
        head = db.execute("SELECT sequence FROM envelope WHERE lane = ? ORDER BY sequence LIMIT 1", (name,)).fetchone()
        if head is None:
            db.execute("DELETE FROM attempt WHERE lane = ?", (name,))
            continue
        (times,) = db.execute(
            "INSERT INTO attempt (lane, sequence, count) VALUES (?1, ?2, 1) ON CONFLICT (lane) DO UPDATE"
            " SET count = CASE sequence WHEN ?2 THEN count + 1 ELSE 1 END, sequence = ?2 RETURNING count",
            (name, head[0]),
        ).fetchone()
        if times > HEAD_ATTEMPTS_MAX:
            alone[lane] = head[0]
    return tuple(alone.values())
