"""The store room: what the relay's local operator does to people and to the relay itself (spec 40 §5).

An account that was named and a user of the operating system enter; what was changed leaves, with its audit record, in
one commit. The rules of this file: each says in the audit log who did it, in the platform's and in that of the person's
unit; what can't be written there has not happened; and a look gives numbers, never content or senders.
"""

import re
import sqlite3
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from relayd.domain import addresses
from relayd.domain.refusals import Refusal
from relayd.store import accounts, audit, chosen, removals, units
from relayd.store.commit import Commit
from relayd.store.restored import new_epoch
from relayproto.administration_replies import Acted
from relayproto.audit import NOBODY, Record
from relayproto.codes import Code, Kind, Lane
from relayproto.ids import AccountId, Address, UnitId
from relayproto.operating import Box, Queue
from relayproto.standing import PLATFORM, ActState

_ACCOUNT: Final = re.compile(r"[0-9A-Fa-f]{64}")
_PURGED_LANES: Final = (Lane.NORMAL, Lane.URGENT)
"""Outcomes stay: they tell the device of what it sent itself, and hold nobody's content."""
_BOXES: Final = (
    "SELECT device.device, mailbox.id, epoch, floor_normal, next_normal, floor_urgent, next_urgent, floor_outcome,"
    " next_outcome, receipts, over, refused FROM device JOIN mailbox ON mailbox.id = device.id"
    " WHERE device.account = ? ORDER BY device.device"
)
_WAITING: Final = "SELECT count(*), coalesce(sum(octets), 0), min(expires_ms) FROM envelope WHERE lane = ?"


@dataclass(frozen=True, slots=True)
class By:
    """Who at the operator's socket does something, by the operating system's number of the user, and why."""

    uid: int
    reason: str = ""

    def __str__(self) -> str:
        """Return it as the audit log has it."""
        return f"uid {self.uid}: {self.reason}" if self.reason else f"uid {self.uid}"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a command concerns; ``mailboxes`` has device -> mailbox of the devices in question."""

    row: int
    account: AccountId
    unit: UnitId
    suspended: bool
    mailboxes: dict[int, int]


def person(commit: Commit, whom: str, device: int = 0) -> Person:
    """Return who is named by an address or an account in hexadecimal, with one device or all.

    Raises Refusal: BAD_ADDRESS; NOT_AVAILABLE where there is no such account or device.
    """
    column, value = ("account", bytes.fromhex(whom)) if _ACCOUNT.fullmatch(whom) else ("address", addresses.parse(whom))
    found = commit.db.execute(
        f"SELECT id, account, unit, suspended FROM account WHERE {column} = ?",  # noqa: S608 - our own column
        (value,),
    ).fetchone()
    if found is None:
        raise Refusal(Code.NOT_AVAILABLE)
    row, account, unit, suspended = found
    devices = commit.db.execute(
        "SELECT device, id FROM device WHERE account = ?1 AND (?2 = 0 OR device = ?2)", (row, device)
    ).fetchall()
    if device and not devices:
        raise Refusal(Code.NOT_AVAILABLE)
    return Person(row, AccountId(account), UnitId(unit), bool(suspended), dict(devices))


def note(commit: Commit, kind: Kind, by: By, who: Person | None = None, *, detail: int = 0, value: int = 0) -> Acted:
    """Write down what is done, and return the answer that says so.

    Of a person who belongs to a unit its auditors see it too. ``detail`` is 1 where something begins.
    """
    record = Record(
        commit.now_ms, PLATFORM, kind, whom=NOBODY if who is None else who.account, detail=detail,
        state=ActState.DONE, value=value, reason=str(by),
    )  # fmt: skip
    number = audit.append(commit, record)
    if who is not None and who.unit != PLATFORM:
        audit.append(commit, replace(record, unit=who.unit))
    return Acted(ActState.DONE, number, value, b"")


def look(commit: Commit, whom: str, by: By) -> tuple[Person, int]:
    """Write down that somebody's mailboxes are looked at; return whose, and the record's number."""
    who = person(commit, whom)
    return who, note(commit, Kind.GET_MAILBOX, by, who).record


def boxes(db: sqlite3.Connection, row: int) -> list[Box]:
    """Return the numbers of an account's mailboxes."""
    return [_box(db, kept) for kept in db.execute(_BOXES, (row,)).fetchall()]


def _box(db: sqlite3.Connection, kept: tuple[int, ...]) -> Box:
    device, mailbox, epoch, *numbers, receipts, over, refused = kept
    queues, earliest = list[Queue](), list[int]()
    for lane in Lane:
        count, octets, expires_ms = db.execute(_WAITING, (mailbox * 4 + lane,)).fetchone()
        queues.append(Queue(numbers[lane * 2], numbers[lane * 2 + 1], count, octets))
        if expires_ms is not None:
            earliest.append(expires_ms)
    return Box(device, mailbox, epoch, tuple(queues), receipts, bool(over), refused, min(earliest, default=0))


def dismiss(commit: Commit, whom: str, device: int, by: By) -> tuple[Person, Acted]:
    """Write down that connections are ended; return whose."""
    who = person(commit, whom, device)
    return who, note(commit, Kind.KICK, by, who, value=device)


def suspend(commit: Commit, whom: str, by: By, *, suspended: bool) -> Acted:
    """Suspend an account, or let it be.

    Raises Refusal(CONFLICT) where it is so already, and for who has chosen a name under what is an organisation's now.
    """
    who = person(commit, whom)
    if who.suspended == suspended or not (suspended or chosen.may_go_on(commit.db, who.row)):
        raise Refusal(Code.CONFLICT)
    commit.db.execute("UPDATE account SET suspended = ? WHERE id = ?", (suspended, who.row))
    commit.tools.residents.forget_account(who.account)
    return note(commit, Kind.SUSPEND, by, who, detail=int(suspended))


def purge(commit: Commit, whom: str, device: int, by: By) -> tuple[Person, Acted]:
    """Empty the mailboxes of an account or of one device: rows gone, senders told, new epochs."""
    who = person(commit, whom, device)
    gone = sum(_emptied(commit, mailbox) for mailbox in who.mailboxes.values())
    return who, note(commit, Kind.PURGE, by, who, value=gone)


def _emptied(commit: Commit, row: int) -> int:
    mailbox = commit.mailbox(row)
    assert mailbox is not None  # noqa: S101 - a device of an account has a mailbox
    before = mailbox.messages
    for lane in _PURGED_LANES:
        name = row * 4 + lane
        removals.purge(commit, name, mailbox)
        commit.db.execute("DELETE FROM hole WHERE lane = ?", (name,))
        commit.db.execute("DELETE FROM attempt WHERE lane = ?", (name,))
        # Nothing below is ever explained in the new epoch, so that is where it begins.
        mailbox.floors[lane] = mailbox.nexts[lane] - 1
    mailbox.epoch = new_epoch(commit.tools.entropy)
    mailbox.refused = 0
    return before - mailbox.messages


def invite(commit: Commit, address: Address, expires_ms: int, by: By) -> bytes:
    """Return a new ticket that binds the address. Raises Refusal(ADDRESS_TAKEN)."""
    ticket = accounts.create_ticket(commit, address, expires_ms)
    record = Record(
        commit.now_ms, PLATFORM, Kind.INVITE, state=ActState.DONE, after=units.digest(address, expires_ms),
        reason=str(by),
    )  # fmt: skip
    audit.append(commit, record)
    return ticket
