"""The store room: the small rows that commits need again and again, kept in memory on the writer's thread.

Numbers and ids enter; mailboxes, senders and parties leave. The rules of this file: bounded, least recently used
first; a commit changes them in place, so whatever is rolled back is forgotten here as well.
"""

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeVar

from relayd.domain.ledger import Ledger
from relayd.domain.mailbox import Mailbox
from relayd.domain.party import Party
from relayd.store.sides import Sides
from relayproto.ids import AccountId, DeviceId
from relayproto.standing import Standing

K = TypeVar("K")
V = TypeVar("V")

KEPT_MAX: Final = 65_536
"""Mailboxes, and parties, so many of each: half a kilobyte each, but for mailboxes that are half full, which know their
senders. For whoever is not here the writer reads two rows: where recipients come at random that is soon a third of what
a message costs (case G of bench/)."""
SENDERS_MAX: Final = 16_384
"""Devices kept as senders: half a kilobyte each, and up to 20 where all that they say is refused."""


@dataclass(slots=True)
class Sender:
    """A device as one that submits: which connection of it counts, and its ledger."""

    generation: int
    ledger: Ledger


class Recent(OrderedDict[K, V]):
    """What was used last, up to a bound; whoever uses something moves it to the end."""

    __slots__ = ("_maximum",)

    def __init__(self, maximum: int) -> None:
        super().__init__()
        self._maximum = maximum

    def trim(self) -> None:
        """Come down to the bound."""
        while len(self) > self._maximum:
            self.popitem(last=False)


class Residents:
    """Mailboxes, senders and parties by number or id."""

    __slots__ = ("_mailboxes", "_parties", "_senders", "_sides")

    def __init__(self) -> None:
        self._mailboxes: Recent[int, Mailbox] = Recent(KEPT_MAX)
        self._senders: Recent[int, Sender] = Recent(SENDERS_MAX)
        self._parties: Recent[AccountId, Party] = Recent(KEPT_MAX)
        self._sides = Sides()

    def trim(self) -> None:
        """Come down to the bounds; between commits only, when nothing changed is waiting to be written."""
        self._mailboxes.trim()
        self._senders.trim()
        self._parties.trim()

    def clear(self) -> None:
        """Forget everything, because what is here may never have been committed."""
        self._mailboxes.clear()
        self._senders.clear()
        self.forget_parties()

    def forget_account(self, account: AccountId) -> None:
        """Forget an account's party, because its device list, standing or unit has changed."""
        self._parties.pop(account, None)

    def forget_parties(self) -> None:
        """Forget all parties, because what has changed concerns the people of a unit and of all below it."""
        self._parties.clear()
        self._sides.forget()

    def forget_device(self, row: int) -> None:
        """Forget a device that was removed."""
        self._mailboxes.pop(row, None)
        self._senders.pop(row, None)

    def mailbox(self, db: sqlite3.Connection, row: int) -> Mailbox | None:
        """Return a mailbox, or None where the device was removed."""
        mailbox = self._mailboxes.get(row)
        if mailbox is None:
            kept = db.execute(
                "SELECT epoch, floor_normal, floor_urgent, floor_outcome, next_normal, next_urgent, next_outcome,"
                " messages, octets, receipts, outcomes, over, refused,"
                " EXISTS (SELECT 1 FROM hole WHERE lane >= mailbox.id * 4 AND lane < mailbox.id * 4 + 4)"
                " FROM mailbox WHERE id = ?",
                (row,),
            ).fetchone()
            if kept is None:
                return None
            epoch, *numbers = kept
            messages, octets, receipts, outcomes, over, refused, holed = numbers[6:]
            mailbox = Mailbox(
                epoch,
                numbers[0:3],
                numbers[3:6],
                messages,
                octets,
                receipts,
                outcomes,
                bool(over),
                bool(holed),
                refused,
            )
            self._mailboxes[row] = mailbox
        else:
            self._mailboxes.move_to_end(row)
        return mailbox

    def sender(self, db: sqlite3.Connection, row: int) -> Sender | None:
        """Return a device as a sender, or None where it was removed."""
        sender = self._senders.get(row)
        if sender is None:
            kept = db.execute("SELECT generation, epoch, floor FROM ledger WHERE device = ?", (row,)).fetchone()
            if kept is None:
                return None
            generation, epoch, floor = kept
            refused = db.execute("SELECT submission FROM refusal WHERE device = ?", (row,)).fetchall()
            sender = Sender(generation, Ledger(epoch, floor, {submission for (submission,) in refused}))
            self._senders[row] = sender
        else:
            self._senders.move_to_end(row)
        return sender

    def party(self, db: sqlite3.Connection, account: AccountId) -> Party | None:
        """Return the devices of an account, or None where there is no such account."""
        party = self._parties.get(account)
        if party is None:
            kept = db.execute(
                "SELECT id, list_version, highest_device, standing, unit, policy, suspended,"
                " EXISTS (SELECT 1 FROM block WHERE block.account = account.id) FROM account WHERE account = ?",
                (account,),
            ).fetchone()
            if kept is None:
                return None
            row, list_version, highest_device, standing, unit, own, suspended, blocks = kept
            devices = db.execute("SELECT device, id FROM device WHERE account = ?", (row,)).fetchall()
            mailboxes = {DeviceId(device): number for device, number in devices}
            side = self._sides.of(db, unit, Standing(standing), own, suspended=bool(suspended))
            party = Party(row, account, list_version, highest_device, mailboxes, bool(blocks), side)
            self._parties[account] = party
        else:
            self._parties.move_to_end(account)
        return party
