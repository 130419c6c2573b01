"""The store room: acts that wait for a second person (spec 70 §3).

An act that was checked to its end enters and waits; an approval does it, a withdrawal or its time ends it. The rules
of this file: two people, each with a right of his own at that moment; the approval names the bytes that are done; and
all of the change is checked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from relayd.domain.acting import Actor, Authority, Denied, Effect
from relayd.store import audit, authority, grants
from relayd.store.commit import Commit
from relayd.store.verbs import Verb
from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import Approve, Change, HandOver, Withdraw
from relayproto.audit import NOBODY, Record
from relayproto.codes import Code, Kind
from relayproto.ids import AccountId, UnitId
from relayproto.limits import PROPOSAL_LIFETIME_MS, PROPOSALS_EACH_MAX, PROPOSALS_MAX
from relayproto.primitives import equal
from relayproto.rules import RULES, Rule
from relayproto.standing import ActState, ProposalState

_ROWS_MAX: Final = 100
"""Proposals that one pass of the sweep ends."""
_WAITING: Final = (
    "SELECT count(*) FROM proposal WHERE state = ?1 AND (unit = ?2 OR unit IN (SELECT id FROM unit"
    " WHERE organisation = (SELECT organisation FROM unit WHERE id = ?2))) AND EXISTS"
    " (SELECT 1 FROM held_role WHERE held_role.account = proposal.account AND until_ms > ?3)"
)
"""What takes room: a proposal of somebody who holds nothing any more can't be approved."""
_OWN: Final = "SELECT act FROM proposal WHERE account = ? AND state = ? AND expires_ms > ?"


class Waiting(NamedTuple):
    """A proposal as it lies; ``row`` is the account of who made it."""

    number: int
    unit: UnitId
    row: int
    state: ProposalState
    expires_ms: int
    digest: bytes
    act: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act came to: what was changed, by which right, and whose auditors shall see it.

    ``first``, ``first_by`` and ``digest`` are the first person's, where this was the second; ``value`` is the proposal
    that waits; ``also`` are further units whose auditors shall see it.
    """

    state: ActState
    change: Change
    effect: Effect
    by: Authority | None
    unit: UnitId
    digest: bytes = b""
    first: AccountId = NOBODY
    first_by: Authority | None = None
    value: int = 0
    also: frozenset[UnitId] = frozenset()


def propose(commit: Commit, who: Actor, act: Instruction, octets: bytes, unit: UnitId) -> int:
    """Keep an act until a second person approves it and return its number.

    Raises Denied: CONFLICT where the same waits already for the same person, LIMIT.
    """
    own = commit.db.execute(_OWN, (who.row, ProposalState.WAITING, commit.now_ms)).fetchall()
    if any(acts.decode(octets_waiting).change == act.change for (octets_waiting,) in own):
        raise Denied(Code.CONFLICT)
    (waiting,) = commit.db.execute(_WAITING, (ProposalState.WAITING, unit, commit.now_ms)).fetchone()
    if len(own) >= PROPOSALS_EACH_MAX or waiting >= PROPOSALS_MAX:
        raise Denied(Code.LIMIT)
    number = commit.db.execute(
        "INSERT INTO proposal (unit, account, state, kind, expires_ms, digest, act) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (unit, who.row, ProposalState.WAITING, act.change.KIND, commit.now_ms + PROPOSAL_LIFETIME_MS,
         acts.digest(octets), octets),
    ).lastrowid  # fmt: skip
    assert number is not None  # noqa: S101 - an INSERT that did not raise has a row
    return number


def find(sight: authority.Sight, number: int) -> Waiting | None:
    """Return a proposal, or None where there is none, or none any more."""
    found = sight.db.execute(
        "SELECT id, unit, account, state, expires_ms, digest, act FROM proposal WHERE id = ?", (number,)
    ).fetchone()
    return None if found is None else Waiting(*found)


def approver(sight: authority.Sight, who: Actor, proposal: Waiting) -> Authority | None:
    """Return what lets somebody be the second person for a proposal, were he not the first; or None."""
    return authority.find(sight, who, seconded_by(acts.decode(proposal.act).change.KIND), proposal.unit)


def seconded_by(kind: Kind) -> Rule:
    """Return by which rule somebody is the second person for a change."""
    rule = RULES[kind]
    return rule._replace(by=rule.approvers)


def approve(commit: Commit, who: Actor, command: Approve, verbs: Mapping[Kind, Verb]) -> Outcome:
    """Do what was proposed, in its first person's name.

    Raises Denied: NOT_PERMITTED for who may not and for whom it favours, EXPIRED, CONFLICT where it no longer waits, is
    another than the one that was read, or its first person may not any more; and whatever the change demands.
    """
    proposal = find(commit, command.proposal)
    by = None if proposal is None else approver(commit, who, proposal)
    if proposal is None or by is None or proposal.row == who.row:
        raise Denied(Code.NOT_PERMITTED)
    _check_waits(commit, proposal)
    first = authority.actor_of_row(commit, proposal.row, who.proven)
    if first is None or not equal(command.digest, proposal.digest):
        raise Denied(Code.CONFLICT)
    change = acts.decode(proposal.act).change
    if authority.gains(commit, who, change):
        raise Denied(Code.NOT_PERMITTED)
    if isinstance(change, HandOver) and not grants.may_approve(commit, who, change):
        raise Denied(Code.NOT_PERMITTED)
    try:
        first_by = authority.require(commit, first, change)
    except Denied:
        raise Denied(Code.CONFLICT) from None
    effect = verb_of(change, verbs)(commit, replace(first, seconded=True), change)
    _settle(commit, proposal, ProposalState.APPROVED)
    return Outcome(
        ActState.DONE, change, effect, by, effect.unit, proposal.digest, first.account, first_by, also=effect.also
    )  # fmt: skip


def withdraw(commit: Commit, who: Actor, command: Withdraw) -> Outcome:
    """End a proposal undone. Raises Denied: NOT_PERMITTED, EXPIRED, CONFLICT where it no longer waits."""
    proposal = find(commit, command.proposal)
    by = None if proposal is None else approver(commit, who, proposal)
    if proposal is None or (by is None and proposal.row != who.row):
        raise Denied(Code.NOT_PERMITTED)
    _check_waits(commit, proposal)
    _settle(commit, proposal, ProposalState.WITHDRAWN)
    first = authority.actor_of_row(commit, proposal.row)
    author = NOBODY if first is None else first.account
    effect = Effect(unit=proposal.unit, value=proposal.number)
    return Outcome(ActState.DONE, command, effect, by, proposal.unit, proposal.digest, author)


def verb_of(change: Change, verbs: Mapping[Kind, Verb]) -> Verb:
    """Return what does a change. Raises Denied(UNSUPPORTED) where this relay can't."""
    verb = verbs.get(change.KIND)
    if verb is None:
        raise Denied(Code.UNSUPPORTED)
    return verb


def _check_waits(commit: Commit, proposal: Waiting) -> None:
    if proposal.state == ProposalState.EXPIRED or (
        proposal.state == ProposalState.WAITING and proposal.expires_ms <= commit.now_ms
    ):
        raise Denied(Code.EXPIRED)
    if proposal.state != ProposalState.WAITING:
        raise Denied(Code.CONFLICT)


def _settle(commit: Commit, proposal: Waiting, state: ProposalState) -> None:
    commit.db.execute("UPDATE proposal SET state = ? WHERE id = ?", (state, proposal.number))


def expire(commit: Commit) -> None:
    """End what has waited too long, with a record each; what has ended is kept until its time is over and then goes."""
    db = commit.db
    db.execute(
        "DELETE FROM proposal WHERE id IN (SELECT id FROM proposal WHERE expires_ms <= ? AND state <> ? LIMIT ?)",
        (commit.now_ms, ProposalState.WAITING, _ROWS_MAX),
    )
    over = db.execute(
        "SELECT p.id, p.unit, p.kind, p.digest, a.account FROM proposal p LEFT JOIN account a ON a.id = p.account"
        " WHERE p.expires_ms <= ? AND p.state = ? ORDER BY p.id LIMIT ?",
        (commit.now_ms, ProposalState.WAITING, _ROWS_MAX),
    ).fetchall()
    for number, unit, kind, digest, author in over:
        db.execute(
            # From its end, not from now: a relay that was off keeps nothing longer for it.
            "UPDATE proposal SET state = ?, expires_ms = expires_ms + ? WHERE id = ?",
            (ProposalState.EXPIRED, PROPOSAL_LIFETIME_MS, number),
        )
        audit.append(
            commit,
            Record(
                commit.now_ms, UnitId(unit), Kind(kind), first=author or NOBODY, object=UnitId(unit),
                code=Code.EXPIRED, value=number, act=digest,
            ),
        )  # fmt: skip
