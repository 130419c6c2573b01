"""The store room: what rights are checked against - accounts, roles and the way up from a unit.

A transaction's or a reader's sight enters; actors, reaches and authorities leave. The rule of this file: each check
reads what is committed at that moment, so that a role that was revoked counts nowhere any more.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final, Protocol

from relayd.domain.acting import Actor, Authority, Denied
from relayd.domain.authority import Reach, favours, lays_down, rule_of, sufficient, units_of
from relayproto.administration import Change, MergeOrganisation, RevokeRole
from relayproto.codes import Code
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import UNIT_DEPTH_MAX
from relayproto.rules import Rule
from relayproto.standing import PEOPLE, PLATFORM, Role, Standing, UnitState, Where

_PLATFORM: Final = Reach((PLATFORM,), working=True)
_CHAIN: Final = (
    "WITH RECURSIVE up (id, under, state, depth) AS ("
    " SELECT id, under, state, 0 FROM unit WHERE id = ?1"
    " UNION ALL SELECT unit.id, unit.under, unit.state, depth + 1 FROM unit JOIN up ON unit.id = up.under"
    " WHERE depth < ?2) SELECT id, state FROM up ORDER BY depth"
)
_PERSON: Final = f"account.standing IN ({', '.join(str(int(one)) for one in sorted(PEOPLE))}) AND NOT suspended"
_WORKING: Final = (
    "(account.unit = 0 OR EXISTS (SELECT 1 FROM unit JOIN unit root ON root.id = unit.organisation"  # noqa: S608 - ours
    f" WHERE unit.id = account.unit AND unit.state = {UnitState.ACTIVE:d} AND root.state = {UnitState.ACTIVE:d}))"
)
_HELD: Final = (
    "SELECT role, held_role.unit FROM held_role JOIN account ON account.id = held_role.account"  # noqa: S608 - ours
    f" WHERE account.id = ? AND until_ms > ? AND {_PERSON} AND (held_role.unit <> 0 OR {_WORKING})"
)
_MAY_HOLD: Final = f"SELECT 1 FROM account WHERE id = ? AND {_PERSON} AND {_WORKING}"  # noqa: S608 - ours
BELOW: Final = (
    "WITH RECURSIVE below (id) AS (VALUES (:unit) UNION SELECT unit.id FROM unit JOIN below ON unit.under = below.id"
    " WHERE :unit <> 0) "
)
"""Begins a statement that speaks of a unit and all below it; the platform has nothing below it here (spec 70 §4)."""


class Sight(Protocol):
    """What a check sees and at which relay time; a Commit is one."""

    @property
    def db(self) -> sqlite3.Connection:
        """Return the connection to read with."""

    @property
    def now_ms(self) -> int:
        """Return the time by which roles end, unix ms."""


@dataclass(frozen=True, slots=True)
class View:
    """A reader's sight."""

    db: sqlite3.Connection
    now_ms: int


def actor(sight: Sight, account: AccountId, proven: frozenset[str] = frozenset()) -> Actor | None:
    """Return the account as one that acts, or None where there is none."""
    found = sight.db.execute("SELECT id, address, standing, unit FROM account WHERE account = ?", (account,)).fetchone()
    if found is None:
        return None
    row, address, standing, unit = found
    return Actor(row, account, Address(address), Standing(standing), UnitId(unit), proven)


def actor_of_row(sight: Sight, row: int, proven: frozenset[str] = frozenset()) -> Actor | None:
    """Return the account of a row as one that acts, or None where there is none."""
    found = sight.db.execute("SELECT account FROM account WHERE id = ?", (row,)).fetchone()
    return None if found is None else actor(sight, AccountId(found[0]), proven)


def reach(sight: Sight, unit: UnitId) -> Reach:
    """Return the way from a unit up to its organisation, and whether all of it works."""
    if unit == PLATFORM:
        return _PLATFORM
    found = sight.db.execute(_CHAIN, (unit, UNIT_DEPTH_MAX)).fetchall()
    return Reach(tuple(UnitId(each) for each, _ in found), all(state == UnitState.ACTIVE for _, state in found))


def chain(sight: Sight, unit: UnitId) -> tuple[UnitId, ...]:
    """Return a unit and those above it up to its organisation; empty where there is no such unit."""
    return reach(sight, unit).chain


def root(sight: Sight, unit: UnitId) -> UnitId | None:
    """Return the organisation of a unit; the platform's is itself, None where there is no such unit."""
    found = chain(sight, unit)
    return found[-1] if found else None


def held(sight: Sight, row: int) -> list[Authority]:
    """Return the roles that an account holds at this moment.

    One that is suspended holds none, nor does an office or an application; nobody holds a role over the platform while
    the organisation that he belongs to does not work.
    """
    found = sight.db.execute(_HELD, (row, sight.now_ms)).fetchall()
    return [Authority(Role(role), UnitId(unit)) for role, unit in found]


def may_hold(sight: Sight, row: int) -> bool:
    """Say whether a role over the platform would count for an account at this moment."""
    return sight.db.execute(_MAY_HOLD, (row,)).fetchone() is not None


def find(sight: Sight, who: Actor, rule: Rule, unit: UnitId, *, change: bool = True) -> Authority | None:
    """Return what lets somebody do over a unit what the rule says, or None; a question is no ``change``."""
    over = PLATFORM if rule.where is Where.PLATFORM else unit
    return sufficient(held(sight, who.row), reach(sight, over), rule.by, change=change)


def is_member(sight: Sight, who: Actor, unit: UnitId) -> bool:
    """Say whether somebody belongs to a unit or to one below it; to the platform everybody does."""
    return unit == PLATFORM or (who.unit != PLATFORM and unit in chain(sight, who.unit))


def gains(sight: Sight, who: Actor, change: Change) -> bool:
    """Say whether a change gives somebody something: what he asks for, or a merger whose roles are his."""
    if isinstance(change, MergeOrganisation):
        concerned = {change.unit, *chain(sight, change.into)}
        return any(one.over in concerned for one in held(sight, who.row))
    return favours(change, who.account)


def require(sight: Sight, who: Actor, change: Change) -> Authority:
    """Return what lets somebody make a change, or raise Denied(NOT_PERMITTED)."""
    if gains(sight, who, change):
        raise Denied(Code.NOT_PERMITTED)
    if isinstance(change, RevokeRole) and lays_down(change, who.account):
        own = Authority(change.role, change.unit)
        found = [own if own in held(sight, who.row) else None]
    else:
        found = [find(sight, who, rule_of(change), unit) for unit in units_of(change)]
    by = found[0]
    if by is None or None in found:
        raise Denied(Code.NOT_PERMITTED)
    return by
