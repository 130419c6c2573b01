"""The store room: tickets, accounts and their device lists.

Lists whose signatures a service has verified enter; accounts, mailboxes and answers leave. The rules of this file:
an address names one account for ever, and no other's looks like it; a ticket is good once, and a repeat of its use
gets the same answer; a device that leaves the list leaves nothing behind - its rows go in the same commit, and their
senders are told.
"""

import sqlite3
from typing import Final, NamedTuple

from relayd.domain import addresses, lookalikes
from relayd.domain.answers import DevicesChanged, Enrolment
from relayd.domain.authority import rule_of
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import authority, claims, prekeys, removals, rows
from relayd.store.commit import Commit
from relayd.store.restored import new_epoch
from relayproto.administration import InviteMember
from relayproto.codes import Code, Lane
from relayproto.commands import Enrol, Register
from relayproto.errors import CryptoFailure
from relayproto.identity import DeviceEntry, DeviceList, decode, supersedes
from relayproto.ids import Address, DeviceId, UnitId
from relayproto.limits import TICKET_BYTES, TICKETS_OPEN_MAX
from relayproto.primitives import blake2b_256
from relayproto.replies import Devices
from relayproto.standing import PLATFORM, Standing

OPEN: Final = "SELECT count(*) FROM ticket WHERE unit = ? AND unit <> 0 AND account IS NULL AND expires_ms > ?"


class Place(NamedTuple):
    """Where the account of a ticket will belong and what it will be; ``inviter`` is the row of whose word that is."""

    unit: UnitId
    standing: Standing
    inviter: int


_NOWHERE: Final = Place(PLATFORM, Standing.INVITED, 0)
OF_NOBODY: Final = Place(PLATFORM, Standing.PUBLIC, 0)
"""Where somebody comes to be who was not invited."""


def create_ticket(commit: Commit, address: Address, expires_ms: int, into: Place = _NOWHERE) -> bytes:
    """Return a new ticket that binds the address; Refusal: ADDRESS_TAKEN where one like it has an account, LIMIT.

    Whom the relay's own operator invites belongs to nobody.
    """
    if taken(commit.db, address):
        raise Refusal(Code.ADDRESS_TAKEN)
    if into.unit != PLATFORM:
        (waiting,) = commit.db.execute(OPEN, (into.unit, commit.now_ms)).fetchone()
        if waiting >= TICKETS_OPEN_MAX:
            raise Refusal(Code.LIMIT)
    ticket = commit.tools.entropy(TICKET_BYTES)
    commit.db.execute(
        "INSERT INTO ticket (hash, address, expires_ms, unit, standing, inviter) VALUES (?, ?, ?, ?, ?, ?)",
        (blake2b_256(ticket), address, expires_ms, *into),
    )
    return ticket


def taken(db: sqlite3.Connection, address: Address) -> bool:
    """Say whether an account has the address, or one that looks like it."""
    return db.execute("SELECT 1 FROM account WHERE look = ?", (lookalikes.look(address),)).fetchone() is not None


def enrol(commit: Commit, command: Enrol, devices: DeviceList, device: DeviceId | None = None) -> Enrolment:
    """Make the account of a ticket; Refusal(BAD_TICKET) or Refusal(ADDRESS_TAKEN).

    An account that a restore has lost comes again with its newest list, of whose devices ``device`` enrols.

    A ticket into a unit that does not work is none, as long as it does not; nor is one of who may not invite any more.
    """
    db, ticket = commit.db, blake2b_256(command.ticket)
    found = db.execute(
        "SELECT address, expires_ms, account, unit, standing, inviter FROM ticket WHERE hash = ?", (ticket,)
    ).fetchone()
    if found is None or found[1] <= commit.now_ms:
        raise Refusal(Code.BAD_TICKET)
    address, _, user, unit, standing, inviter = found
    into = Place(UnitId(unit), Standing(standing), inviter)
    if user is not None:
        if user != devices.account:
            raise Refusal(Code.BAD_TICKET)
        [address] = db.execute("SELECT address FROM account WHERE account = ?", (user,)).fetchone()
        return Enrolment(devices.account, Address(address))
    if taken(db, Address(address)):
        raise Refusal(Code.ADDRESS_TAKEN)
    if commit.party(devices.account) is not None or not _still_stands(commit, address, into):
        raise Refusal(Code.BAD_TICKET)
    make(commit, Address(address), command, devices, into, device=device)
    commit.done.tally.enrolled += 1
    # From now on the address stands in the account's row alone (protocol.md §6).
    db.execute("UPDATE ticket SET account = ?, address = '' WHERE hash = ?", (devices.account, ticket))
    return Enrolment(devices.account, address)


def make(
    commit: Commit, address: Address, command: Enrol | Register, devices: DeviceList, into: Place = OF_NOBODY,
    *, chosen: bool = False, device: DeviceId | None = None,
) -> None:  # fmt: skip
    """Make an account, its devices and the prekeys of the one that enrols; a roster in force says where it belongs.

    ``chosen``: it has made its name up itself, under a domain that nobody had proven. ``device``: whose prekeys come
    with the command, where the list is not of one device alone.
    """
    account = commit.db.execute(
        "INSERT INTO account (account, address, look, list_version, highest_device, devices, signature, unit, standing,"
        " chosen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            devices.account,
            address,
            lookalikes.look(address),
            devices.version,
            devices.highest_device,
            command.devices,
            command.signature,
            into.unit,
            into.standing,
            lookalikes.skeleton(addresses.domain_of(address)) if chosen else None,
        ),
    ).lastrowid
    assert account is not None  # noqa: S101 - an INSERT that did not raise has a row
    rows_of = {entry.device: _add_device(commit, account, entry) for entry in devices.devices}
    prekeys.put(commit, rows_of[device or devices.devices[0].device], command.prekeys)
    claims.arrived(commit, account, address)


def _still_stands(commit: Commit, address: Address, into: Place) -> bool:
    """Say whether whoever made a ticket could make it at this moment too; the relay's own operator always can."""
    if into.unit == PLATFORM:
        return True
    inviter = authority.actor_of_row(commit, into.inviter)
    again = InviteMember(into.unit, address, into.standing, 0)
    return (
        inviter is not None
        and authority.find(commit, inviter, rule_of(again), into.unit) is not None
        and authority.reach(commit, into.unit).working
    )


def _add_device(commit: Commit, account: int, entry: DeviceEntry) -> int:
    """Make a device's row, its mailbox and its ledger, with epochs of their own; return its number."""
    row = commit.db.execute(
        "INSERT INTO device (account, device, dh_key, sign_key) VALUES (?, ?, ?, ?)",
        (account, entry.device, entry.dh_key, entry.sign_key),
    ).lastrowid
    assert row is not None  # noqa: S101 - an INSERT that did not raise has a row
    entropy = commit.tools.entropy
    rows.MAILBOXES.run(commit.db, [(row, new_epoch(entropy), 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)])
    rows.LEDGERS.run(commit.db, [(row, 0, new_epoch(entropy), 0)])
    return row


def put_devices(commit: Commit, seat: Seat, devices: DeviceList, listed: bytes, signature: bytes) -> DevicesChanged:
    """Replace the seat's account's device list by a newer version.

    Versions in between may be missing: after a restore a device tells again the newest list that it knows. The same
    list again gets the same answer. Raises Refusal: BAD_SIGNATURE for another account's list or one that contradicts
    the one held, STALE_LIST for one that is not newer.
    """
    commit.require(seat)
    if devices.account != seat.account:
        raise Refusal(Code.BAD_SIGNATURE)
    party = commit.party(seat.account)
    assert party is not None  # noqa: S101 - a seat's device has an account
    address, held, held_signature = commit.db.execute(
        "SELECT address, devices, signature FROM account WHERE id = ?", (party.row,)
    ).fetchone()
    if held == listed:
        return DevicesChanged(Devices(held, held_signature, address), ())
    old = decode(held, held_signature)
    if devices.version <= old.version:
        raise Refusal(Code.STALE_LIST)
    try:
        supersedes(old, devices)
    except CryptoFailure:
        raise Refusal(Code.BAD_SIGNATURE) from None
    commit.db.execute(
        "UPDATE account SET list_version = ?, highest_device = ?, devices = ?, signature = ? WHERE id = ?",
        (devices.version, devices.highest_device, listed, signature, party.row),
    )
    staying = {entry.device for entry in devices.devices}
    removed = sorted(row for device, row in party.mailboxes.items() if device not in staying)
    for row in removed:
        _remove_device(commit, row)
    for entry in devices.devices:
        if entry.device not in party.mailboxes:
            _add_device(commit, party.row, entry)
    commit.tools.residents.forget_account(seat.account)
    return DevicesChanged(Devices(listed, signature, address), tuple(removed))


def _remove_device(commit: Commit, row: int) -> None:
    """Delete all that there is of a device; senders are told PURGED where no other device is left to deliver."""
    mailbox = commit.mailbox(row)
    assert mailbox is not None  # noqa: S101 - a device of a party has a mailbox
    db = commit.db
    commit.tools.waiting.drop(row)
    for lane in Lane:
        removals.purge(commit, row * 4 + lane, mailbox)
    commit.write()
    for statement in (
        "DELETE FROM hole WHERE lane BETWEEN ?1 * 4 AND ?1 * 4 + 3",
        "DELETE FROM attempt WHERE lane BETWEEN ?1 * 4 AND ?1 * 4 + 3",
        "DELETE FROM prekey WHERE device = ?1",
        "DELETE FROM refusal WHERE device = ?1",
        "DELETE FROM ledger WHERE device = ?1",
        "DELETE FROM mailbox WHERE id = ?1",
        "DELETE FROM device WHERE id = ?1",
    ):
        db.execute(statement, (row,))
    commit.tools.residents.forget_device(row)


def expired_tickets(commit: Commit) -> None:
    """Delete tickets whose time is over, used or not."""
    commit.db.execute("DELETE FROM ticket WHERE expires_ms <= ?", (commit.now_ms,))
