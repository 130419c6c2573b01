"""The store room: codes that were asked for, and the accounts that came of them (spec 89).

A contact and a code enter; whether to send it, or an account, leaves. The rules of this file: a contact and a code lie
here as keyed hashes alone; who may register and who may not are treated alike until the code is sent; a code that was
tried is counted, whatever comes of it.
"""

import sqlite3
from enum import Enum
from typing import Final, NamedTuple

from relayd.domain import addresses
from relayd.domain.answers import Enrolment
from relayd.domain.refusals import Refusal
from relayd.store import accounts, authority, rosters
from relayd.store.commit import Commit
from relayproto.codes import Code
from relayproto.commands import Register
from relayproto.identity import DeviceList
from relayproto.ids import Address, UnitId
from relayproto.limits import CODE_LIFETIME_S, CODE_TRIES_MAX, CODES_A_DAY_MAX, CONTACT_KEPT_S
from relayproto.primitives import equal
from relayproto.standing import UnitState

_DAY_MS: Final = 86_400_000
_NEVER: Final = bytes(32)
"""What no keyed hash is."""
_NO_UNIT: Final = UnitId((1 << 32) - 1)
"""Asked about where no line names one, so that the look-ups are the same."""
_DOMAIN: Final = (
    f"SELECT unit.state = {UnitState.ACTIVE:d} AND root.state = {UnitState.ACTIVE:d} FROM domain"  # noqa: S608 - ours
    " JOIN unit ON unit.id = domain.unit JOIN unit root ON root.id = unit.organisation WHERE domain.name = ?"
)
_NOBODYS_BYTES: Final = 16
"""Of what is kept in the place of a code that nobody is sent: it can't be guessed."""


class Mode(Enum):
    """Who may register; each includes the one before."""

    CLOSED = "closed"
    ROSTERED = "rostered"
    ORGANISATIONS = "organisations"
    OPEN = "open"


class Terms(NamedTuple):
    """Who may register here, and under which domains a name may be chosen in mode open."""

    mode: Mode
    domains: frozenset[str] = frozenset()


def take_code(commit: Commit, contact: Address, code: str, terms: Terms) -> bool:
    """Keep a code and say whether to send it; the same is written where it will not be sent.

    Raises Refusal(RATE) for the fourth of a contact in a day.
    """
    mark, now_ms = commit.tools.marks.of_contact(contact), commit.now_ms
    found = commit.db.execute("SELECT asked, until_ms FROM code WHERE contact = ?", (mark,)).fetchone()
    asked, until_ms = found if found is not None and found[1] > now_ms else (0, now_ms + _DAY_MS)
    if asked >= CODES_A_DAY_MAX:
        raise Refusal(Code.RATE, until_ms - now_ms)
    wanted, nobodys = may_register(commit, contact, terms), commit.tools.entropy(_NOBODYS_BYTES).hex()
    commit.db.execute(
        "INSERT OR REPLACE INTO code (contact, hash, expires_ms, tries, asked, until_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (mark, commit.tools.marks.of_code(contact, code if wanted else nobodys), now_ms + CODE_LIFETIME_S * 1000,
         CODE_TRIES_MAX, asked + 1, until_ms),
    )  # fmt: skip
    return wanted


def may_register(commit: Commit, contact: Address, terms: Terms) -> bool:
    """Say whether a contact is somebody to whom a code is sent; nobody of an organisation that does not work is."""
    # All is looked up whatever the mode, so that it takes the same time whoever it is.
    line, works = rosters.line_of(commit, contact), _works(commit.db, addresses.domain_of(contact))
    expected = authority.reach(commit, _NO_UNIT if line is None else line.unit).working and line is not None
    if works is False:
        return False
    match terms.mode:
        case Mode.OPEN:
            return True
        case Mode.ORGANISATIONS:
            return expected or works is True
        case Mode.ROSTERED:
            return expected
        case Mode.CLOSED:
            return False


def register(commit: Commit, command: Register, contact: Address, address: Address, devices: DeviceList,
             terms: Terms) -> Enrolment | Code:  # fmt: skip
    """Make the account of a code, or return why not; ``devices`` is the command's list, verified.

    BAD_TICKET for a code that is wrong, unknown, over or used up; only who has shown the right one is told of LIMIT,
    BAD_ADDRESS or ADDRESS_TAKEN. What is returned is committed, the try too.
    """
    db, marks = commit.db, commit.tools.marks
    mark = marks.of_contact(contact)
    found = db.execute("SELECT hash, expires_ms, tries, account FROM code WHERE contact = ?", (mark,)).fetchone()
    kept, expires_ms, tries, user = found or (_NEVER, 0, 0, None)
    right = equal(kept, marks.of_code(contact, command.code))
    if right and user is not None and user == devices.account:
        return _again(commit, devices)
    db.execute("UPDATE code SET tries = max(0, tries - 1) WHERE contact = ?", (mark,))
    good = right and user is None and tries > 0 and expires_ms > commit.now_ms
    if not (may_register(commit, contact, terms) and good):
        return Code.BAD_TICKET
    before = db.execute(
        "SELECT account FROM registered WHERE contact = ? AND until_ms > ?", (mark, commit.now_ms)
    ).fetchone()
    if before is not None:
        return _again(commit, devices) if before[0] == devices.account else Code.LIMIT
    objection = _objection(commit, contact, address, devices, terms)
    if objection is not None:
        return objection
    accounts.make(commit, address, command, devices, chosen=address != contact)
    db.execute("UPDATE code SET account = ? WHERE contact = ?", (devices.account, mark))
    until_ms = commit.now_ms + CONTACT_KEPT_S * 1000
    db.execute("INSERT OR REPLACE INTO registered VALUES (?, ?, ?)", (mark, devices.account, until_ms))
    return Enrolment(devices.account, address)


def _objection(commit: Commit, contact: Address, address: Address, devices: DeviceList, terms: Terms) -> Code | None:
    if not may_have(commit.db, contact, address, terms):
        return Code.BAD_ADDRESS
    if accounts.taken(commit.db, address):
        return Code.ADDRESS_TAKEN
    return Code.BAD_TICKET if commit.party(devices.account) is not None else None


def may_have(db: sqlite3.Connection, contact: Address, address: Address, terms: Terms) -> bool:
    """Say whether a contact may have an address: itself, or in mode open a name under a domain that is offered.

    A domain that an organisation has proven is offered to nobody else, whatever the configuration says.
    """
    domain = addresses.domain_of(address)
    if _proven(db, domain):
        return address == contact
    return terms.mode is Mode.OPEN and domain in terms.domains


def forget(commit: Commit) -> None:
    """Delete what is over."""
    commit.db.execute("DELETE FROM code WHERE until_ms <= ?", (commit.now_ms,))
    commit.db.execute("DELETE FROM registered WHERE until_ms <= ?", (commit.now_ms,))


def _again(commit: Commit, devices: DeviceList) -> Enrolment:
    [address] = commit.db.execute("SELECT address FROM account WHERE account = ?", (devices.account,)).fetchone()
    return Enrolment(devices.account, Address(address))


def _works(db: sqlite3.Connection, domain: str) -> bool | None:
    """Say whether the organisation works that has proven a domain; None where none has."""
    found: tuple[int] | None = db.execute(_DOMAIN, (domain,)).fetchone()
    return None if found is None else bool(found[0])


def _proven(db: sqlite3.Connection, domain: str) -> bool:
    return db.execute("SELECT 1 FROM domain WHERE name = ?", (domain,)).fetchone() is not None
