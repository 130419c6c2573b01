"""The store room: units, the tree that organisations are (spec 70 §1).

Changes of the tree enter and effects leave, or Denied. The rules of this file: checks first, then changes; a unit has
one unit above it up to its organisation, within depth and number; a number is never given twice.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from relayd.domain import lookalikes
from relayd.domain.acting import Actor, Denied, Effect
from relayd.domain.fitting import fitting
from relayd.domain.names import named
from relayd.store import authority
from relayd.store.commit import Commit
from relayproto.administration import CloseUnit, CreateUnit, GetUnits, MoveUnit, RenameUnit
from relayproto.administration_replies import Unit, Units
from relayproto.codes import Code
from relayproto.ids import UnitId
from relayproto.limits import UNIT_DEPTH_MAX, UNITS_MAX
from relayproto.packed import pack
from relayproto.primitives import blake2b_256
from relayproto.rules import RULES
from relayproto.standing import PLATFORM, Role, UnitState

_HEIGHT: Final = (
    "WITH RECURSIVE below (id, depth) AS (VALUES (?1, 1)"
    " UNION ALL SELECT unit.id, depth + 1 FROM unit JOIN below ON unit.under = below.id WHERE depth < ?2)"
    " SELECT max(depth) FROM below"
)
LISTED: Final = (
    "SELECT unit.id, unit.under, unit.name, unit.state, coalesce(domain.name, ''), coalesce(organisation.root_key, x'')"
    " FROM unit LEFT JOIN organisation ON unit.under = 0 AND organisation.unit = unit.id"
    " LEFT JOIN domain ON unit.under = 0 AND domain.unit = unit.id"
    " WHERE unit.under = ? AND unit.id > ? ORDER BY unit.id LIMIT ?"
)
"""Units right below one; the domain is the one that the organisation came with, of which there is one."""
_AUDITED: Final = "SELECT 1 FROM held_role WHERE unit = ? AND role = ? AND until_ms > ? LIMIT 1"
PEOPLED: Final = "SELECT 1 FROM account WHERE unit = ? AND unit <> 0 LIMIT 1"


class Node(NamedTuple):
    """A unit in its tree; ``under`` is PLATFORM for an organisation."""

    unit: UnitId
    under: UnitId
    organisation: UnitId
    name: str
    state: UnitState

    @property
    def is_root(self) -> bool:
        """Whether it is an organisation."""
        return self.under == PLATFORM


def node(commit: Commit, unit: UnitId) -> Node:
    """Return a unit; Denied(NOT_PERMITTED) where there is none."""
    found = commit.db.execute("SELECT id, under, organisation, name, state FROM unit WHERE id = ?", (unit,)).fetchone()
    if found is None:
        raise Denied(Code.NOT_PERMITTED)
    return Node(UnitId(found[0]), UnitId(found[1]), UnitId(found[2]), found[3], UnitState(found[4]))


def working(commit: Commit, unit: UnitId) -> Node:
    """Return a unit that works, as its organisation does; Denied(CONFLICT) where one of them does not.

    Nobody looks at what lies between: only an organisation is suspended, and what is closed has nothing below it.
    """
    found = node(commit, unit)
    root = found if found.is_root else node(commit, found.organisation)
    if (found.state, root.state) != (UnitState.ACTIVE, UnitState.ACTIVE):
        raise Denied(Code.CONFLICT)
    return found


def digest(*fields: object) -> bytes:
    """Return what stands in the audit log for what was changed."""
    return blake2b_256(pack(*fields))


def forget_people(commit: Commit, unit: UnitId) -> None:  # noqa: ARG001 - whoever is below it: all are forgotten
    """Let the next submission see what has become of the people of a unit and of all below it."""
    commit.tools.residents.forget_parties()


def free_name(commit: Commit, under: UnitId, text: str, but: UnitId = PLATFORM) -> str:
    """Return a name in its one form; Denied(CONFLICT) where it is none, or a unit below ``under`` has it.

    So it is where another than ``but`` has a name that looks like it.
    """
    name = named(text)
    if name is None:
        raise Denied(Code.CONFLICT)
    beside = commit.db.execute("SELECT id, name FROM unit WHERE under = ? AND state <> ?", (under, UnitState.CLOSED))
    seen = lookalikes.looks(name)
    for unit, other in beside:
        if other == name or (unit != but and not seen.isdisjoint(lookalikes.looks(other))):
            raise Denied(Code.CONFLICT)
    return name


def add(commit: Commit, under: Node | None, name: str) -> Node:
    """Put a new unit below one, or a new organisation below none, and return it."""
    above, organisation = (under.unit, under.organisation) if under is not None else (PLATFORM, PLATFORM)
    row = commit.db.execute(
        "INSERT INTO unit (under, organisation, name, state) VALUES (?, ?, ?, ?)",
        (above, organisation, name, UnitState.ACTIVE),
    ).lastrowid
    assert row is not None  # noqa: S101 - an INSERT that did not raise has a row
    made = UnitId(row)
    if under is None:
        commit.db.execute("UPDATE unit SET organisation = id WHERE id = ?", (made,))
    return node(commit, made)


def require_room(commit: Commit, moved: UnitId, under: UnitId) -> None:
    """Raise Denied(CONFLICT) where a unit and all below it can't be put under another: a circle, or too deep."""
    chain = authority.chain(commit, under)
    (height,) = commit.db.execute(_HEIGHT, (moved, UNIT_DEPTH_MAX + 1)).fetchone()
    if moved in chain or len(chain) + height > UNIT_DEPTH_MAX:
        raise Denied(Code.CONFLICT)


def count(commit: Commit, organisation: UnitId) -> int:
    """Return how many units an organisation has that are not closed, itself among them."""
    (number,) = commit.db.execute(
        "SELECT count(*) FROM unit WHERE organisation = ? AND state <> ?", (organisation, UnitState.CLOSED)
    ).fetchone()
    return int(number)


def create(commit: Commit, actor: Actor, change: CreateUnit) -> Effect:  # noqa: ARG001 - the same for every actor
    """Make a unit; Denied(CONFLICT) for a name that is taken or none, and where it would be too deep or too many."""
    under = working(commit, change.unit)
    name = free_name(commit, under.unit, change.name)
    if len(authority.chain(commit, under.unit)) >= UNIT_DEPTH_MAX or count(commit, under.organisation) >= UNITS_MAX:
        raise Denied(Code.CONFLICT)
    made = add(commit, under, name)
    return Effect(made.unit, made.unit, after=digest(*made))


def rename(commit: Commit, actor: Actor, change: RenameUnit) -> Effect:  # noqa: ARG001 - the same for every actor
    """Rename a unit; Denied(CONFLICT) for a name that is taken or none."""
    before = working(commit, change.unit)
    name = free_name(commit, before.under, change.name, before.unit)
    commit.db.execute("UPDATE unit SET name = ? WHERE id = ?", (name, before.unit))
    return _changed(commit, before)


def move(commit: Commit, actor: Actor, change: MoveUnit) -> Effect:
    """Put a unit under another of its organisation.

    Denied(CONFLICT) for an organisation, another organisation's unit, a circle, too deep, a name that is taken there;
    Denied(NOT_PERMITTED) where the actor may not take it away from the unit above it.
    """
    before, under = working(commit, change.unit), working(commit, change.under)
    if before.is_root or before.under == under.unit or before.organisation != under.organisation:
        raise Denied(Code.CONFLICT)
    if authority.find(commit, actor, RULES[change.KIND], before.under) is None:
        raise Denied(Code.NOT_PERMITTED)
    require_room(commit, before.unit, under.unit)
    free_name(commit, under.unit, before.name)
    commit.db.execute("UPDATE unit SET under = ? WHERE id = ?", (under.unit, before.unit))
    forget_people(commit, before.unit)
    return replace(_changed(commit, before), also=frozenset({before.under}))


def close(commit: Commit, actor: Actor, change: CloseUnit) -> Effect:  # noqa: ARG001 - the same for every actor
    """Close a unit for good, with the roles held over it, its rosters and the claims to be of it.

    Denied(CONFLICT) where anybody or anything is in it, and below an organisation while somebody is its auditor.
    """
    before, db = working(commit, change.unit), commit.db
    below = db.execute(
        "SELECT 1 FROM unit WHERE under = ? AND state <> ? LIMIT 1", (before.unit, UnitState.CLOSED)
    ).fetchone()
    if below is not None or db.execute(PEOPLED, (before.unit,)).fetchone() is not None:
        raise Denied(Code.CONFLICT)
    if not before.is_root and db.execute(_AUDITED, (before.unit, Role.AUDITOR, commit.now_ms)).fetchone() is not None:
        raise Denied(Code.CONFLICT)  # spec 70 §4: two end it.
    db.execute("UPDATE unit SET state = ? WHERE id = ?", (UnitState.CLOSED, before.unit))
    db.execute("DELETE FROM held_role WHERE unit = ?", (before.unit,))
    db.execute("DELETE FROM claim WHERE unit = ?", (before.unit,))
    db.execute("UPDATE roster SET until_ms = 0 WHERE unit = ?", (before.unit,))
    if before.is_root:
        # Whoever speaks for the domain next has to prove it again.
        db.execute("DELETE FROM domain WHERE unit = ?", (before.unit,))
    return _changed(commit, before)


def _changed(commit: Commit, before: Node) -> Effect:
    after = node(commit, before.unit)
    return Effect(before.unit, before=digest(*before), after=digest(*after))


def listed(db: sqlite3.Connection, question: GetUnits) -> Units:
    """Return the units right below one, as many as are asked for and fit a frame; below the platform: organisations."""
    found = db.execute(LISTED, (question.unit, question.after, question.rows + 1))
    taken, more = fitting(_units(found), question.rows)
    return Units(taken, more)


def _units(found: sqlite3.Cursor) -> Iterator[Unit]:
    for unit, under, name, state, domain, root_key in found:
        yield Unit(UnitId(unit), UnitId(under), name, UnitState(state), domain, root_key)
