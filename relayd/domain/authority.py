"""The domain room: who may do what over which unit (spec 70 §4).

The roles that somebody holds, the way from a unit up to its organisation and a rule enter; the authority that
suffices leaves, or None. The rules of this file: nothing is remembered; what is not allowed here is not allowed; and
nobody gives anything to himself.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from relayd.domain.acting import Authority
from relayproto.administration import (
    Change,
    CreateOrganisation,
    GrantRole,
    HandOver,
    InviteMember,
    MoveUnit,
    PlaceMember,
    RevokeRole,
)
from relayproto.ids import AccountId, UnitId
from relayproto.rules import GRANTED_BY, OFFICES_BY, RULES, Rule
from relayproto.standing import PEOPLE, PLATFORM, Role, Second, Where
from relayproto.verification import Attest, PutWarrant


class Reach(NamedTuple):
    """A unit as rights are checked over it.

    ``chain`` are the unit and those above it up to its organisation; (PLATFORM,) for the platform, empty for what
    there is not. ``working``: none of them is suspended or closed.
    """

    chain: tuple[UnitId, ...]
    working: bool

    @property
    def root(self) -> bool:
        """Whether the unit is an organisation or the platform: where some changes need a second person."""
        return len(self.chain) == 1


def sufficient(held: Iterable[Authority], reach: Reach, roles: frozenset[Role], *, change: bool) -> Authority | None:
    """Return which of the roles that somebody holds lets him act over a unit, the one held nearest to it.

    A role over the platform reaches the platform; a platform operator's reaches, for a ``change``, organisations too,
    though nothing below them. Where something of the chain does not work, only the platform's roles count.
    """
    nearest: dict[UnitId, int] = {unit: distance for distance, unit in enumerate(reach.chain)}

    def reaches(one: Authority) -> bool:
        if one.over == PLATFORM and reach.chain != (PLATFORM,):
            return change and reach.root and one.role is Role.PLATFORM_OPERATOR
        return one.over in nearest and (one.over == PLATFORM or reach.working)

    found = [one for one in held if one.role in roles and reaches(one)]
    return min(found, key=lambda one: (nearest.get(one.over, len(nearest)), one.role), default=None)


def rule_of(change: Change) -> Rule:
    """Return the rule of a change, narrowed to who may grant the role or place what it names."""
    rule = RULES[change.KIND]
    match change:
        case GrantRole() | RevokeRole():
            return rule._replace(by=rule.by & GRANTED_BY[change.role])
        case InviteMember() | PlaceMember() if change.standing not in PEOPLE:
            return rule._replace(by=rule.by & OFFICES_BY)
        case _:
            return rule


def unit_of(change: Change) -> UnitId:
    """Return the unit over which a change needs a right; APPROVE and WITHDRAW have their proposal's instead."""
    if RULES[change.KIND].where is Where.PLATFORM:
        return PLATFORM
    return UnitId(getattr(change, "unit", PLATFORM))


def units_of(change: Change) -> tuple[UnitId, ...]:
    """Return every unit over which a change needs a right: two, where it moves something from one to another."""
    return (change.unit, change.under) if isinstance(change, MoveUnit) else (unit_of(change),)


def lays_down(change: Change, account: AccountId) -> bool:
    """Say whether somebody gives up a role of his own, for which he needs no other (spec 70 §4)."""
    return isinstance(change, RevokeRole) and change.account == account


def favours(change: Change, account: AccountId) -> bool:
    """Say whether a change gives something to the very account that asks for it, which nobody may."""
    match change:
        case CreateOrganisation():
            return change.admin == account
        case GrantRole() | PlaceMember() | Attest() | PutWarrant():
            return change.account == account
        case HandOver():
            return change.to == account
        case _:
            return False


def needs_second(change: Change, account: AccountId, reaches: Sequence[Reach]) -> bool:
    """Say whether a change over these units, asked for by an account, waits for a second person."""
    match RULES[change.KIND].second:
        case Second.NEVER | Second.IN_BULK:
            return False  # In bulk: how much it is its verb tells (Effect.second).
        case Second.AT_ROOT:
            return any(reach.root for reach in reaches)
        case Second.ALWAYS:
            return True
        case Second.OF_AUDITOR:
            # Who is watched must not end the watching alone; an auditor may go by himself.
            return isinstance(change, RevokeRole) and change.role is Role.AUDITOR and change.account != account
