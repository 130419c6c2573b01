"""The store room: one commit while it is made, on the writer's thread.

What works decide enters - rows to put in, mailboxes and ledgers that changed; it is written in few statements, and
what the event loop has to do afterwards leaves as ``Done``. The rules of this file: all of it in one transaction,
and nothing is told to anybody before that was synced.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field, fields
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from relayd.domain.mailbox import Mailbox, Quota
from relayd.domain.party import Party
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import rows
from relayd.store.contacts import Contacts
from relayd.store.counting import Counting
from relayd.store.marks import Marks
from relayd.store.residents import Residents, Sender
from relayd.store.stamps import Stamper
from relayd.store.vault import Vault
from relayd.store.waiting import Waiter, Waiting
from relayd.store.works import Settle, Settlement, Submission
from relayproto.codes import Class, Code, GapReason, Lane
from relayproto.commands import Wrap
from relayproto.notices import Gap, Outcome
from relayproto.primitives import Entropy
from relayproto.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from relayproto.ids import AccountId

_PLACE: Final = itemgetter(0, 1)
"""The lane and the sequence of an envelope's row."""


class Placement(Value, frozen=True):
    """An envelope in a mailbox, with the number that it was given; ``position`` is its target's in the submission."""

    position: int
    mailbox: int
    sequence: int
    fan: int | None
    wrap: Wrap
    pass_: bytes


class Accepted(msgspec.Struct):
    """A submission of which something is stored; ``stamp`` is made once all of the commit's are decided."""

    work: Submission
    lane: Lane
    expires_ms: int
    placements: list[Placement]
    stamp: bytes = b""


class Told(NamedTuple):
    """An outcome that was just queued for a sending device."""

    mailbox: int
    expires_ms: int
    outcome: Outcome


@dataclass(slots=True)
class Tally:
    """What a commit adds to the process's counters."""

    messages: int = 0
    octets: int = 0
    outcomes_queued: int = 0
    acknowledged: int = 0
    expired: int = 0
    codes: list[int] = field(default_factory=list)
    """Of each target of a submission that was recorded."""
    outcomes: Counter[int] = field(default_factory=Counter)
    targets: list[int] = field(default_factory=list)
    """What became of each target, as keys of ``relayd.domain.fates``; whoever counts them does so in one go."""
    prekeys: int = 0
    last_resort: int = 0
    enrolled: int = 0
    reports: int = 0
    waited_connected: list[float] = field(default_factory=list)
    """For each acknowledged envelope how long it was here, s: those that came while their device was connected."""
    waited_away: list[float] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add another one's figures."""
        for figure in fields(self):
            mine, theirs = getattr(self, figure.name), getattr(other, figure.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            elif isinstance(mine, list):
                mine.extend(theirs)
            else:
                setattr(self, figure.name, mine + theirs)


@dataclass(slots=True)
class Done:
    """What is left to do on the event loop once the commit was synced, in this order of fields."""

    settlements: list[tuple[Settle, Settlement]] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    """What was put in, as references only: little of it is ever delivered from here."""
    told: list[Told] = field(default_factory=list)
    gaps: list[tuple[int, Gap]] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    """Mailbox -> envelopes that had no room since its device last acknowledged."""
    served: list[Waiter] = field(default_factory=list)
    revoked: list[tuple[int, bytes]] = field(default_factory=list)
    """Numbers and serials of warrants and attestations that were taken back."""
    answers: list[Any] = field(default_factory=list)
    """One for each verb: its result, or the exception that it raised."""
    tally: Tally = field(default_factory=Tally)


class Numbers:
    """Numbers for bodies and fans, which only have to be free, and for envelopes, which rise with their time."""

    __slots__ = ("_body", "_envelope", "_fan")

    def __init__(self, db: sqlite3.Connection) -> None:
        """Begin above what is in use."""
        self._body: int = db.execute("SELECT coalesce(max(id), 0) FROM body").fetchone()[0]
        self._fan: int = db.execute("SELECT coalesce(max(id), 0) FROM fan").fetchone()[0]
        self._envelope: int = db.execute("SELECT coalesce(max(id), 0) FROM envelope").fetchone()[0]

    def body(self) -> int:
        """Return the next body's number."""
        self._body += 1
        return self._body

    def fan(self) -> int:
        """Return the next fan's number."""
        self._fan += 1
        return self._fan

    def envelopes(self, count: int, now_ms: int) -> int:
        """Return the first of so many ids in a row for what is stored now."""
        first = max(self._envelope + 1, now_ms << rows.ID_SHIFT)
        self._envelope = first + count - 1
        return first


@dataclass(frozen=True, slots=True)
class Tools:
    """What every commit uses and none owns."""

    quota: Quota
    residents: Residents
    vault: Vault
    stamper: Stamper
    numbers: Numbers
    entropy: Entropy
    longest_s: dict[Class, int]
    """How long an envelope of each class may live."""
    retention_days: int
    """How long reports are kept."""
    audit_days: int
    """How long the audit log is kept."""
    statistics_days: int
    """How long counters are kept."""
    root_key: bytes
    """The public key of the relay's offline root, which signs the platform's document; empty: nobody does."""
    marks: Marks
    counting: Counting
    contacts: Contacts
    waiting: Waiting


@dataclass(slots=True)
class Pending:
    """What this transaction has decided and not yet written."""

    envelopes: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: list[tuple[int, int, bytes]] = field(default_factory=list)
    refusals: dict[tuple[int, int], bytes] = field(default_factory=dict)
    body_refs: Counter[int] = field(default_factory=Counter)
    fans: dict[int, list[int]] = field(default_factory=dict)
    """Number -> [devices that can still deliver, whether the outcome was told]."""
    mailboxes: dict[int, Mailbox] = field(default_factory=dict)
    senders: dict[int, Sender] = field(default_factory=dict)
    """Those whose row has to be written."""


class Commit:
    """One transaction's view of the store. Reads see what it has decided itself."""

    __slots__ = ("db", "disk_tight", "done", "now_ms", "party", "pending", "sender", "tools")

    def __init__(self, db: sqlite3.Connection, tools: Tools, now_ms: int, *, disk_tight: bool) -> None:
        self.db = db
        self.tools = tools
        self.now_ms = now_ms
        self.disk_tight = disk_tight
        self.pending = Pending()
        self.done = Done()
        self.sender: Callable[[int], Sender | None] = partial(tools.residents.sender, db)
        """Return a device as a sender, or None where it was removed."""
        self.party: Callable[[AccountId], Party | None] = partial(tools.residents.party, db)
        """Return an account's devices, or None where there is no such account."""

    def mailbox(self, row: int) -> Mailbox | None:
        """Return a mailbox that is about to change, or None where its device was removed."""
        mailbox = self.pending.mailboxes.get(row)
        if mailbox is None:
            mailbox = self.tools.residents.mailbox(self.db, row)
            if mailbox is not None:
                self.pending.mailboxes[row] = mailbox
        return mailbox

    def current(self, seat: Seat) -> Sender | None:
        """Return the seat's device as a sender, None where another connection of it is newer or it was removed."""
        sender = self.sender(seat.row)
        return sender if sender is not None and sender.generation == seat.generation else None

    def require(self, seat: Seat) -> None:
        """Return if the seat's connection is still its device's newest, else raise Refusal(AUTHENTICATION)."""
        if self.current(seat) is None:
            raise Refusal(Code.AUTHENTICATION)

    def is_there(self, whom: Party, who: Party, *, permitted: bool) -> bool:
        """Say whether an account is there for another: permitted, nobody suspended, not blocked.

        Wherever the answer may be no a mark is looked up, as one is for an account that there is not.
        """
        if whom.row == who.row:
            return True
        permitted = permitted and whom.side.active and who.side.active
        if permitted and not whom.blocks:
            return True
        return not self.tools.marks.blocked(self.db, whom.row, whom.account, who.account) and permitted

    def fan(self, number: int) -> list[int]:
        """Return a fan that is about to change."""
        fan = self.pending.fans.get(number)
        if fan is None:
            fan = list(self.db.execute("SELECT remaining, told FROM fan WHERE id = ?", (number,)).fetchone())
            self.pending.fans[number] = fan
        return fan

    def explain(self, mailbox: int, lane: Lane, first: int, last: int) -> None:
        """Note a hole that whoever listens is to be told of."""
        self.done.gaps.append((mailbox, Gap(lane, first, last, GapReason.EXPIRED)))

    def undo(self, *, told: int, gaps: int, served: int, revoked: int) -> None:
        """Forget what a verb decided that was rolled back: but so much of what was there before."""
        self.pending = Pending()
        del self.done.told[told:]
        del self.done.gaps[gaps:]
        del self.done.served[served:]
        del self.done.revoked[revoked:]

    def write(self) -> None:
        """Write what was decided, sorted by table and key; afterwards nothing is pending."""
        pending, db = self.pending, self.db
        if pending.bodies:
            rows.BODIES.run(db, pending.bodies)
        if pending.envelopes:
            pending.envelopes.sort(key=_PLACE)
            first = self.tools.numbers.envelopes(len(pending.envelopes), self.now_ms)
            rows.ENVELOPES.run(db, [(number, *row) for number, row in enumerate(pending.envelopes, first)])
        if pending.body_refs:
            self._write_body_refs()
        if pending.fans:
            self._write_fans()
        if pending.refusals:
            rows.REFUSALS.run(db, [(*key, codes) for key, codes in sorted(pending.refusals.items())])
        if pending.senders:
            rows.LEDGERS.run(
                db,
                [(row, s.generation, s.ledger.epoch, s.ledger.floor) for row, s in sorted(pending.senders.items())],
            )
        if pending.mailboxes:
            rows.MAILBOXES.run(db, [_mailbox_row(row, box) for row, box in sorted(pending.mailboxes.items())])
        self.pending = Pending()

    def _write_body_refs(self) -> None:
        for body, change in sorted(self.pending.body_refs.items()):
            left = self.db.execute(
                "UPDATE body SET refs = refs + ? WHERE id = ? RETURNING refs", (change, body)
            ).fetchall()
            if left == [(0,)]:
                self.db.execute("DELETE FROM body WHERE id = ?", (body,))

    def _write_fans(self) -> None:
        fans = self.pending.fans
        rows.FANS.run(self.db, [(number, *fan) for number, fan in sorted(fans.items()) if fan[0]])
        for number, fan in fans.items():
            if not fan[0]:
                self.db.execute("DELETE FROM fan WHERE id = ?", (number,))


def _mailbox_row(row: int, mailbox: Mailbox) -> tuple[int, ...]:
    floors, nexts = mailbox.floors, mailbox.nexts
    return (
        row, mailbox.epoch, floors[0], nexts[0], floors[1], nexts[1], floors[2], nexts[2],
        mailbox.messages, mailbox.octets, mailbox.receipts, mailbox.outcomes, mailbox.over, mailbox.refused,
    )  # fmt: skip
