"""The store room: senders that want to hear when a full mailbox has room again (spec 50 §5).

A refusal for want of room enters; when the mailbox has room, who was waiting for it leaves. The rules of this file: in
memory only, for as long as the sender's connection lasts, and bounded; only among colleagues, since it tells that
somebody was there.
"""

import sqlite3
from collections import OrderedDict
from typing import Final, NamedTuple

from relayd.domain.mailbox import Mailbox, Quota
from relayd.domain.seat import Seat
from relayproto.ids import AccountId
from relayproto.limits import CONNECTION_LIFETIME_S

MAILBOXES_MAX: Final = 1_024
"""Full mailboxes whose senders are told when there is room; the others try again by themselves."""
SENDERS_MAX: Final = 16
"""With the mailboxes: 16,384 waiting at most, 3 MB. Who is crowded out tries again when ``retry_after_ms`` is over."""

_WHERE_THEY_WORK: Final = (
    "SELECT unit.organisation, address FROM account LEFT JOIN unit ON unit.id = account.unit WHERE account IN (?, ?)"
)
_CONNECTION_MS: Final = int(CONNECTION_LIFETIME_S * 1000)


class Waiter(NamedTuple):
    """A connection of a sender, and the account that it could not write to."""

    seat: Seat
    account: AccountId


class _Queue(NamedTuple):
    since_ms: int
    waiters: OrderedDict[int, Waiter]


class Waiting:
    """Mailbox -> who waits for it; for the writer's thread only."""

    __slots__ = ("_by_mailbox",)

    def __init__(self) -> None:
        self._by_mailbox: OrderedDict[int, _Queue] = OrderedDict()

    def note(self, db: sqlite3.Connection, seat: Seat, account: AccountId, mailbox: int, now_ms: int) -> None:
        """Let a sender wait, if the two are colleagues; the oldest gives way where too many wait.

        Colleagues are of one organisation or, where neither has one, of one mail domain.
        """
        found = db.execute(_WHERE_THEY_WORK, (seat.account, account)).fetchall()
        if len({organisation or address.rpartition("@")[2] for organisation, address in found}) != 1:
            return
        waiters = self._by_mailbox.setdefault(mailbox, _Queue(now_ms, OrderedDict())).waiters
        waiters[seat.row] = Waiter(seat, account)
        if len(waiters) > SENDERS_MAX:
            waiters.popitem(last=False)
        if len(self._by_mailbox) > MAILBOXES_MAX:
            self._by_mailbox.popitem(last=False)

    def forget(self, now_ms: int) -> None:
        """Forget who has waited for longer than any connection lasts: nobody's business any more."""
        while self._by_mailbox:
            mailbox, queue = next(iter(self._by_mailbox.items()))
            if queue.since_ms > now_ms - _CONNECTION_MS:
                return
            del self._by_mailbox[mailbox]

    def drop(self, mailbox: int) -> None:
        """Forget who waits for a mailbox: it is gone."""
        self._by_mailbox.pop(mailbox, None)

    def served(self, row: int, mailbox: Mailbox, quota: Quota) -> list[Waiter]:
        """Return and forget the senders whose envelopes the mailbox takes again."""
        queue = self._by_mailbox.get(row)
        if queue is None:
            return []
        waiters = queue.waiters
        served = [waiter for waiter in waiters.values() if mailbox.writable(quota, waiter.seat.account)]
        for waiter in served:
            del waiters[waiter.seat.row]
        if not waiters:
            del self._by_mailbox[row]
        return served
