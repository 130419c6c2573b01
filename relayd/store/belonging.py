"""The store room: where accounts belong, as the verbs of organisations read and write it (spec 70 §1).

Account ids enter; accounts leave, or Denied. The rules of this file: what is missing and what is foreign are one
answer; and what is written is seen by the next submission of the same commit.
"""

from relayd.domain import addresses
from relayd.domain.acting import Actor, Denied
from relayd.store import authority, units
from relayd.store.commit import Commit
from relayproto.codes import Code
from relayproto.ids import AccountId, Address, UnitId
from relayproto.standing import PEOPLE, PLATFORM, Standing


def account(commit: Commit, account_id: AccountId) -> Actor:
    """Return an account; Denied(NOT_PERMITTED) where there is none."""
    found = authority.actor(commit, account_id)
    if found is None:
        raise Denied(Code.NOT_PERMITTED)
    return found


def require_own(commit: Commit, who: Actor, organisation: UnitId) -> None:
    """Raise Denied(NOT_PERMITTED) for an account that does not belong to an organisation."""
    if who.unit == PLATFORM or units.node(commit, who.unit).organisation != organisation:
        raise Denied(Code.NOT_PERMITTED)


def require_person(who: Actor) -> None:
    """Raise Denied(NOT_PERMITTED) for an office or an application: people answer, and people hold roles."""
    if who.standing not in PEOPLE:
        raise Denied(Code.NOT_PERMITTED)


def put(commit: Commit, who: Actor, unit: UnitId, standing: Standing) -> None:
    """Write where an account belongs and what it is."""
    commit.db.execute("UPDATE account SET unit = ?, standing = ? WHERE id = ?", (unit, standing, who.row))
    commit.tools.residents.forget_account(who.account)


def is_of(commit: Commit, address: Address, organisation: UnitId) -> bool:
    """Say whether an address ends in a domain that an organisation, or one that was merged into it, has proven."""
    found: tuple[int] | None = commit.db.execute(
        "SELECT unit.organisation FROM domain JOIN unit ON unit.id = domain.unit WHERE domain.name = ?",
        (addresses.domain_of(address),),
    ).fetchone()
    return found == (organisation,)


def may_be_of(commit: Commit, who: Actor, organisation: UnitId) -> bool:
    """Say whether an account's address shows that it may be an organisation's.

    A name that somebody has chosen himself, before the domain was proven, shows nothing, and never will.
    """
    chosen = "SELECT 1 FROM account WHERE id = ? AND chosen IS NOT NULL"
    return is_of(commit, who.address, organisation) and commit.db.execute(chosen, (who.row,)).fetchone() is None
