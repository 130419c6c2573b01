"""The store room: who belongs to which unit, and as what (spec 70 §1).

Changes of people enter and effects leave, or Denied. The rules of this file: an account belongs to one unit or to none;
an organisation places its own people and those whose address is of its domain; nobody places himself.
"""

from typing import Final

from relayd.domain import addresses
from relayd.domain.acting import Actor, Denied, Effect
from relayd.domain.authority import rule_of
from relayd.domain.refusals import Refusal
from relayd.store import accounts, attested, authority, belonging, claims, grants, offices, rosters, units
from relayd.store.commit import Commit
from relayproto.administration import InviteMember, PlaceMember
from relayproto.codes import Code
from relayproto.ids import UnitId
from relayproto.rules import OFFICES_BY, Rule
from relayproto.standing import PEOPLE, PLATFORM, Standing

_INVITABLE: Final = frozenset({Standing.INVITED, Standing.APPLICATION, Standing.OFFICE})


def invite(commit: Commit, actor: Actor, change: InviteMember) -> Effect:
    """Make a ticket for an address of the organisation; it is good while the actor may invite there.

    Denied: NOT_PERMITTED for a standing that nobody begins with; BAD_ADDRESS; ADDRESS_TAKEN; LIMIT.
    """
    unit = units.working(commit, change.unit)
    if change.standing not in _INVITABLE:
        raise Denied(Code.NOT_PERMITTED)
    try:
        address = addresses.parse(change.address)
        if not belonging.is_of(commit, address, unit.organisation):
            raise Denied(Code.BAD_ADDRESS)
        expires_ms = commit.now_ms + change.ttl_s * 1000
        into = accounts.Place(unit.unit, change.standing, actor.row)
        ticket = accounts.create_ticket(commit, address, expires_ms, into)
    except Refusal as refusal:
        raise Denied(refusal.code) from None
    after = units.digest(unit.unit, address, change.standing, expires_ms)
    return Effect(unit.unit, after=after, ticket=ticket)


def place(commit: Commit, actor: Actor, change: PlaceMember) -> Effect:
    """Put an account into a unit with a standing, or out of the organisation.

    Denied: NOT_PERMITTED for oneself, for VERIFIED, which only an attestation makes (spec 85), for an account that is
    neither the organisation's nor has its address, and for one of a unit where the actor may place nobody; CONFLICT
    where it is that already, is an office or an application that would become a person, or the other way round, and for
    an auditor who would be taken out.
    """
    who = belonging.account(commit, change.account)
    if who.row == actor.row or change.standing is Standing.VERIFIED:
        raise Denied(Code.NOT_PERMITTED)
    rule = rule_of(change)
    if who.standing not in PEOPLE:
        rule = rule._replace(by=rule.by & OFFICES_BY)
    if not _concerns(commit, actor, who, rule, change.unit):
        raise Denied(Code.NOT_PERMITTED)
    if change.standing is Standing.PUBLIC:
        return _remove(commit, actor, who, change.unit)
    unit = units.working(commit, change.unit)
    if who.unit == PLATFORM:
        if change.standing not in PEOPLE:
            raise Denied(Code.CONFLICT)  # Nobody knows what it was: who came in as an office was invited as one.
    else:
        belonging.require_own(commit, who, unit.organisation)
        same_kind = change.standing in PEOPLE if who.standing in PEOPLE else change.standing is who.standing
        if not same_kind or (who.unit, who.standing) == (unit.unit, change.standing):
            raise Denied(Code.CONFLICT)
    attested.take_back(commit, who.row)
    if who.unit != unit.unit:
        claims.drop(commit, who.row)
    belonging.put(commit, who, unit.unit, change.standing)
    return Effect(
        unit.unit,
        also=frozenset({who.unit} - {PLATFORM, unit.unit}),
        before=units.digest(who.account, who.unit, who.standing) if who.unit != PLATFORM else b"",
        after=units.digest(who.account, unit.unit, change.standing),
    )


def _concerns(commit: Commit, actor: Actor, who: Actor, rule: Rule, unit: UnitId) -> bool:
    """Say whether an account is one that the actor places in a unit; any other is like one that there is not."""
    if who.unit == PLATFORM:
        return belonging.may_be_of(commit, who, units.node(commit, unit).organisation)
    return authority.find(commit, actor, rule, who.unit) is not None


def _remove(commit: Commit, actor: Actor, who: Actor, unit: UnitId) -> Effect:
    """Take an account out of its organisation, with all that it holds and answers for there."""
    if who.unit == PLATFORM:
        raise Denied(Code.CONFLICT)
    if unit not in authority.chain(commit, who.unit):
        raise Denied(Code.NOT_PERMITTED)
    before = units.digest(who.account, who.unit, who.standing, grants.drop_all(commit, actor, who.row))
    offices.drop_all(commit, who.row)
    attested.take_back(commit, who.row)
    rosters.take_out(commit, who.address)
    claims.drop(commit, who.row)
    belonging.put(commit, who, PLATFORM, Standing.PUBLIC)
    return Effect(who.unit, before=before)
