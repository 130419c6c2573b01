"""The store room: reading a mailbox back, a page at a time (protocol.md §2).

A lane and a number enter; what follows that number leaves. The rules of this file: it sees only what is committed; it
never gives a row at or after its expiry; and every number up to the page's end is an entry, lies in a gap, or has
expired and is explained by the commit that removes it.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from relayd.domain.entry import Entry, Page
from relayd.store.vault import Vault
from relayproto.codes import Class, GapReason, Lane, Result
from relayproto.notices import Deliver, Gap, Outcome

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page: of a mailbox's lane, after a number, at most so many messages and bytes of credit."""

    mailbox: int
    lane: Lane
    after: int
    messages: int
    octets: int

    @property
    def name(self) -> int:
        """The lane's number in the tables."""
        return self.mailbox * 4 + self.lane


def read(db: sqlite3.Connection, vault: Vault, wanted: Wanted, now_ms: int) -> Page:
    """Return the page, from one snapshot; at least one entry where there is one."""
    db.execute("BEGIN")
    try:
        rows, more = _rows(db, wanted, now_ms)
        end = rows[-1][0] if more else _last(db, wanted)
        holes = _explained(db, wanted, rows, end, now_ms)
    finally:
        # Nothing was written, and after some failures SQLite has ended it itself: those must be told as what they are.
        if db.in_transaction:
            db.execute("ROLLBACK")
    items: list[Entry | Gap] = [_entry(vault, wanted, row) for row in rows]
    items.extend(holes)
    items.sort(key=_first)
    return Page(tuple(items), more)


def _first(item: Entry | Gap) -> int:
    return item.first if isinstance(item, Gap) else item.sequence


def _rows(db: sqlite3.Connection, wanted: Wanted, now_ms: int) -> tuple[list[Row], bool]:
    """Return the rows of the page, and whether there are others behind them."""
    found: list[Row] = db.execute(
        "SELECT e.sequence, e.expires_ms, e.class, e.octets, e.sealed, e.body, b.sealed"
        " FROM envelope e LEFT JOIN body b ON b.id = e.body"
        " WHERE e.lane = ? AND e.sequence > ? AND e.expires_ms > ? ORDER BY e.sequence LIMIT ?",
        (wanted.name, wanted.after, now_ms, wanted.messages + 1),
    ).fetchall()
    octets = 0
    for at, row in enumerate(found):
        octets += row[3]
        if at and (at == wanted.messages or octets > wanted.octets):
            return found[:at], True
    return found, False


def _last(db: sqlite3.Connection, wanted: Wanted) -> int:
    """Return the highest number that the lane has given."""
    column = ("next_normal", "next_urgent", "next_outcome")[wanted.lane]
    found = db.execute(f"SELECT {column} FROM mailbox WHERE id = ?", (wanted.mailbox,)).fetchone()  # noqa: S608
    return 0 if found is None else found[0] - 1


def _explained(db: sqlite3.Connection, wanted: Wanted, rows: list[Row], end: int, now_ms: int) -> list[Gap]:
    """Return the gaps between the page's rows: recorded holes expired, other missing numbers were acknowledged."""
    missing = list(_missing(wanted.after, [row[0] for row in rows], end))
    if not missing:
        return []
    # Rows that are over but not yet swept: neither given nor missing.
    over = db.execute(
        "SELECT sequence FROM envelope WHERE lane = ? AND sequence > ? AND sequence <= ? AND expires_ms <= ?"
        " ORDER BY sequence",
        (wanted.name, wanted.after, end, now_ms),
    ).fetchall()
    missing = [part for stretch in missing for part in _without(stretch, [(n, n) for (n,) in over])]
    holes = db.execute(
        "SELECT first, last FROM hole WHERE lane = ? AND last > ? AND first <= ? ORDER BY first",
        (wanted.name, wanted.after, end),
    ).fetchall()
    gaps: list[Gap] = []
    for first, last in missing:
        for left, right in _without((first, last), holes):
            gaps.append(Gap(wanted.lane, left, right, GapReason.ACKNOWLEDGED))
        for left, right in holes:
            if left <= last and right >= first:
                gaps.append(Gap(wanted.lane, max(left, first), min(right, last), GapReason.EXPIRED))
    return gaps


def _missing(after: int, present: list[int], end: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of each stretch of (after, end] that is not present."""
    return _without((after + 1, end), [(number, number) for number in present])


def _without(stretch: tuple[int, int], taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what of a stretch lies outside of ascending ones."""
    at, end = stretch
    for first, last in taken:
        if last < at or first > end:
            continue
        if first > at:
            yield at, first - 1
        at = last + 1
    if at <= end:
        yield at, end


def _entry(vault: Vault, wanted: Wanted, row: Row) -> Entry:
    sequence, expires_ms, class_, octets, sealed, body, body_sealed = row
    mailbox, lane, name = wanted.mailbox, wanted.lane, wanted.name
    if lane is Lane.OUTCOME:
        submission, position, result = vault.open_outcome(name, sequence, expires_ms, sealed)
        outcome = Outcome(sequence, submission, position, Result(result))
        return Entry(mailbox, lane, sequence, expires_ms, 0, outcome)
    origin, contents = vault.open_envelope(name, sequence, expires_ms, sealed)
    content = contents.body if body is None else vault.open_body(body, expires_ms, body_sealed)
    deliver = Deliver(
        lane, sequence, origin.account, origin.device, Class(class_), expires_ms,
        contents.commitment, contents.stamp, contents.wrap, content, contents.pass_,
    )  # fmt: skip
    return Entry(mailbox, lane, sequence, expires_ms, octets, deliver)
