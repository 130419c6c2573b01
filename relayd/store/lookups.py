"""The store room: who is who, for somebody who asks (spec 40 §4, spec 70 §6).

An address or an account enters; what the directory says of it leaves, or one refusal. The rule of this file: unknown,
blocked, suspended and not permitted are that one refusal, after the same look-ups.
"""

import sqlite3
from typing import Any, Final, NamedTuple

from relayd.domain import permits
from relayd.domain.refusals import Refusal
from relayd.store import attested, sides
from relayd.store.contacts import Passes
from relayd.store.marks import Marks
from relayproto.codes import Code
from relayproto.ids import AccountId, Address, DeviceId
from relayproto.replies import Account, Devices
from relayproto.standing import PLATFORM, Action, Permission, Standing

_NOBODY: Final = (0, Standing.PUBLIC, PLATFORM, None, 0, AccountId(bytes(32)))
"""Who is looked at where there is no account, so that the look-ups are the same."""
_ASKER: Final = "SELECT standing, unit, policy, suspended FROM account WHERE account = ?"


class Asking(NamedTuple):
    """Who asks, with which pass, when; and by what marks and passes are known."""

    account: AccountId
    pass_: bytes
    marks: Marks
    passes: Passes
    now_ms: int


def account_of(db: sqlite3.Connection, asking: Asking, address: Address) -> Account:
    """Return the account that an address names; Refusal(NOT_AVAILABLE) where there is none for the asker."""
    return Account(*_found(db, asking, "address", address, Action.LOOKUP))


def devices_of(db: sqlite3.Connection, asking: Asking, account: AccountId) -> Devices:
    """Return an account's newest device list and address; Refusal(NOT_AVAILABLE) where there is none for the asker."""
    _, address, devices, signature, proof = _found(db, asking, "account", account, Action.LOOKUP)
    return Devices(devices, signature, address, proof)


def mailboxes_of(db: sqlite3.Connection, asking: Asking, account: AccountId) -> dict[DeviceId, int]:
    """Return the mailboxes of an account's devices; Refusal(NOT_AVAILABLE) where the asker may not write to it."""
    _found(db, asking, "account", account, Action.TEXT)
    found = db.execute(
        "SELECT device, id FROM device WHERE account = (SELECT id FROM account WHERE account = ?)", (account,)
    )
    return {DeviceId(device): row for device, row in found.fetchall()}


def _found(
    db: sqlite3.Connection, asking: Asking, column: str, value: bytes | str, action: Action
) -> tuple[Any, ...]:  # fmt: skip
    """Return account, address, list, signature and proof."""
    found = db.execute(
        "SELECT id, standing, unit, policy, suspended, account, address, devices, signature"  # noqa: S608 - our own column
        f" FROM account WHERE {column} = ?",
        (value,),
    ).fetchone()
    row, standing, unit, own, suspended, account, *rest = found or _NOBODY
    whom = sides.own_side(sides.read(db, unit, Standing(standing)), own, suspended=bool(suspended))
    asker = db.execute(_ASKER, (asking.account,)).fetchone()
    standing, unit, own, suspended = asker or _NOBODY[1:5]
    who = sides.own_side(sides.read(db, unit, Standing(standing)), own, suspended=bool(suspended))
    proof = attested.proof(db, row, asking.now_ms)
    blocked = asking.marks.blocked(db, row, account, asking.account)
    answering = asking.passes.good(asking.pass_, account, asking.account, asking.now_ms)
    permitted = _permitted(who, whom, action, answering=answering)
    if found is None or (account != asking.account and (blocked or not permitted)):
        raise Refusal(Code.NOT_AVAILABLE)
    return account, *rest, proof


def _permitted(who: permits.Side, whom: permits.Side, action: Action, *, answering: bool) -> bool:
    if not (who.active and whom.active):
        return False
    if action is Action.LOOKUP:
        return answering or permits.may_find(who, whom)
    return permits.freely(who, whom, action) or (
        answering and permits.permission(who, whom, action) == Permission.ALLOW
    )
