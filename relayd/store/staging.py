"""The store room: a roster comes in, part by part, before it is in force (spec 86 §2).

Parts of a staged roster enter; how far it has come and what is wrong with which line leave. The rules of this file: one
bad line spoils no other; the same part again changes nothing and gets the same answer; nothing that is staged has any
effect on anybody.
"""

from typing import Final, NamedTuple

from relayd.domain import addresses
from relayd.domain.acting import Denied
from relayd.domain.lookalikes import look as look_of
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import acts, authority, rosters, units
from relayd.store.commit import Commit
from relayd.store.rosters import Staged
from relayproto import rosters as contract
from relayproto.codes import Code
from relayproto.ids import Address, UnitId
from relayproto.limits import ROSTER_LINES_MAX, ROSTER_STAGED_MS
from relayproto.rosters import Fault, PutRoster, Rostered, RosterLine
from relayproto.rules import RULES
from relayproto.texts import presentable

REPLACED_AFTER_MS: Final = 5_000
"""When an account whose last roster is still being deleted may come again with a new one."""
_DOMAINS: Final = "SELECT domain.name FROM domain JOIN unit ON unit.id = domain.unit WHERE unit.organisation = ?"
_ALIKE: Final = (
    "SELECT line.id, line.address, roster.unit, force > 0 AND until_ms > ? FROM roster_line line"  # noqa: S608 - a constant
    f" JOIN roster ON roster.id = line.id >> {rosters.PLACE_BITS} WHERE line.look = ?"
)


class _Page(NamedTuple):
    """What the lines of a part are held against."""

    roster: int
    unit: UnitId
    domains: frozenset[str]


def put(commit: Commit, seat: Seat, command: PutRoster) -> Rostered | Code:
    """Take a part of a roster, or write down that it was denied and return the code.

    Raises Refusal: CONFLICT for a unit that does not work and for lines that are not those which came before, LIMIT for
    too long a roster, BUSY while the account's last one is being deleted.
    """
    commit.require(seat)
    who = authority.actor(commit, seat.account)
    if who is None or authority.find(commit, who, RULES[command.KIND], command.unit) is None:
        acts.deny_question(commit, seat, command, Code.NOT_PERMITTED)
        return Code.NOT_PERMITTED
    try:
        unit = units.working(commit, command.unit)
    except Denied as denied:
        raise Refusal(denied.code) from None
    roster = rosters.staged(commit, who.row, command.roster)
    if roster is None:
        if command.position:
            return Rostered(0, ())
        roster = _begin(commit, who.row, unit.unit, command.roster)
    if roster.unit != unit.unit:
        raise Refusal(Code.CONFLICT)
    if command.position > roster.sent:
        return Rostered(roster.sent, ())
    if command.position + len(command.lines) > ROSTER_LINES_MAX:
        raise Refusal(Code.LIMIT)
    domains = frozenset(name for (name,) in commit.db.execute(_DOMAINS, (unit.organisation,)))
    return _take(commit, roster, command, _Page(roster.number, unit.unit, domains))


def _begin(commit: Commit, row: int, unit: UnitId, name: bytes) -> Staged:
    """Begin a roster of an account, which then stages no other."""
    db = commit.db
    gone = db.execute("SELECT 1 FROM roster WHERE account = ? AND until_ms <= ?", (row, commit.now_ms)).fetchone()
    if gone is not None:
        raise Refusal(Code.BUSY, REPLACED_AFTER_MS)
    db.execute("UPDATE roster SET until_ms = 0 WHERE account = ? AND force = 0", (row,))
    number = db.execute(
        "INSERT INTO roster (unit, account, name, sent, kept, digest, force, until_ms) VALUES (?, ?, ?, 0, 0, ?, 0, ?)",
        (unit, row, name, contract.NO_LINES, commit.now_ms + ROSTER_STAGED_MS),
    ).lastrowid
    assert number is not None  # noqa: S101 - an INSERT that did not raise has a row
    return Staged(number, unit, 0, 0, contract.NO_LINES)


def _take(commit: Commit, roster: Staged, command: PutRoster, page: _Page) -> Rostered:
    """Keep the good lines of a part that have not come before, and say what is wrong with the others."""
    faults: list[Fault] = []
    kept, digest, sent = roster.kept, roster.digest, roster.sent
    first, _ = rosters.span(roster.number)
    for index, line in enumerate(command.lines):
        place = command.position + index
        if place < roster.sent:
            code = _again(commit, first + place, line, page)
        else:
            sent, code = place + 1, _fault(commit, line, page)
            if code is None:
                kept, digest = kept + 1, contract.digest([line], digest)
                commit.db.execute(
                    "INSERT INTO roster_line (id, look, address, name, title) VALUES (?, ?, ?, ?, ?)",
                    (first + place, look_of(Address(line.address)), *line.fields()),
                )
        if code is not None:
            faults.append(Fault(index, code))
    if sent > roster.sent:
        commit.db.execute(
            "UPDATE roster SET sent = ?, kept = ?, digest = ? WHERE id = ?", (sent, kept, digest, roster.number)
        )
    return Rostered(sent, tuple(faults))


def _again(commit: Commit, number: int, line: RosterLine, page: _Page) -> Code | None:
    """Return what was wrong with a line that has come before; Refusal(CONFLICT) where another stood in its place."""
    found = commit.db.execute("SELECT address, name, title FROM roster_line WHERE id = ?", (number,)).fetchone()
    if found is None:
        # What was wrong then may have changed, but the line was left out and stays so.
        return _fault(commit, line, page) or Code.CONFLICT
    if found != line.fields():
        raise Refusal(Code.CONFLICT)
    return None


def _fault(commit: Commit, line: RosterLine, page: _Page) -> Code | None:
    """Return what is wrong with a line, None for a good one."""
    try:
        address = addresses.parse(line.address)
    except Refusal as refusal:
        return refusal.code
    if address != line.address or addresses.domain_of(address) not in page.domains:
        return Code.BAD_ADDRESS
    if not all(text == "" or presentable(text) for text in (line.name, line.title)):
        return Code.LIMIT
    return _in_the_way(commit, address, page)


def _in_the_way(commit: Commit, address: Address, page: _Page) -> Code | None:
    """Return what another line or an account has against a good line, None for nothing."""
    look = look_of(address)
    alike = commit.db.execute(_ALIKE, (commit.now_ms, look)).fetchall()
    own = {other for number, other, *_ in alike if number >> rosters.PLACE_BITS == page.roster}
    if address in own:
        return Code.CONFLICT
    taken = own | {other for _, other, _, in_force in alike if in_force}
    if taken - {address} or _like_an_account(commit, look, address):
        return Code.ADDRESS_TAKEN
    expecting = {unit for _, other, unit, in_force in alike if in_force and other == address}
    if any(page.unit not in authority.chain(commit, unit) for unit in expecting):
        return Code.NOT_PERMITTED
    return None


def _like_an_account(commit: Commit, look: str, address: str) -> bool:
    return (
        commit.db.execute("SELECT 1 FROM account WHERE look = ? AND address <> ? LIMIT 1", (look, address)).fetchone()
        is not None
    )
