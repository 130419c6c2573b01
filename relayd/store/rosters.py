"""The store room: whom an organisation expects - the rosters in force and their lines (spec 86 §3).

Changes enter and effects leave, or Denied; an address enters and its line leaves. The rules of this file: of several
lines of an address the oldest counts, until settling has decided; a roster comes in force and goes by one row, and its
lines follow a few at a time; a line says who is expected and verifies nobody.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from relayd.domain import addresses
from relayd.domain.acting import Actor, Denied, Effect
from relayd.domain.lookalikes import look as look_of
from relayd.domain.refusals import Refusal
from relayd.store import alone, authority, units
from relayd.store.authority import BELOW, Sight
from relayd.store.commit import Commit
from relayproto.codes import Code
from relayproto.ids import Address, UnitId
from relayproto.limits import ROSTER_ALONE_MAX, ROSTER_LIFETIME_MS
from relayproto.rosters import Expected, GetRoster, ImportRoster, StrikeLine

IN_FORCE_MAX: Final = 600_000
"""Lines of one organisation in force: three of the longest rosters, of which two are being replaced."""
GONE_MAX: Final = 2_000
"""Lines that one pass of the sweep deletes, some 5 ms."""
LOOKED_MAX: Final = 1_000
"""Lines, and rosters, that one look goes through, some 30 ms: what others who ask wait for it."""
PLACE_BITS: Final = 18
"""A line's number is its roster's with its place in this many bits: 262,144 places, above ROSTER_LINES_MAX."""
_LINES: Final = (
    "SELECT line.id, roster.unit, line.name, line.title, roster.seconded FROM roster_line line"  # noqa: S608 - a constant
    f" JOIN roster ON roster.id = line.id >> {PLACE_BITS} WHERE line.look = ? AND line.address = ? AND force > 0"
    " AND until_ms > ? ORDER BY force"
)
_IN_FORCE: Final = (
    BELOW + "SELECT roster.id, unit FROM below CROSS JOIN roster ON unit = below.id"  # noqa: S608 - a constant
    " WHERE roster.id >= :first AND force > 0 AND until_ms > :now_ms ORDER BY roster.id LIMIT :rows"
)
_NAMED: Final = (
    "SELECT id, unit FROM roster WHERE id >= :first AND unit = :unit AND name = :name AND until_ms > :now_ms"
    " ORDER BY id DESC LIMIT 1"
)
_PART: Final = "SELECT id, address, name, title FROM roster_line WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
_KEPT: Final = (
    "SELECT coalesce(sum(kept), 0) FROM roster JOIN unit ON unit.id = roster.unit"
    " WHERE unit.organisation = ? AND force > 0 AND until_ms > ?"
)


class Staged(NamedTuple):
    """A roster that is not in force yet: how many lines have come, how many were kept, and the hash over those."""

    number: int
    unit: UnitId
    sent: int
    kept: int
    digest: bytes


class Line(NamedTuple):
    """The line of an address that counts; ``seconded`` says whether a second person has read its roster."""

    number: int
    unit: UnitId
    name: str
    title: str
    seconded: bool


def staged(sight: Sight, row: int, name: bytes) -> Staged | None:
    """Return the roster of a name that an account stages, or None."""
    found = sight.db.execute(
        "SELECT id, unit, sent, kept, digest FROM roster WHERE account = ? AND name = ? AND force = 0 AND until_ms > ?",
        (row, name, sight.now_ms),
    ).fetchone()
    return None if found is None else Staged(*found)


def span(roster: int) -> tuple[int, int]:
    """Return the numbers between which the lines of a roster lie: from the first up to before the second."""
    return roster << PLACE_BITS, (roster + 1) << PLACE_BITS


def line_of(sight: Sight, address: Address) -> Line | None:
    """Return the line of an address that is in force, or None."""
    found = sight.db.execute(_LINES, (look_of(address), address, sight.now_ms)).fetchone()
    if found is None:
        return None
    number, unit, name, title, seconded = found
    return Line(number, unit, name, title, bool(seconded))


def bring_in(commit: Commit, actor: Actor, change: ImportRoster) -> Effect:
    """Let a roster that the actor has staged come in force; the sweep goes through its lines (relayd.store.settling).

    Denied: CONFLICT for a unit that does not work and for a roster that is not staged there, or not as it is described;
    LIMIT where too many lines would be in force.
    """
    unit = units.working(commit, change.unit)
    roster = staged(commit, actor.row, change.roster)
    if roster is None or (roster.unit, roster.kept, roster.digest) != (unit.unit, change.lines, change.digest):
        raise Denied(Code.CONFLICT)
    (kept,) = commit.db.execute(_KEPT, (unit.organisation, commit.now_ms)).fetchone()
    if kept + roster.kept > IN_FORCE_MAX:
        raise Denied(Code.LIMIT)
    first, _ = span(roster.number)
    second = actor.seconded or not alone.within(commit, actor.row, change.KIND, roster.kept, ROSTER_ALONE_MAX)
    commit.db.execute(
        "UPDATE roster SET force = (SELECT max(force) + 1 FROM roster), until_ms = ?, settled = ?, seconded = ?"
        " WHERE id = ?",
        (commit.now_ms + ROSTER_LIFETIME_MS, first - 1, second, roster.number),
    )
    return Effect(unit.unit, after=units.digest(roster.kept, roster.digest), second=second)


def strike(commit: Commit, actor: Actor, change: StrikeLine) -> Effect:  # noqa: ARG001 - the same for every actor
    """Take the line of an address out. Denied: BAD_ADDRESS; NOT_PERMITTED where none is of the unit or below."""
    try:
        address = addresses.parse(change.address)
    except Refusal as refusal:
        raise Denied(refusal.code) from None
    line = line_of(commit, address)
    if line is None or change.unit not in authority.chain(commit, line.unit):
        raise Denied(Code.NOT_PERMITTED)
    take_out(commit, address)
    return Effect(line.unit, before=units.digest(address, *line[1:4]))


def take_out(commit: Commit, address: Address) -> None:
    """Delete every line of an address that is in force, and what it has said of the account."""
    lines = commit.db.execute(_LINES, (look_of(address), address, commit.now_ms)).fetchall()
    delete(commit, [number for number, *_ in lines])
    commit.db.execute(
        "DELETE FROM claim WHERE rostered AND account = (SELECT id FROM account WHERE address = ?)", (address,)
    )


def delete(commit: Commit, lines: list[int]) -> None:
    """Delete lines by their numbers; a roster in force without lines is over."""
    for line in lines:
        commit.db.execute("DELETE FROM roster_line WHERE id = ?", (line,))
    for roster in sorted({line >> PLACE_BITS for line in lines}):
        gone = sum(line >> PLACE_BITS == roster for line in lines)
        commit.db.execute(
            "UPDATE roster SET kept = kept - ?1, until_ms = CASE WHEN kept = ?1 THEN 0 ELSE until_ms END WHERE id = ?2",
            (gone, roster),
        )


def sweep(commit: Commit) -> int:
    """Delete lines of rosters that are over, at most GONE_MAX, and return how many there were."""
    over = commit.db.execute(
        "SELECT id FROM roster WHERE until_ms <= ? ORDER BY until_ms LIMIT 1", (commit.now_ms,)
    ).fetchone()
    if over is None:
        return 0
    gone = commit.db.execute(
        "DELETE FROM roster_line WHERE id IN (SELECT id FROM roster_line WHERE id >= ? AND id < ? LIMIT ?)",
        (*span(over[0]), GONE_MAX),
    ).rowcount
    if gone < GONE_MAX:
        commit.db.execute("DELETE FROM roster WHERE id = ?", over)
    return gone


def look(sight: Sight, question: GetRoster, found: list[Expected]) -> GetRoster | None:
    """Add to ``found`` what is told among the next LOOKED_MAX lines: those that count, or all of a roster of a name.

    Return the question that goes on where this one ended; None where nothing follows, or one more than it asked for is
    found.
    """
    asked = {"unit": question.unit, "first": (question.after + 1) >> PLACE_BITS, "name": question.roster,
             "now_ms": sight.now_ms, "rows": LOOKED_MAX}  # fmt: skip
    left, last = LOOKED_MAX, question.after
    among = sight.db.execute(_NAMED if question.roster else _IN_FORCE, asked).fetchall()
    for roster, unit in among:
        first, end = span(roster)
        lines = sight.db.execute(_PART, (max(first - 1, question.after), end, left)).fetchall()
        for number, address, name, title in lines:
            if question.roster or _counts(sight, number, address):
                found.append(Expected(number, unit, address, name, title))
            if len(found) > question.rows:
                return None
        last = lines[-1][0] if len(lines) == left else end - 1
        left -= len(lines)
        if not left:
            break
    return replace(question, after=last) if not left or len(among) == LOOKED_MAX else None


def _counts(sight: Sight, number: int, address: Address) -> bool:
    """Say whether a line in force is the one that counts: no newer roster's has taken its place."""
    line = line_of(sight, address)
    return line is not None and line.number == number
