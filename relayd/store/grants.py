"""The store room: who holds which role over which unit (spec 70 §4).

Changes of roles enter and effects leave, or Denied. The rules of this file: nobody grants to himself, nor more than he
may; what is held over a unit is held by its organisation's own; every grant ends; an auditor is nothing else.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from relayd.domain.acting import Actor, Denied, Effect
from relayd.store import authority, belonging, offices, units
from relayd.store.authority import BELOW
from relayd.store.commit import Commit
from relayproto.administration import GrantRole, HandOver, RevokeRole
from relayproto.codes import Code, Kind
from relayproto.ids import UnitId
from relayproto.limits import GRANT_LIFETIME_S_MAX, ROLES_HELD_MAX
from relayproto.rules import GRANTED_BY, PLATFORM_ROLES, RULES, Rule
from relayproto.standing import PLATFORM, Role, UnitState, Where

ROWS_MAX: Final = 500
"""Grants that one sweep ends; whether one counts is asked by its date, so none does for a moment longer."""
_OVER: Final = (
    "DELETE FROM held_role WHERE id IN (SELECT id FROM held_role WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)"
)
WITHIN: Final = (
    BELOW + "SELECT role, unit, until_ms FROM held_role"  # noqa: S608 - a constant
    " WHERE account = :account AND until_ms > :now AND unit IN (SELECT id FROM below)"
)
"""What an account holds over a unit and below it."""


class Held(NamedTuple):
    """A role that somebody holds over a unit until a time, unix ms."""

    role: Role
    unit: UnitId
    until_ms: int


def grant(commit: Commit, actor: Actor, change: GrantRole) -> Effect:
    """Let an account act in a role, or until another date; a grant that is there already is renewed.

    Denied: NOT_PERMITTED, also for a role that nobody holds there and an account that is not the organisation's or no
    person's; BAD_LIFETIME; CONFLICT beside an auditor's role and to shorten one, and over a unit that is closed; LIMIT.
    """
    unit, role = change.unit, change.role
    if role not in PLATFORM_ROLES if unit == PLATFORM else role is Role.PLATFORM_OPERATOR:
        raise Denied(Code.NOT_PERMITTED)
    grantee = belonging.account(commit, change.account)
    belonging.require_person(grantee)
    if grantee.row == actor.row or not may_grant(commit, actor, role, unit):
        raise Denied(Code.NOT_PERMITTED)
    if unit != PLATFORM:
        where = units.node(commit, unit)
        if where.state is UnitState.CLOSED:
            raise Denied(Code.CONFLICT)
        belonging.require_own(commit, grantee, where.organisation)
    require_end(commit, change.until_ms)
    require_joint(commit, grantee.row, [(role, unit)])
    before = _one(commit, grantee.row, role, unit)
    if role is Role.AUDITOR and before is not None and change.until_ms < before:
        raise Denied(Code.CONFLICT)  # spec 70 §4: two end it, and a grant that is over tomorrow is an end.
    put(commit, grantee.row, role, unit, change.until_ms)
    return Effect(
        unit,
        before=b"" if before is None else units.digest(change.account, role, unit, before),
        after=units.digest(change.account, role, unit, change.until_ms),
    )


def revoke(commit: Commit, actor: Actor, change: RevokeRole) -> Effect:
    """Take a role back, or lay down one's own; Denied: NOT_PERMITTED, also where it is not held."""
    holder = belonging.account(commit, change.account)
    before = _one(commit, holder.row, change.role, change.unit)
    if before is None or not (holder.row == actor.row or may_grant(commit, actor, change.role, change.unit)):
        raise Denied(Code.NOT_PERMITTED)
    commit.db.execute(
        "DELETE FROM held_role WHERE account = ? AND role = ? AND unit = ?", (holder.row, change.role, change.unit)
    )
    return Effect(change.unit, before=units.digest(change.account, change.role, change.unit, before))


def hand_over(commit: Commit, actor: Actor, change: HandOver) -> Effect:
    """Give all that an account holds over a unit and below, its offices too, to another of the organisation.

    What both hold ends when the later one ends. Denied: NOT_PERMITTED, also where the actor may not grant one of the
    roles; CONFLICT where there is nothing to give, and for an auditor; LIMIT.
    """
    organisation = units.working(commit, change.unit).organisation
    giver, taker = belonging.account(commit, change.account), belonging.account(commit, change.to)
    if taker.row in {actor.row, giver.row}:
        raise Denied(Code.NOT_PERMITTED)
    belonging.require_own(commit, taker, organisation)
    belonging.require_person(taker)
    given = _within(commit, giver.row, change.unit)
    offices_given = offices.answered(commit, giver.row, change.unit)
    if not given and not offices_given:
        raise Denied(Code.CONFLICT)
    if not all(may_grant(commit, actor, one.role, one.unit) for one in given):
        raise Denied(Code.NOT_PERMITTED)
    require_joint(commit, taker.row, [(one.role, one.unit) for one in given])
    for role, unit, until_ms in given:
        put(commit, taker.row, role, unit, max(until_ms, _one(commit, taker.row, role, unit) or 0))
    commit.db.execute(
        BELOW + "DELETE FROM held_role WHERE account = :account AND unit IN (SELECT id FROM below)",  # noqa: S608
        {"account": giver.row, "unit": change.unit},
    )
    offices.pass_on(commit, offices_given, giver.row, taker.row)
    return Effect(
        change.unit,
        before=units.digest(change.account, given, offices_given),
        after=units.digest(change.to, given, offices_given),
    )


def may_approve(commit: Commit, actor: Actor, change: HandOver) -> bool:
    """Say whether somebody may be the second person for each role that is handed over, as for its grant."""
    given = _within(commit, belonging.account(commit, change.account).row, change.unit)
    at_root = Rule(Where.UNIT, RULES[Kind.GRANT_ROLE].approvers)
    return all(
        authority.find(commit, actor, at_root, one.unit) is not None
        if units.node(commit, one.unit).is_root
        else may_grant(commit, actor, one.role, one.unit)
        for one in given
    )


def drop_all(commit: Commit, actor: Actor, row: int) -> list[Held]:
    """Take all roles over units from an account that leaves its organisation, and return them.

    Denied, nothing changed: NOT_PERMITTED where the actor may not take one of them, CONFLICT for an auditor, whose
    role two take. What is held over the platform stays: it is no organisation's to take.
    """
    found = commit.db.execute(
        "SELECT role, unit, until_ms FROM held_role WHERE account = ? AND until_ms > ? AND unit <> ?",
        (row, commit.now_ms, PLATFORM),
    ).fetchall()
    held = _held(found)
    if not all(may_grant(commit, actor, one.role, one.unit) for one in held):
        raise Denied(Code.NOT_PERMITTED)
    if any(one.role is Role.AUDITOR for one in held):
        raise Denied(Code.CONFLICT)
    commit.db.execute("DELETE FROM held_role WHERE account = ? AND unit <> ?", (row, PLATFORM))
    return held


def may_grant(commit: Commit, actor: Actor, role: Role, unit: UnitId) -> bool:
    """Say whether one of the roles that the actor holds over a unit lets him grant another there, or take it."""
    return authority.find(commit, actor, Rule(Where.UNIT, GRANTED_BY[role]), unit) is not None


def require_end(commit: Commit, until_ms: int) -> None:
    """Raise Denied(BAD_LIFETIME) for a grant that is over already or would last too long."""
    if not 0 < until_ms - commit.now_ms <= GRANT_LIFETIME_S_MAX * 1000:
        raise Denied(Code.BAD_LIFETIME)


def require_joint(commit: Commit, row: int, more: Iterable[tuple[Role, UnitId | None]]) -> None:
    """Raise Denied where an account can't hold more roles beside its own: CONFLICT for an auditor, LIMIT."""
    kept = commit.db.execute(
        "SELECT role, unit FROM held_role WHERE account = ? AND until_ms > ?", (row, commit.now_ms)
    )
    held = {*kept.fetchall(), *more}
    if Role.AUDITOR in {role for role, _ in held} and any(role != Role.AUDITOR for role, _ in held):
        raise Denied(Code.CONFLICT)
    if len(held) > ROLES_HELD_MAX:
        raise Denied(Code.LIMIT)


def put(commit: Commit, row: int, role: Role, unit: UnitId, until_ms: int) -> None:
    """Write a grant that was checked."""
    commit.db.execute(
        "INSERT INTO held_role (unit, account, role, until_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, role, unit) DO UPDATE SET until_ms = excluded.until_ms",
        (unit, row, role, until_ms),
    )


def end(commit: Commit) -> None:
    """Delete grants whose time is over."""
    commit.db.execute(_OVER, (commit.now_ms, ROWS_MAX))


def _one(commit: Commit, row: int, role: Role, unit: UnitId) -> int | None:
    """Return until when an account holds a role over a unit, or None where it does not."""
    found = commit.db.execute(
        "SELECT until_ms FROM held_role WHERE account = ? AND role = ? AND unit = ? AND until_ms > ?",
        (row, role, unit, commit.now_ms),
    ).fetchone()
    return None if found is None else int(found[0])


def _within(commit: Commit, row: int, unit: UnitId) -> list[Held]:
    found = commit.db.execute(WITHIN, {"account": row, "now": commit.now_ms, "unit": unit}).fetchall()
    return _held(found)


def _held(found: Iterable[tuple[int, int, int]]) -> list[Held]:
    return sorted(Held(Role(role), UnitId(unit), until_ms) for role, unit, until_ms in found)
