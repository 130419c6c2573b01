"""The store room: what officers change - the one way of every act (spec 70 §2, §3).

The bytes that a device signed enter; what they came to leaves, with its audit record, in one commit. The rules of this
file: the checks stand in the order of the spec; a change is undone wherever it is not to be; a denial is written as
well; and what can't be written into the audit log has not happened.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from msgspec import structs

from relayd.domain.acting import Actor, Authority, Denied
from relayd.domain.authority import needs_second, unit_of, units_of
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import (
    alone,
    attested,
    audit,
    authority,
    claims,
    denials,
    grants,
    proposals,
    revocations,
    rosters,
    settling,
    warrants,
)
from relayd.store.commit import Commit, Pending, Tally
from relayd.store.proposals import Outcome
from relayd.store.verbs import VERBS, Verb
from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import Approve, Change, CreateOrganisation, Question, Withdraw
from relayproto.administration_replies import Acted
from relayproto.audit import NOBODY, Record
from relayproto.codes import Code, Kind
from relayproto.commands import Act
from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import ACT_STEP_MAX
from relayproto.primitives import equal
from relayproto.rosters import PutRoster
from relayproto.rules import RULES
from relayproto.standing import PLATFORM, ActState, Role

SKEW_MS: Final = 120_000
"""How far ahead of relay time an act may be dated: a clock that is a little off, and no store of acts for later."""
_OPERATOR: Final = Authority(Role.PLATFORM_OPERATOR, PLATFORM)
ALL_VERBS: Final[Mapping[Kind, Verb]] = MappingProxyType({**VERBS})
"""Every change but those of proposals, which are what becomes of another."""


def perform(
    commit: Commit, seat: Seat, command: Act, relay: bytes, proven: frozenset[str] = frozenset()
) -> Acted | Code:
    """Do what an act says, or write down that it was denied and return the code: it must not undo its own record.

    ``relay`` is the fingerprint of this relay's root; ``proven`` are mail domains that were just looked up.
    """
    commit.require(seat)
    who = authority.actor(commit, seat.account, proven)
    assert who is not None  # noqa: S101 - a seat's device has an account
    said: dict[str, Any] = {"account": who.account, "device": seat.device, "act": acts.digest(command.octets)}
    try:
        act = _read(commit, seat, command, relay)
    except Denied as denied:
        return _denied(commit, who, Record(commit.now_ms, who.unit, Kind.ACT, code=denied.code, **said))
    said["reason"] = act.reason
    try:
        _check_now(commit, who, act)
    except Denied as denied:
        return _denied(commit, who, _about(commit, who, act.change, denied.code, said))
    if not act.rehearsal:
        commit.db.execute("UPDATE account SET act = ? WHERE id = ?", (act.number, who.row))
    done = _undone_where_denied(commit, who, act, command.octets)
    if isinstance(done, Code):
        return _denied(commit, who, _about(commit, who, act.change, done, said))
    return _acted(commit, who, done, said)


def _read(commit: Commit, seat: Seat, command: Act, relay: bytes) -> Instruction:
    """Return what the bytes say, if they are this device's for this relay; Denied(BAD_SIGNATURE)."""
    (sign_key,) = commit.db.execute("SELECT sign_key FROM device WHERE id = ?", (seat.row,)).fetchone()
    try:
        act = acts.decode(command.octets)
        acts.check(command.octets, command.signature, sign_key)
    except (Malformed, CryptoFailure):
        raise Denied(Code.BAD_SIGNATURE) from None
    if not (equal(act.relay, relay) and equal(act.account, seat.account) and act.device == seat.device):
        raise Denied(Code.BAD_SIGNATURE)
    return act


def _check_now(commit: Commit, who: Actor, act: Instruction) -> None:
    """Return if an act counts at this moment. Raises Denied: EXPIRED, REPLAYED, LIMIT."""
    if act.issued_ms > commit.now_ms + SKEW_MS or act.expires_ms <= commit.now_ms:
        raise Denied(Code.EXPIRED)
    (newest,) = commit.db.execute("SELECT act FROM account WHERE id = ?", (who.row,)).fetchone()
    if act.number <= newest:
        raise Denied(Code.REPLAYED)
    if act.number > newest + ACT_STEP_MAX:
        raise Denied(Code.LIMIT)


def _undone_where_denied(commit: Commit, who: Actor, act: Instruction, octets: bytes) -> Outcome | Code:
    """Do an act; whatever of it is not to stay is rolled back, in memory as well."""
    trace = _Trace(commit)
    commit.db.execute("SAVEPOINT act")
    try:
        outcome = _do(commit, who, act)
        if outcome.state is not ActState.DONE:
            trace.undo()
        if outcome.state is ActState.PROPOSED:
            outcome = replace(outcome, value=proposals.propose(commit, who, act, octets, outcome.unit))
    except (Denied, Refusal) as no:
        trace.undo()
        commit.db.execute("RELEASE act")
        return no.code
    # Not in a finally: after any other failure there may be no savepoint left, and the writer undoes the whole verb.
    commit.db.execute("RELEASE act")
    return outcome


class _Trace:
    """What a commit had decided before an act."""

    __slots__ = ("_before", "_changes", "_commit")

    def __init__(self, commit: Commit) -> None:
        done = commit.done
        self._commit = commit
        self._before = {"told": len(done.told), "gaps": len(done.gaps), "served": len(done.served),
                        "revoked": len(done.revoked)}  # fmt: skip
        self._changes = commit.db.total_changes

    def undo(self) -> None:
        """Take everything back since then.

        Where nothing was changed nothing is forgotten, and mailboxes and senders only where an act has touched one:
        neither who has no right nor who rehearses must empty what commits live on.
        """
        commit = self._commit
        if commit.pending != Pending():
            commit.tools.residents.clear()
        elif commit.db.total_changes != self._changes:
            commit.tools.residents.forget_parties()
        commit.db.execute("ROLLBACK TO act")
        commit.undo(**self._before)
        commit.done.tally = Tally()


def _do(commit: Commit, who: Actor, act: Instruction) -> Outcome:
    """Do what an act says, as far as its state tells. Raises Denied."""
    change = act.change
    if isinstance(change, Approve):
        outcome = proposals.approve(commit, who, change, ALL_VERBS)
    elif isinstance(change, Withdraw):
        outcome = proposals.withdraw(commit, who, change)
    else:
        by = authority.require(commit, who, change)
        second = needs_second(change, who.account, [authority.reach(commit, unit) for unit in units_of(change)])
        effect = proposals.verb_of(change, ALL_VERBS)(commit, who, change)
        second = second or effect.second
        state = ActState.PROPOSED if second else ActState.DONE
        seen = {"unit": unit_of(change)} if second else {"unit": effect.unit, "also": effect.also}
        outcome = Outcome(state, change, effect, by, **seen)
    if act.rehearsal:
        return replace(outcome, state=ActState.REHEARSED, unit=_in_question(commit, change) or PLATFORM)
    return outcome


def _acted(commit: Commit, who: Actor, outcome: Outcome, said: dict[str, Any]) -> Acted:
    """Write down what was done and return what the device is told; rehearsals share the bound of denials.

    What the platform's operators do is seen by its auditors too, whatever organisation it concerns.
    """
    done = outcome.state is ActState.DONE
    value = outcome.effect.value if done else outcome.value
    by: dict[str, Any] = {} if outcome.by is None else {"role": outcome.by.role, "over": outcome.by.over}
    record = Record(
        commit.now_ms, outcome.unit, outcome.change.KIND, first=outcome.first, **named(outcome.change, outcome.unit),
        **by,
        state=outcome.state, value=value, before=outcome.effect.before if done else b"",
        after=outcome.effect.after if done else b"", **(said | ({"act": outcome.digest} if outcome.digest else {})),
    )  # fmt: skip
    rehearsed = outcome.state is ActState.REHEARSED
    number = denials.write(commit, who, record) if rehearsed else audit.append(commit, record)
    if not rehearsed:
        also = outcome.also | {PLATFORM for by in (outcome.by, outcome.first_by) if by == _OPERATOR}
        for unit in sorted(also - {record.unit}):
            audit.append(commit, structs.replace(record, unit=unit))
    return Acted(outcome.state, number, value, outcome.effect.ticket if done else b"")


def _denied(commit: Commit, who: Actor, record: Record) -> Code:
    denials.write(commit, who, record)
    return Code(record.code)


def _about(commit: Commit, who: Actor, change: Change, code: Code, said: dict[str, Any]) -> Record:
    """Return the record of a change that was denied."""
    unit = denials.seen_by(commit, who, _in_question(commit, change))
    return Record(commit.now_ms, unit, change.KIND, code=code, **named(change), **said)


def _in_question(commit: Commit, change: Change) -> UnitId | None:
    """Return the unit that a change is about, or the proposal's; None where there is no such proposal."""
    if isinstance(change, Approve | Withdraw):
        proposal = proposals.find(commit, change.proposal)
        return None if proposal is None else proposal.unit
    return unit_of(change)


def named(change: Change, unit: UnitId = PLATFORM) -> dict[str, Any]:
    """Return what a change names, as its record has it; ``unit`` is that of what names none."""
    accounts = [getattr(change, name) for name in ("account", "admin", "to", "office") if hasattr(change, name)]
    units = [getattr(change, name) for name in ("under", "into") if hasattr(change, name)]
    details = [getattr(change, name) for name in ("role", "standing", "suspended", "answers") if hasattr(change, name)]
    whom, other = (*accounts, NOBODY, NOBODY)[:2]
    return {
        "object": getattr(change, "unit", unit), "into": UnitId((*units, PLATFORM)[0]), "whom": whom, "other": other,
        "detail": int((*details, 0)[0]),
    }  # fmt: skip


def deny_question(commit: Commit, seat: Seat, question: Question | PutRoster, code: Code) -> None:
    """Write down that a question was denied, or that a roster was not taken."""
    commit.require(seat)
    who = authority.actor(commit, seat.account)
    assert who is not None  # noqa: S101 - a seat's device has an account
    unit: UnitId = getattr(question, "unit", PLATFORM)
    seen_by = denials.seen_by(commit, who, unit)
    record = Record(
        commit.now_ms, seen_by, question.KIND, who.account, seat.device, object=unit, code=code
    )  # fmt: skip
    denials.write(commit, who, record)


def domain_to_prove(sight: authority.Sight, account: AccountId, command: Act) -> CreateOrganisation | None:
    """Return whose domain has to be looked up before an act, where it asks for that and who asks could be allowed."""
    change = _change_of(command.octets)
    if isinstance(change, Approve):
        proposal = proposals.find(sight, change.proposal)
        change = None if proposal is None else _change_of(proposal.act)
    who = authority.actor(sight, account)
    if who is None or not isinstance(change, CreateOrganisation):
        return None
    return change if authority.find(sight, who, RULES[change.KIND], PLATFORM) is not None else None


def _change_of(octets: bytes) -> Change | None:
    try:
        return acts.decode(octets).change
    except Malformed:
        return None


def break_glass(commit: Commit, address: Address, ttl_s: int, reason: str) -> tuple[Acted, AccountId]:
    """Make a person a platform operator for a while.

    Raises Refusal: NOT_AVAILABLE where there is no such account; CONFLICT for an auditor, for an office or an
    application, and for who is suspended, himself or with his organisation, so that the role would count for nothing.
    """
    found = commit.db.execute("SELECT id, account FROM account WHERE address = ?", (address,)).fetchone()
    if found is None:
        raise Refusal(Code.NOT_AVAILABLE)
    row, account = found
    if not authority.may_hold(commit, row) or any(one.role is Role.AUDITOR for one in authority.held(commit, row)):
        raise Refusal(Code.CONFLICT)
    until_ms = commit.now_ms + ttl_s * 1000
    # A regular grant that ends later stays as it is.
    commit.db.execute(
        "INSERT INTO held_role (unit, account, role, until_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, role, unit) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)",
        (PLATFORM, row, Role.PLATFORM_OPERATOR, until_ms),
    )
    record = Record(
        commit.now_ms, PLATFORM, Kind.BREAK_GLASS, whom=account, detail=Role.PLATFORM_OPERATOR,
        state=ActState.DONE, value=ttl_s, reason=reason,
    )  # fmt: skip
    return Acted(ActState.DONE, audit.append(commit, record), 0, b""), account


def sweep(commit: Commit) -> int:
    """End what is over: roles, attestations, proposals, claims, and hours of which denials were left out.

    Returns how many lines of rosters it has gone through: where there were some others may follow.
    """
    grants.end(commit)
    attested.end_expired(commit)
    warrants.forget(commit)
    revocations.forget(commit)
    proposals.expire(commit)
    denials.close_hours(commit)
    claims.expire(commit)
    alone.forget(commit)
    return settling.settle(commit) + rosters.sweep(commit)
