"""The store room: who says that he is an officer, or is expected to be one (spec 86 §4).

Accounts enter, and what they say of themselves; claims leave, for those who may decide them. The rules of this file: a
claim is a word and gives nothing; what a roster says is not overwritten by what somebody says of himself; who was
refused does not ask again before its time is over.
"""

from collections.abc import Iterator
from typing import Final

from relayd.domain import addresses
from relayd.domain.acting import Actor, Denied, Effect
from relayd.domain.fitting import fitting
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import authority, belonging, rosters, units
from relayd.store.authority import BELOW, Sight
from relayd.store.commit import Commit
from relayd.store.rosters import Line
from relayproto.codes import Code
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import CLAIM_LIFETIME_MS
from relayproto.rosters import Claim, Claimant, Claimed, Claims, GetClaims, RefuseClaim
from relayproto.standing import PEOPLE, PLATFORM, ClaimState, Standing
from relayproto.texts import presentable

ROWS_MAX: Final = 500
"""Claims that one pass of the sweep ends."""
_WAITING: Final = (
    BELOW  # noqa: S608 - a constant
    + "SELECT claim.id, claim.unit, account.account, address, name, title, rostered, until_ms FROM claim"
    " JOIN account ON account.id = claim.account WHERE claim.unit IN below AND claim.id > :after AND state = :state"
    " AND until_ms > :now_ms ORDER BY claim.id"
)
_NONE: Final = Claimed(ClaimState.NONE, "", "", 0)


def arrived(commit: Commit, row: int, address: Address) -> None:
    """Let an account that has just come into being be what a roster in force says of its address.

    It then claims what its line says and, where it belongs to nobody, belongs to the line's unit as an invited one.
    """
    line, who = rosters.line_of(commit, address), authority.actor_of_row(commit, row)
    if line is not None and who is not None and expect(commit, who, line) and who.unit == PLATFORM:
        belonging.put(commit, who, line.unit, Standing.INVITED)


def expect(commit: Commit, who: Actor, line: Line) -> bool:
    """Let an account claim what its line says; False where that is not for it, and nothing was done.

    It is a person of the line's unit or below, or nobody's with an address of its organisation, or was invited into a
    unit above; and the unit works. A claim is told to who decides over its unit: by a list of addresses he must learn
    nothing of other units' people.
    """
    reach = authority.reach(commit, line.unit)
    if who.standing not in PEOPLE or not reach.working or not belonging.may_be_of(commit, who, reach.chain[-1]):
        return False
    invited_above = who.standing is Standing.INVITED and who.unit in reach.chain
    if who.unit != PLATFORM and line.unit not in authority.chain(commit, who.unit) and not invited_above:
        return False
    _put(commit, who.row, line.unit, line.name, line.title, rostered=True)
    return True


def _put(commit: Commit, row: int, unit: UnitId, name: str, title: str, *, rostered: bool) -> None:
    commit.db.execute(
        "INSERT OR REPLACE INTO claim (account, unit, state, name, title, rostered, until_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row, unit, ClaimState.WAITING, name, title, rostered, commit.now_ms + CLAIM_LIFETIME_MS),
    )


def make(commit: Commit, seat: Seat, command: Claim) -> Claimed:
    """Keep what somebody says of himself, or take it back where he says nothing.

    Raises Refusal: NOT_PERMITTED where his address is of no organisation that works, or he is another's or no person;
    LIMIT for texts that can't be shown; CONFLICT where a roster's claim waits already, or his own was refused.
    """
    commit.require(seat)
    who = authority.actor(commit, seat.account)
    assert who is not None  # noqa: S101 - a seat's device has an account
    found = commit.db.execute(
        "SELECT state, rostered FROM claim WHERE account = ? AND until_ms > ?", (who.row, commit.now_ms)
    ).fetchone()
    if not command.name and not command.title:
        if found is not None and found[0] == ClaimState.WAITING:
            drop(commit, who.row)
        return own(commit, seat.account)
    unit = _unit(commit, who)
    if unit is None:
        raise Refusal(Code.NOT_PERMITTED)
    if not all(text == "" or presentable(text) for text in (command.name, command.title)):
        raise Refusal(Code.LIMIT)
    if found is not None and (found[0] == ClaimState.REFUSED or found[1]):
        raise Refusal(Code.CONFLICT)
    _put(commit, who.row, unit, command.name, command.title, rostered=False)
    return own(commit, seat.account)


def _unit(commit: Commit, who: Actor) -> UnitId | None:
    """Return over which unit somebody decides what an account claims, None where nobody does.

    Its own, else the one that its address's domain came with.
    """
    found = commit.db.execute(
        "SELECT unit.id, unit.organisation FROM domain JOIN unit ON unit.id = domain.unit WHERE domain.name = ?",
        (addresses.domain_of(who.address),),
    ).fetchone()
    if found is None or who.standing not in PEOPLE:
        return None
    unit, organisation = found
    if who.unit != PLATFORM:
        if authority.root(commit, who.unit) != organisation:
            return None
        unit = who.unit
    return (
        UnitId(unit)
        if authority.reach(commit, unit).working and belonging.may_be_of(commit, who, organisation)
        else None
    )


def own(sight: Sight, account: AccountId) -> Claimed:
    """Return how far somebody's claim has come."""
    found = sight.db.execute(
        "SELECT state, name, title, until_ms FROM claim JOIN account ON account.id = claim.account"
        " WHERE account.account = ? AND until_ms > ?",
        (account, sight.now_ms),
    ).fetchone()
    return _NONE if found is None else Claimed(ClaimState(found[0]), *found[1:])


def drop(commit: Commit, row: int) -> None:
    """Forget the claim of an account: it was decided, taken back, or is about nothing any more."""
    commit.db.execute("DELETE FROM claim WHERE account = ?", (row,))


def refuse(commit: Commit, actor: Actor, change: RefuseClaim) -> Effect:
    """Refuse somebody's claim.

    Denied: NOT_PERMITTED where there is no such account, or none that claims to be of the unit or below; CONFLICT where
    it was refused already.
    """
    who = belonging.account(commit, change.account)
    found = commit.db.execute(
        "SELECT unit, state, name, title FROM claim WHERE account = ? AND until_ms > ?", (who.row, commit.now_ms)
    ).fetchone()
    if found is None or who.row == actor.row or change.unit not in authority.chain(commit, found[0]):
        raise Denied(Code.NOT_PERMITTED)
    if found[1] == ClaimState.REFUSED:
        raise Denied(Code.CONFLICT)
    commit.db.execute("UPDATE claim SET state = ? WHERE account = ?", (ClaimState.REFUSED, who.row))
    return Effect(found[0], before=units.digest(who.account, *found))


def listed(sight: Sight, question: GetClaims) -> Claims:
    """Return the claims that wait, by number."""
    return Claims(*fitting(_waiting(sight, question), question.rows))


def _waiting(sight: Sight, question: GetClaims) -> Iterator[Claimant]:
    asked = {"unit": question.unit, "after": question.after, "state": ClaimState.WAITING, "now_ms": sight.now_ms}
    for number, unit, account, address, name, title, rostered, until_ms in sight.db.execute(_WAITING, asked):
        yield Claimant(
            number, unit, AccountId(account), address, name, title, bool(rostered), until_ms - CLAIM_LIFETIME_MS
        )  # fmt: skip


def expire(commit: Commit) -> None:
    """Forget claims whose time is over."""
    commit.db.execute(
        "DELETE FROM claim WHERE id IN (SELECT id FROM claim WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)",
        (commit.now_ms, ROWS_MAX),
    )
