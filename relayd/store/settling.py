"""The store room: what follows when a roster has come in force, a few lines at a time (spec 86 §3).

Lines of rosters in force enter; older lines of their addresses go, and accounts that are there already claim what they
say. The rules of this file: a newer line takes the place of an older one of its own unit or below, and gives way to any
other: by a list of addresses nobody takes another unit's people; a pass is short; where it ends the next one goes on.
"""

from typing import Final

from relayd.store import authority, claims, rosters
from relayd.store.commit import Commit
from relayproto.ids import Address

LINES_MAX: Final = 500
"""Lines of one pass, some 10 ms: what anything that arrives meanwhile waits."""
_OLDER: Final = (
    "SELECT line.id, roster.unit FROM roster_line line"  # noqa: S608 - a constant
    f" JOIN roster ON roster.id = line.id >> {rosters.PLACE_BITS} WHERE line.look = ? AND line.address = ?"
    " AND force > 0 AND force < ? AND until_ms > ?"
)


def settle(commit: Commit) -> int:
    """Go through lines of the oldest roster that has come in force and was not gone through; return how many."""
    db = commit.db
    found = db.execute(
        "SELECT id, unit, force, settled FROM roster WHERE settled IS NOT NULL AND force > 0 AND until_ms > ?"
        " ORDER BY force LIMIT 1",
        (commit.now_ms,),
    ).fetchone()
    if found is None:
        return 0
    roster, unit, force, settled = found
    _, end = rosters.span(roster)
    lines = db.execute(
        "SELECT id, look, address FROM roster_line WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        (settled, end, LINES_MAX + 1),
    ).fetchall()
    now = lines[:LINES_MAX]
    for number, look, address in now:
        older = db.execute(_OLDER, (look, address, force, commit.now_ms)).fetchall()
        if all(unit in authority.chain(commit, its_unit) for _, its_unit in older):
            rosters.delete(commit, [line for line, _ in older])
            _expect(commit, address, number)
        else:
            rosters.delete(commit, [number])
    last = now[-1][0] if len(lines) > len(now) else None
    db.execute("UPDATE roster SET settled = ? WHERE id = ?", (last, roster))
    return len(now)


def _expect(commit: Commit, address: Address, number: int) -> None:
    row = commit.db.execute("SELECT id FROM account WHERE address = ?", (address,)).fetchone()
    who = None if row is None else authority.actor_of_row(commit, row[0])
    line = rosters.line_of(commit, address)
    if who is not None and line is not None and line.number == number:
        claims.expect(commit, who, line)
