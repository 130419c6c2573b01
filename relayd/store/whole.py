"""The store room: whether a database is whole, in numbers (protocol.md §7).

A connection that can only read enters; one finding a rule leaves: how much was looked at and how much of it breaks the
rule. The rules of this file: all of it is of one moment, so that a relay may run meanwhile; a finding names rows by
their numbers and nobody by anything.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relayd.domain.lifetimes import day
from relayd.store import audit, documents
from relayd.store.daykeys import DayKeys, KeyGone
from relayd.store.rows import ID_SHIFT
from relayd.store.vault import Vault
from relayproto.audit import BrokenChain
from relayproto.codes import Class, Lane, PrekeyKind
from relayproto.errors import CryptoFailure
from relayproto.limits import (
    KEM_PREKEYS_MAX,
    LIFETIME_S_MAX,
    ONE_TIME_PREKEYS_MAX,
    UNANSWERED_MAX,
    UNIT_DEPTH_MAX,
)
from relayproto.standing import Standing, UnitState

_PAGES_WRONG_MAX: Final = 100
_LIFETIME_MS_MAX: Final = 1000 * max(LIFETIME_S_MAX.values())
_BUSY_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one rule; ``first`` says where it is broken first, and is empty where it is not."""

    rule: str
    looked_at: int
    wrong: int
    first: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """``counted`` gives how many rows there are to look at, ``broken`` one row for each that breaks the rule."""

    name: str
    counted: str
    broken: str


def _lanes(condition: str) -> str:
    """Return the condition for each lane of a mailbox, by the names of its columns."""
    return " OR ".join(condition.format(name=name) for name in ("normal", "urgent", "outcome"))


_RECOUNT: Final = (
    "SELECT lane >> 2 AS mailbox, sum(class != 0) AS messages, sum(iif(class != 0, octets, 0)) AS octets,"
    f" sum(class = {Class.RECEIPT:d}) AS receipts, sum(class = 0) AS outcomes FROM envelope GROUP BY lane >> 2"
)
_OF_LANE: Final = "CASE lane & 3 WHEN 0 THEN {0}_normal WHEN 1 THEN {0}_urgent WHEN 2 THEN {0}_outcome END"
_QUEUED: Final = "SELECT count(*) FROM envelope"
_PREKEYS: Final = (
    (PrekeyKind.SIGNED, 1), (PrekeyKind.KEM_LAST_RESORT, 1), (PrekeyKind.ONE_TIME, ONE_TIME_PREKEYS_MAX),
    (PrekeyKind.KEM_ONE_TIME, KEM_PREKEYS_MAX),
)  # fmt: skip
_TREE: Final = (
    "WITH RECURSIVE tree (id, root, depth) AS (SELECT id, id, 1 FROM unit WHERE under = 0 UNION ALL"
    f" SELECT unit.id, root, depth + 1 FROM unit JOIN tree ON unit.under = tree.id WHERE depth <= {UNIT_DEPTH_MAX})"
)
_ROOT_OF: Final = "(SELECT organisation FROM unit WHERE unit.id = {0}.unit)"

_RULES: Final = (
    _Rule("every device has its account", "SELECT count(*) FROM device",
          "SELECT id FROM device WHERE account NOT IN (SELECT id FROM account)"),
    _Rule("no device's number is above the highest that its account gave", "SELECT count(*) FROM device",
          "SELECT device.id FROM device JOIN account ON account.id = device.account WHERE device > highest_device"),
    _Rule("every device has a mailbox and a ledger, and they have no other", "SELECT count(*) FROM device",
          "SELECT id FROM device WHERE id NOT IN (SELECT id FROM mailbox) OR id NOT IN (SELECT device FROM ledger)"
          " UNION ALL SELECT id FROM mailbox WHERE id NOT IN (SELECT id FROM device)"
          " UNION ALL SELECT device FROM ledger WHERE device NOT IN (SELECT id FROM device)"),
    _Rule("counters of a mailbox are what a recount gives", "SELECT count(*) FROM mailbox",
          f"SELECT id FROM mailbox AS kept LEFT JOIN ({_RECOUNT}) AS found ON found.mailbox = kept.id"
          " WHERE (kept.messages, kept.octets, kept.receipts, kept.outcomes) IS NOT (coalesce(found.messages, 0),"
          " coalesce(found.octets, 0), coalesce(found.receipts, 0), coalesce(found.outcomes, 0))"),
    _Rule("floors are below the next numbers", "SELECT count(*) FROM mailbox",
          "SELECT id FROM mailbox WHERE " + _lanes("floor_{name} < 0 OR floor_{name} >= next_{name}")),
    _Rule("every envelope lies in a lane of a mailbox", _QUEUED,
          "SELECT id FROM envelope WHERE lane >> 2 NOT IN (SELECT id FROM mailbox) OR lane & 3 = 3"
          f" OR (class = 0) != (lane & 3 = {Lane.OUTCOME:d})"),
    _Rule("every sequence is above its lane's floor and was given", _QUEUED,
          "SELECT envelope.id FROM envelope JOIN mailbox ON mailbox.id = lane >> 2"
          f" WHERE sequence <= {_OF_LANE.format('floor')} OR sequence >= {_OF_LANE.format('next')}"),
    _Rule("nothing was stored later than now, or lives longer than the longest lifetime", _QUEUED,
          f"SELECT envelope.id FROM envelope, relay_time WHERE expires_ms > high_water_ms + {_LIFETIME_MS_MAX}"
          f" OR envelope.id >> {ID_SHIFT} > high_water_ms"),
    _Rule("every body is there and its references are what a recount gives", "SELECT count(*) FROM body",
          "SELECT body.id FROM body LEFT JOIN (SELECT body, count(*) AS refs FROM envelope GROUP BY body) AS found"
          " ON found.body = body.id WHERE body.refs IS NOT found.refs"
          " UNION ALL SELECT body FROM envelope WHERE body IS NOT NULL AND body NOT IN (SELECT id FROM body)"),
    _Rule("every fan is there and counts the devices that can still deliver", "SELECT count(*) FROM fan",
          "SELECT fan.id FROM fan LEFT JOIN (SELECT fan, count(*) AS remaining FROM envelope GROUP BY fan) AS found"
          " ON found.fan = fan.id WHERE fan.remaining IS NOT found.remaining"
          " UNION ALL SELECT fan FROM envelope WHERE fan > 0 AND fan NOT IN (SELECT id FROM fan)"),
    _Rule("holes were given, do not overlap and cover nothing that is queued", "SELECT count(*) FROM hole",
          "SELECT hole.lane FROM hole LEFT JOIN mailbox ON mailbox.id = hole.lane >> 2"
          f" WHERE mailbox.id IS NULL OR first > last OR last >= {_OF_LANE.format('next')} OR EXISTS (SELECT 1 FROM"
          " hole AS other WHERE other.lane = hole.lane AND other.first > hole.first AND other.first <= hole.last)"
          " OR EXISTS (SELECT 1 FROM envelope WHERE envelope.lane = hole.lane AND sequence BETWEEN first AND last)"),
    _Rule("recorded refusals are of the ledger's last 256", "SELECT count(*) FROM refusal",
          "SELECT device FROM refusal LEFT JOIN ledger USING (device)"
          f" WHERE ledger.floor IS NULL OR submission > floor OR submission <= floor - {UNANSWERED_MAX}"),
    _Rule("prekeys are a device's, and no more than it may have", "SELECT count(*) FROM prekey",
          "SELECT device FROM prekey WHERE device NOT IN (SELECT id FROM device) UNION ALL "
          + " UNION ALL ".join(
              f"SELECT device FROM prekey WHERE kind = {kind:d} GROUP BY device HAVING count(*) > {most}"
              for kind, most in _PREKEYS)),
    _Rule("one-time prekeys are below the highest ever deposited", "SELECT count(*) FROM prekey",
          "SELECT prekey.device FROM prekey JOIN device ON device.id = prekey.device"
          f" WHERE (kind = {PrekeyKind.ONE_TIME:d} AND number > one_time_high)"
          f" OR (kind = {PrekeyKind.KEM_ONE_TIME:d} AND number > kem_high)"),
    _Rule("blocks are an account's", "SELECT count(*) FROM block",
          "SELECT account FROM block WHERE account NOT IN (SELECT id FROM account)"),
    _Rule("counted logins are a mailbox's", "SELECT count(*) FROM attempt",
          "SELECT lane FROM attempt WHERE lane >> 2 NOT IN (SELECT id FROM mailbox)"),
    _Rule("every unit stands in its organisation's tree, no deeper than it may", "SELECT count(*) FROM unit",
          f"SELECT id FROM ({_TREE} SELECT unit.id FROM unit LEFT JOIN tree ON tree.id = unit.id"
          f" WHERE tree.root IS NOT unit.organisation OR depth > {UNIT_DEPTH_MAX})"),
    _Rule("nothing goes on below what is closed", "SELECT count(*) FROM unit",
          "SELECT unit.id FROM unit JOIN unit AS above ON above.id = unit.under"
          f" WHERE above.state = {UnitState.CLOSED:d} AND unit.state != {UnitState.CLOSED:d}"),
    _Rule("every organisation has a root key", "SELECT count(*) FROM unit WHERE under = 0",
          "SELECT id FROM unit WHERE under = 0 AND id NOT IN (SELECT unit FROM organisation)"),
    _Rule("domains are a unit's", "SELECT count(*) FROM domain",
          "SELECT unit FROM domain WHERE unit NOT IN (SELECT id FROM unit)"),
    _Rule("accounts belong to a unit that is there, with a standing", "SELECT count(*) FROM account",
          "SELECT account.id FROM account LEFT JOIN unit ON unit.id = account.unit"
          f" WHERE iif(account.unit = 0, standing > {Standing.INVITED:d},"
          f" standing = {Standing.PUBLIC:d} OR unit.id IS NULL OR unit.state = {UnitState.CLOSED:d})"),
    _Rule("roles are held by their organisation's own", "SELECT count(*) FROM held_role",
          "SELECT held_role.id FROM held_role LEFT JOIN account ON account.id = held_role.account"
          f" WHERE account.id IS NULL OR (held_role.unit != 0 AND {_ROOT_OF.format('account')} IS NOT"
          f" ifnull({_ROOT_OF.format('held_role')}, -1))"),
    _Rule("people answer for offices of their own organisation", "SELECT count(*) FROM holder",
          "SELECT holder.office FROM holder LEFT JOIN account AS office ON office.id = holder.office"
          " LEFT JOIN account AS person ON person.id = holder.account"
          f" WHERE office.standing IS NOT {Standing.OFFICE:d} OR ifnull(person.standing, {Standing.OFFICE:d})"
          f" IN ({Standing.APPLICATION:d}, {Standing.OFFICE:d})"
          f" OR {_ROOT_OF.format('office')} IS NOT {_ROOT_OF.format('person')}"),
    _Rule("there is one relay time", "SELECT count(*) FROM relay_time",
          "SELECT 1 WHERE (SELECT count(*) FROM relay_time WHERE high_water_ms >= 0) != 1"),
)  # fmt: skip

_KEYS: Final = "every day on which something expires has its key"
_AUDITED: Final = "every audit record follows the one before, as far as the checkpoints say"
_DOCUMENTED: Final = "every document follows the one before, and the newest is what is enforced"
NAMES: Final = (*[rule.name for rule in _RULES], _DOCUMENTED, _KEYS, _AUDITED)
"""The rules that a reader can check while others write."""


def interrupted(error: Exception) -> bool:
    """Say whether a statement ended because its time was over, which says nothing of the database."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT


@contextmanager
def one_moment(path: Path, *, alone: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the database to be read, as it is at one moment, until the block ends.

    What nobody has open is read without a trace, from a medium that can only be read as well, but not where
    ``alone`` is false: then somebody may begin to write at any moment. Even the last to close moves no log into the
    file: a connection that only reads can't.
    """
    how = "mode=ro" if _log_of(path).exists() or not alone else "immutable=1"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield db
    finally:
        db.close()


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def somebody_has_it_open(path: Path) -> bool:
    """Say whether there is a write-ahead log: whatever was read without a trace before may have been half of it."""
    return _log_of(path).exists()


def relay_time_ms(db: sqlite3.Connection) -> int:
    """Return how far the database has been in relay time, 0 where it does not say."""
    found = db.execute("SELECT max(high_water_ms) FROM relay_time").fetchone()[0]
    return int(found or 0)


def pages(db: sqlite3.Connection) -> Finding:
    """Check every page, index and constraint with SQLite's own means."""
    (count,) = db.execute("PRAGMA page_count").fetchone()
    try:
        found = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({_PAGES_WRONG_MAX})")]
        found += [f"row {row[1]} of {row[0]}" for row in db.execute("PRAGMA foreign_key_check")]
    except sqlite3.DatabaseError as error:
        return Finding("every page, index and reference is in order", count, 1, str(error))
    wrong = [" ".join(each.split()) for each in found if each != "ok"]
    return Finding("every page, index and reference is in order", count, len(wrong), wrong[0] if wrong else "")


def rules(db: sqlite3.Connection) -> Iterator[Finding]:
    """Yield what comes of each rule that the tables keep among themselves."""
    for rule in _RULES:
        try:
            (looked_at,) = db.execute(rule.counted).fetchone()
            wrong, first = db.execute(
                f"SELECT count(*), min(found.n) FROM (SELECT 0 AS n WHERE 0 UNION ALL {rule.broken}) AS found"
            ).fetchone()
        except sqlite3.DatabaseError as error:
            if interrupted(error):
                raise
            yield Finding(rule.name, 0, 1, str(error))
        else:
            yield Finding(rule.name, looked_at, wrong, f"number {first}" if wrong else "")


def documented(db: sqlite3.Connection) -> Finding:
    """Follow each unit's documents, and compile the newest again (spec 75 §4)."""
    try:
        looked_at, wrong = documents.check(db)
    except sqlite3.DatabaseError as error:
        if interrupted(error):
            raise
        return Finding(_DOCUMENTED, 0, 1, str(error))
    return Finding(_DOCUMENTED, looked_at, len(wrong), f"unit {wrong[0]}" if wrong else "")


def audited(db: sqlite3.Connection) -> Finding:
    """Follow the audit log, hash by hash, as far as its checkpoints say that it went (spec 80 §4)."""
    try:
        verdict = audit.verify(db)
    except BrokenChain as broken:
        (count,) = db.execute("SELECT count(*) FROM audit").fetchone()
        return Finding(_AUDITED, count, 1, str(broken))
    except (sqlite3.DatabaseError, TypeError) as error:
        if interrupted(error):
            raise
        return Finding(_AUDITED, 0, 1, str(error))
    return Finding(_AUDITED, verdict.records - verdict.gone, 0)


def keys(db: sqlite3.Connection, days: frozenset[int], now_ms: int) -> Finding:
    """Check that every day with rows that have not expired at ``now_ms`` has its key."""
    found = db.execute(
        "SELECT DISTINCT expires_ms / 86400000 FROM envelope WHERE expires_ms > ? ORDER BY 1", (now_ms,)
    ).fetchall()
    missing = [number for (number,) in found if number not in days]
    return Finding(
        _KEYS, len(found), len(missing),
        f"day {missing[0]} since 1970" if missing else "",
    )  # fmt: skip


def sealed(db: sqlite3.Connection, keys_: DayKeys, vault: Vault, now_ms: int) -> Finding:
    """Open everything that is sealed; what had expired at ``now_ms`` may have lost its key."""
    looked_at = 0
    wrong: list[str] = []
    for what, number, expires_ms, opened in _every_seal(db, vault):
        looked_at += 1
        try:
            opened()
        except KeyGone:
            if expires_ms > now_ms and day(expires_ms) not in keys_.days:
                wrong.append(f"{what} {number}: its key is gone")
        except (CryptoFailure, ValueError):
            wrong.append(f"{what} {number} does not open")
    return Finding("everything that is sealed opens", looked_at, len(wrong), wrong[0] if wrong else "")


def _every_seal(db: sqlite3.Connection, vault: Vault) -> Iterator[tuple[str, int, int, Callable[[], object]]]:
    rows = db.execute("SELECT id, lane, sequence, expires_ms, class, sealed FROM envelope")
    for number, lane, sequence, expires_ms, class_, octets in rows:
        open_ = vault.open_envelope if class_ else vault.open_outcome
        yield "envelope", number, expires_ms, _opening(open_, lane, sequence, expires_ms, octets)
    rows = db.execute(
        "SELECT body.id, max(expires_ms), body.sealed FROM body JOIN envelope ON envelope.body = body.id"
        " GROUP BY body.id"
    )
    for number, expires_ms, octets in rows:
        yield "body", number, expires_ms, _opening(vault.open_body, number, expires_ms, octets)


def _opening(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)
