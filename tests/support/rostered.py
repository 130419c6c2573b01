"""Rosters in a department's store: parts are handed in as a seat's, changes are tried by their verbs."""

from collections.abc import Iterable
from typing import Any

from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import settling, staging
from relayproto import rosters
from relayproto.codes import Code
from relayproto.rosters import ImportRoster, Person, PutRoster, Rostered
from support.attestable import DOMAIN, Department

NAME = b"n" * 16


def line(who: str, name: str = "", title: str = "", domain: str = DOMAIN) -> Person:
    return Person(f"{who}@{domain}", name, title)


def seat(at: Department, account: bytes) -> Seat:
    """Return a seat of an account, as its newest connection."""
    row = at.desk.row(account)
    device = at.desk.db.execute("SELECT id FROM device WHERE account = ?", (row,)).fetchone()
    if device is None:
        at.device(account, account)
        return seat(at, account)
    at.desk.db.execute("INSERT OR IGNORE INTO ledger (device, generation, epoch, floor) VALUES (?, 0, 1, 0)", device)
    return Seat(device[0], 0, account, 1)


def put(at: Department, lines: Iterable[Person], account: bytes | None = None, **changes: Any) -> Rostered | Code:
    """Hand a part of a roster in, as vera's for the unit; a refusal is its code."""
    fields = {"unit": at.unit, "roster": NAME, "position": 0, "lines": tuple(lines)} | changes
    try:
        return staging.put(at.desk.commit, seat(at, account or at.vera), PutRoster(**fields))
    except Refusal as refusal:
        return refusal.code


def importing(at: Department, lines: Iterable[Person], **changes: Any) -> ImportRoster:
    """Return the change that lets these good lines come in force."""
    good = list(lines)
    fields = {"unit": at.unit, "roster": NAME, "lines": len(good), "digest": rosters.digest(good)} | changes
    return ImportRoster(**fields)


def in_force(at: Department, *lines: Person, unit: int = 0, name: bytes = NAME, settled: bool = True) -> None:
    """Let these lines come in force for the unit, or another one where the admin puts them."""
    who = at.admin if unit else at.vera
    where = unit or at.unit
    for position in range(0, len(lines), 100):
        answer = put(at, lines[position : position + 100], who, unit=where, roster=name, position=position)
        assert isinstance(answer, Rostered), answer
        assert answer.faults == ()
    at.desk.done(who, importing(at, lines, unit=where, roster=name))
    while settled and settling.settle(at.desk.commit):
        pass


def listed(at: Department) -> list[tuple[str, ...]]:
    """Return the addresses of all lines that are kept, by number."""
    return [address for (address,) in at.desk.db.execute("SELECT address FROM roster_line ORDER BY id")]
