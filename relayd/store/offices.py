"""The store room: offices and who answers for them.

Changes enter and effects leave, or Denied. The rule of this file: people answer for an office of their own
organisation, and only so many for one.
"""

from typing import Final

from relayd.domain.acting import Actor, Denied, Effect
from relayd.store import authority, belonging, units
from relayd.store.authority import BELOW
from relayd.store.commit import Commit
from relayproto.administration import AssignOffice
from relayproto.codes import Code
from relayproto.ids import UnitId
from relayproto.standing import Standing

HOLDERS_MAX: Final = 64
"""Accounts that answer for one office; a larger one is a unit with several."""
WITHIN: Final = (
    BELOW + "SELECT office FROM holder JOIN account ON account.id = holder.office"  # noqa: S608 - a constant
    " WHERE holder.account = :account AND account.unit IN (SELECT id FROM below) ORDER BY office"
)
"""The offices of a unit and below it for which an account answers."""


def assign(commit: Commit, actor: Actor, change: AssignOffice) -> Effect:  # noqa: ARG001 - the same for every actor
    """Let an account answer for an office, or no longer.

    Denied: NOT_PERMITTED where it is no office of the unit, or the account is nobody of the organisation; CONFLICT
    where it is so already; LIMIT.
    """
    unit = units.working(commit, change.unit)
    office, who = belonging.account(commit, change.office), belonging.account(commit, change.account)
    if office.standing is not Standing.OFFICE or unit.unit not in authority.chain(commit, office.unit):
        raise Denied(Code.NOT_PERMITTED)
    answers = _answers(commit, office.row, who.row)
    if answers == change.answers:
        raise Denied(Code.CONFLICT)
    said = units.digest(change.office, change.account)
    if not change.answers:
        commit.db.execute("DELETE FROM holder WHERE office = ? AND account = ?", (office.row, who.row))
        return Effect(office.unit, before=said)
    belonging.require_own(commit, who, unit.organisation)
    belonging.require_person(who)
    (count,) = commit.db.execute("SELECT count(*) FROM holder WHERE office = ?", (office.row,)).fetchone()
    if count >= HOLDERS_MAX:
        raise Denied(Code.LIMIT)
    commit.db.execute("INSERT INTO holder (office, account) VALUES (?, ?)", (office.row, who.row))
    return Effect(office.unit, after=said)


def answered(commit: Commit, row: int, unit: UnitId) -> list[int]:
    """Return the offices of a unit and below it for which an account answers."""
    found = commit.db.execute(WITHIN, {"account": row, "unit": unit}).fetchall()
    return [office for (office,) in found]


def pass_on(commit: Commit, offices: list[int], giver: int, taker: int) -> None:
    """Let one account answer for offices in another's place."""
    for office in offices:
        commit.db.execute("DELETE FROM holder WHERE office = ? AND account = ?", (office, giver))
        commit.db.execute("INSERT OR IGNORE INTO holder (office, account) VALUES (?, ?)", (office, taker))


def drop_all(commit: Commit, row: int) -> None:
    """Let an account that leaves its organisation answer for no office, and nobody for it."""
    commit.db.execute("DELETE FROM holder WHERE account = ?", (row,))
    commit.db.execute("DELETE FROM holder WHERE office = ?", (row,))


def _answers(commit: Commit, office: int, row: int) -> bool:
    return (
        commit.db.execute("SELECT 1 FROM holder WHERE office = ? AND account = ?", (office, row)).fetchone() is not None
    )
