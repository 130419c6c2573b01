"""The store room: what officers ask (spec 70 §5).

A question enters; its answer leaves, or Denied. The rules of this file: a question reaches a unit by the same roles as
a change, though the platform's reach no organisation; and nothing is read before the right is checked.
"""

from collections.abc import Iterator
from typing import Any, Final, assert_never

from relayd.domain.acting import Actor, Denied
from relayd.domain.fitting import fitting
from relayd.store import (
    audit,
    authority,
    claims,
    documents,
    people,
    publicrecords,
    revocations,
    rosters,
    statistics,
    units,
)
from relayd.store.authority import BELOW, Sight
from relayd.store.marks import Marks
from relayd.store.proposals import seconded_by
from relayproto.administration import (
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
)
from relayproto.administration_replies import AdministrationReply, Grant, Proposal, Proposals, Roles
from relayproto.codes import Code, Kind
from relayproto.ids import AccountId, UnitId
from relayproto.people import GetPeople, People
from relayproto.rosters import GetClaim, GetClaims, GetRoster, Roster
from relayproto.rules import RULES
from relayproto.standing import PLATFORM, ProposalState, Role, Standing, Where
from relayproto.statistics import GetStatistics
from relayproto.verification import GetOrganisation, GetRevocations

_AsTold = (
    GetUnits | GetRoles | GetDocument | GetAudit | GetCheckpoints | GetOrganisation | GetRevocations | GetStatistics
    | GetClaims | GetClaim
)  # fmt: skip
"""Those whose answer is the same for everybody who may ask."""
Asked = _AsTold | GetPeople | GetProposals | GetRoster
"""Questions that the store answers: all but the one about what is kept, which depends on no row."""
Listing = GetPeople | GetRoster
"""Those for which more may have to be looked through than is told."""

_GRANTS = (
    f"{BELOW}SELECT held_role.id, held_role.unit, account.account, address, role, until_ms FROM held_role"  # noqa: S608 - ours
    " JOIN account ON account.id = held_role.account WHERE held_role.unit IN below AND held_role.id > :after"
    " AND until_ms > :now_ms ORDER BY held_role.id"
)
_OPERATORS_KINDS = ",".join(str(int(kind)) for kind, rule in RULES.items() if Role.PLATFORM_OPERATOR in rule.approvers)
_PROPOSALS = (
    f"{BELOW}SELECT proposal.id, state, proposal.unit, coalesce(address, ''), expires_ms, proposal.act, kind,"  # noqa: S608 - ours
    " proposal.account FROM proposal"
    " LEFT JOIN account ON account.id = proposal.account WHERE (proposal.unit IN below OR (:unit = 0 AND"
    f" kind IN ({_OPERATORS_KINDS}) AND proposal.unit IN (SELECT id FROM unit WHERE under = 0)))"
    " AND proposal.id > :after ORDER BY proposal.id"
)
"""Below the platform: what waits for an operator, at the roots of organisations too."""
_STATING: Final = frozenset({Kind.ATTEST})
"""Acts that say what somebody is called. Who may approve them is shown all of him anyway (spec 88 §2); who only watches
is told of them by the audit log, which has their hash."""


def answer(sight: Sight, account: AccountId, question: Asked, marks: Marks) -> AdministrationReply:
    """Return the answer to somebody's question; blocks are known by ``marks``.

    Raises Denied: NOT_PERMITTED, CONFLICT.
    """
    if isinstance(question, GetPeople | GetRoster):
        listed = Listed(question)
        while (told := listed.look(sight, account, marks)) is None:
            pass  # Each look goes on behind the one before.
        return told
    who = _require(sight, account, question)
    if isinstance(question, GetClaim):
        return claims.own(sight, account)
    if isinstance(question, GetProposals):
        return Proposals(*fitting(_proposals(sight, who, question), question.rows))
    return _at_once(sight, question) or _of_officers(sight, question)


class Listed:
    """The answer to a question for which a look is not enough: others who ask have their turn between two."""

    __slots__ = ("_found", "_question")

    def __init__(self, question: Listing) -> None:
        self._question = question
        self._found: list[Any] = []

    def look(self, sight: Sight, account: AccountId, marks: Marks) -> AdministrationReply | None:
        """Go on, and return the answer; None where another look is needed. Raises Denied as ``answer`` does.

        The right is checked at each look: who loses it meanwhile is told nothing.
        """
        _require(sight, account, self._question)
        asked = self._question
        following: Listing | None
        if isinstance(asked, GetPeople):
            following = people.look(sight, marks, account, asked, self._found)
        else:
            following = rosters.look(sight, asked, self._found)
        if following is not None:
            self._question = following
            return None
        told = fitting(self._found, asked.rows)
        return People(*told) if isinstance(asked, GetPeople) else Roster(*told)


def _require(sight: Sight, account: AccountId, question: Asked) -> Actor:
    """Return who asks, or raise Denied(NOT_PERMITTED)."""
    who = authority.actor(sight, account)
    if who is None or not allowed(sight, who, question):
        raise Denied(Code.NOT_PERMITTED)
    return who


def _at_once(sight: Sight, question: _AsTold) -> AdministrationReply | None:
    match question:
        case GetCheckpoints():
            return audit.checkpoints(sight, question)
        case GetOrganisation():
            return publicrecords.get(sight, question)
        case GetRevocations():
            return revocations.listed(sight, question)
        case GetClaims():
            return claims.listed(sight, question)
        case _:
            return None


def _of_officers(sight: Sight, question: _AsTold) -> AdministrationReply:
    match question:
        case GetUnits():
            return units.listed(sight.db, question)
        case GetRoles():
            return Roles(*fitting(_grants(sight, question), question.rows))
        case GetDocument():
            return documents.get(sight, question)
        case GetAudit():
            return audit.listed(sight, question)
        case GetStatistics():
            return statistics.answer(sight, question)
        case GetCheckpoints() | GetOrganisation() | GetRevocations() | GetClaims() | GetClaim():
            raise AssertionError(question)
        case _ as never:
            assert_never(never)


def allowed(sight: Sight, who: Actor, question: Asked) -> bool:
    """Say whether somebody may ask that."""
    rule = RULES[Kind(question.KIND)]
    if rule.where in {Where.ANYBODY, Where.OWN}:
        return True
    unit: UnitId = getattr(question, "unit", PLATFORM)
    belongs = rule.where is Where.MEMBER or (rule.where is Where.OFFICER and who.standing is not Standing.INVITED)
    if belongs and authority.is_member(sight, who, unit):
        return True
    return authority.find(sight, who, rule, unit, change=False) is not None


def _grants(sight: Sight, question: GetRoles) -> Iterator[Grant]:
    asked = {"unit": question.unit, "after": question.after, "now_ms": sight.now_ms}
    for number, unit, account, address, role, until_ms in sight.db.execute(_GRANTS, asked):
        yield Grant(number, UnitId(unit), AccountId(account), address, Role(role), until_ms)


def _proposals(sight: Sight, who: Actor, question: GetProposals) -> Iterator[Proposal]:
    asked = {"unit": question.unit, "after": question.after}
    for number, state, unit, address, expires_ms, act, kind, row in sight.db.execute(_PROPOSALS, asked):
        if kind not in _STATING or row == who.row or authority.find(sight, who, seconded_by(Kind(kind)), unit):
            yield Proposal(number, ProposalState(state), UnitId(unit), address, expires_ms, act)
