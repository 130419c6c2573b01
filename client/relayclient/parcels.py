"""Which parcels may go now, and what must be asked before the others can.

The waiting parcels enter; batches to seal and commands to ask leave. The rule of this file: of one account, none
overtakes another - what must wait holds everything behind it to that account back, and nothing to anybody else.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from relayclient import contacts, sessions
from relayclient.store.database import Step
from relayproto.commands import DeviceCommand, GetBundles, GetDevices, Lookup
from relayproto.ids import AccountId, Address

_ACCOUNTS_MAX: Final = 64
"""Accounts asked about at a time; the answers to these make room for the next."""


class Parcel(NamedTuple):
    """A waiting parcel."""

    row: int
    message: int
    account: AccountId


def ready(step: Step, limit: int, now_ms: int) -> list[list[Parcel]]:
    """Return at most ``limit`` batches to submit now, in order; a batch is one message to one or two accounts."""
    free: dict[AccountId, bool] = {}
    batches: list[list[Parcel]] = []
    for parcel, address, not_before_ms, expires_ms in _waiting(step):
        if not free.setdefault(parcel.account, _reachable(step, parcel.account, now_ms)) or expires_ms <= now_ms:
            continue
        if not_before_ms > now_ms or (address is not None and contacts.disputed(step, address)):
            free[parcel.account] = False
        elif batches and batches[-1][-1].message == parcel.message:
            batches[-1].append(parcel)
        elif len(batches) == limit:
            break
        else:
            batches.append([parcel])
    return batches


def _waiting(step: Step) -> Iterator[tuple[Parcel, Address | None, int, int]]:
    # A copy for the user's other devices names the conversation: it waits until the recipient's account is known.
    # Read as far as there is room and no further: of thousands that wait each turn takes a few.
    rows = step.run(
        "SELECT parcel.row, parcel.message, parcel.account, parcel.address, parcel.not_before_ms, message.expires_ms"
        " FROM parcel JOIN message ON message.row = parcel.message"
        " WHERE parcel.state = 0 AND parcel.account IS NOT NULL AND message.account IS NOT NULL ORDER BY parcel.row"
    )
    for row, message, account, address, not_before_ms, expires_ms in rows:
        yield Parcel(row, message, account), address, not_before_ms, expires_ms


def _reachable(step: Step, account: AccountId, now_ms: int) -> bool:
    """Say whether the account's newest devices are known and those that are ready have a session each."""
    devices = contacts.devices(step, account)
    return (
        devices is not None
        and not contacts.is_stale(step, account)
        and bool(sessions.others(step, devices))
        and not sessions.lacking(step, devices, now_ms)
    )


def needs(step: Step, now_ms: int) -> list[DeviceCommand]:
    """Return what must be asked before waiting parcels can go."""
    addresses = step.rows(
        "SELECT address FROM parcel WHERE state = 0 AND account IS NULL GROUP BY address ORDER BY MIN(row) LIMIT ?",
        _ACCOUNTS_MAX,
    )
    accounts = step.rows(
        "SELECT account FROM parcel WHERE state = 0 AND account IS NOT NULL AND not_before_ms <= ?"
        " GROUP BY account ORDER BY MIN(row) LIMIT ?",
        now_ms, _ACCOUNTS_MAX,
    )  # fmt: skip
    commands: list[DeviceCommand] = [Lookup(address) for (address,) in addresses]
    for (account,) in accounts:
        command = _need(step, account, now_ms)
        if command is not None:
            commands.append(command)
    return commands


def _need(step: Step, account: AccountId, now_ms: int) -> DeviceCommand | None:
    if not contacts.version(step, step.setting("account")):
        return None  # a first message names this account's own list, which is asked for by itself
    devices, pass_ = contacts.devices(step, account), contacts.pass_of(step, account)
    if devices is None:
        return GetBundles(account, (), pass_)
    if contacts.is_stale(step, account):
        return GetDevices(account, pass_)
    lacking = sessions.lacking(step, devices, now_ms)
    return GetBundles(account, lacking, pass_) if lacking else None


def next_ms(step: Step, now_ms: int) -> int | None:
    """Return when the next parcel that is held back may go, None where none is."""
    found = step.row("SELECT MIN(not_before_ms) FROM parcel WHERE state = 0 AND not_before_ms > ?", now_ms)
    return found[0] if found else None
