"""The store room: who is who, for somebody who asks (spec 40 §4, spec 70 §6, spec 88).

An address or an account enters; what the directory says of it leaves, or one refusal. The rule of this file: unknown,
blocked, suspended and not permitted are that one refusal, after the same look-ups; who is found is shown as the asker
may see him.
"""

import sqlite3
from dataclasses import replace
from typing import Final, NamedTuple

from relayd.domain import permits
from relayd.domain.refusals import Refusal
from relayd.store import attested, authority, projections, sides
from relayd.store.authority import View
from relayd.store.contacts import Passes
from relayd.store.marks import Marks
from relayd.store.projections import Projection, Seen, Viewing
from relayproto.codes import Code
from relayproto.ids import AccountId, Address, DeviceId, UnitId
from relayproto.policy import ROW_BYTES, strictest
from relayproto.replies import Account, Devices
from relayproto.standing import PLATFORM, Action, Permission, Standing

_NOBODY: Final = (0, Standing.PUBLIC, PLATFORM, None, 0, AccountId(bytes(32)), "", "", None, b"", b"")
"""Who is looked at where there is no account, so that the look-ups are the same."""
_ASKER: Final = "SELECT id, standing, unit, policy, suspended FROM account WHERE account = ?"
_NOTHING_TIGHTENED: Final = bytes(ROW_BYTES)


class Asking(NamedTuple):
    """Who asks, with which pass, when; and by what marks and passes are known."""

    account: AccountId
    pass_: bytes
    marks: Marks
    passes: Passes
    now_ms: int


def account_of(db: sqlite3.Connection, asking: Asking, address: Address) -> Account:
    """Return the account that an address names; Refusal(NOT_AVAILABLE) where there is none for the asker.

    Whoever has the whole address is told no more by seeing it again; everything else is as he is shown it.
    """
    found = _found(db, asking, "address", address, Action.LOOKUP)
    shown = _projected(db, asking, found)
    return Account(found.seen.account, address, found.devices, found.signature, shown.proof, shown.about)


def devices_of(db: sqlite3.Connection, asking: Asking, account: AccountId) -> Devices:
    """Return an account's newest device list and address; Refusal(NOT_AVAILABLE) where there is none for the asker."""
    found = _found(db, asking, "account", account, Action.LOOKUP)
    return Devices(found.devices, found.signature, *_projected(db, asking, found))


def mailboxes_of(db: sqlite3.Connection, asking: Asking, account: AccountId) -> dict[DeviceId, int]:
    """Return the mailboxes of an account's devices; Refusal(NOT_AVAILABLE) where the asker may not write to it."""
    _found(db, asking, "account", account, Action.TEXT)
    found = db.execute(
        "SELECT device, id FROM device WHERE account = (SELECT id FROM account WHERE account = ?)", (account,)
    )
    return {DeviceId(device): row for device, row in found.fetchall()}


class _Found(NamedTuple):
    """Somebody as he lies, the row and the side of who asks, and the signed list."""

    asker: int
    who: permits.Side
    seen: Seen
    devices: bytes
    signature: bytes


def _projected(db: sqlite3.Connection, asking: Asking, found: _Found) -> Projection:
    """Return what the asker is shown."""
    view = View(db, asking.now_ms)
    viewing = Viewing(asking.account, found.who, authority.held(view, found.asker))
    return projections.of(found.seen, projections.fields(view, viewing, found.seen))


def _found(db: sqlite3.Connection, asking: Asking, column: str, value: bytes | str, action: Action) -> _Found:
    found = db.execute(
        "SELECT id, standing, unit, policy, suspended, account, address, about, hidden, devices, signature"  # noqa: S608 - our own column
        f" FROM account WHERE {column} = ?",
        (value,),
    ).fetchone()
    row, standing, unit, own, suspended, account, address, about, hidden, *listed = found or _NOBODY
    whom = _side(db, unit, standing, own, suspended)
    asker, standing, unit, own, suspended = db.execute(_ASKER, (asking.account,)).fetchone() or _NOBODY[:5]
    who = _side(db, unit, standing, own, suspended)
    proof = attested.proof(db, row, asking.now_ms)
    blocked = asking.marks.blocked(db, row, account, asking.account)
    answering = asking.passes.good(asking.pass_, account, asking.account, asking.now_ms)
    permitted = _permitted(who, whom, action, answering=answering)
    if found is None or (account != asking.account and (blocked or not permitted)):
        raise Refusal(Code.NOT_AVAILABLE)
    return _Found(asker, who, Seen(account, whom, address, proof, about, hidden), *listed)


def _side(db: sqlite3.Connection, unit: UnitId, standing: int, own: bytes | None, suspended: int) -> permits.Side:
    """Return somebody's side by the same work, whether he tightens something or is suspended: time tells as well."""
    side = sides.read(db, unit, Standing(standing))
    inbound = strictest([side.inbound, own or _NOTHING_TIGHTENED])
    return replace(side, inbound=inbound, active=side.active and not suspended)


def _permitted(who: permits.Side, whom: permits.Side, action: Action, *, answering: bool) -> bool:
    if not (who.active and whom.active):
        return False
    if action is Action.LOOKUP:
        return answering or permits.may_find(who, whom)
    return permits.freely(who, whom, action) or (
        answering and permits.permission(who, whom, action) == Permission.ALLOW
    )
