"""What must hold, looked at from outside of the relay's own reckoning: spec 50 §8, after every commit and every frame.

Commits, frames that leave the relay, and what devices said and were told enter; Broken leaves where they do not fit
together. The rules of this file: it believes the rows of the database and what devices saw, never the relay's memory;
and each check names its invariant.
"""

import functools
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from relayd.domain.answers import Login
from relayd.store.commit import Done
from relayd.store.works import Works
from relayproto.codes import Code, Lane
from relayproto.commands import Ack, Hello, Submit
from relayproto.e2e import session
from relayproto.e2e.wrap import UNSEALED
from relayproto.notices import Deliver, Gap, Outcome
from relayproto.replies import Submitted

Place = tuple[int, int, Lane]
"""A mailbox, its epoch and one of its lanes."""
Sender = tuple[bytes, int]
"""An account and one of its devices."""

_MAILBOXES = (
    "SELECT id, epoch, floor_normal, floor_urgent, floor_outcome, next_normal, next_urgent, next_outcome FROM mailbox"
)


class Broken(AssertionError):  # noqa: N818 - what has happened, not whose mistake it is
    """Something that must hold does not."""


def expect(holds: object, invariant: int | str, what: str) -> None:
    if not holds:
        raise Broken(f"invariant {invariant}: {what}" if isinstance(invariant, int) else f"{invariant}: {what}")


@dataclass
class Box:
    """One mailbox, as the last commit left it."""

    epoch: int
    floors: tuple[int, ...]
    nexts: tuple[int, ...]


@dataclass
class Said:
    """What a device has of one lane of one epoch: what it may acknowledge, and what it has acknowledged."""

    heard: set[int] = field(default_factory=set)
    explained: int = 0
    """All up to here is explained, in whichever way."""
    floor: int = 0
    above: set[int] = field(default_factory=set)

    def covers(self, sequence: int) -> bool:
        return sequence <= self.floor or sequence in self.above


class Truth:
    """What is known for certain of one relay's store."""

    def __init__(self, quota_messages: int) -> None:
        self.quota_messages = quota_messages
        self.rows: dict[tuple[int, int], tuple[int, int]] = {}
        """(lane's name, sequence) -> expiry, class."""
        self.boxes: dict[int, Box] = {}
        self.devices: dict[int, Sender] = {}
        self.ledgers: dict[int, int] = {}
        self.given: dict[tuple[Place, int], bytes] = {}
        """What a number names: an envelope's commitment, or an outcome's submission and position."""
        self.placed: set[tuple[Sender, int, int, int]] = set()
        """(sender, ledger epoch, submission, mailbox): there is one envelope of each."""
        self.stored: dict[tuple[Sender, int, int], set[Sender]] = defaultdict(set)
        """(sender, ledger epoch, submission) -> devices that got it."""
        self.said: dict[Place, Said] = defaultdict(Said)
        self.blocks: set[tuple[bytes, bytes]] = set()
        """(account, whom it blocks): its device has been told that the relay does."""
        self.removed: set[int] = set()
        """Mailboxes of devices whose removal was told to who asked for it."""
        self.returned: set[Sender] = set()
        """Devices that had been removed and came back with an older copy: in the end they are out again."""
        self.committed: set[int] = set()
        self.sealed: dict[bytes, bytes] = {}
        """Ratchet key and number -> the only message that may ever have them."""
        self.figures: Counter[str] = Counter()

    # --- the store ---

    def begin(self, db: sqlite3.Connection) -> None:
        """Take what is there for given: a relay that was just founded, or restored from a copy."""
        self.rows, self.boxes, self.devices, self.ledgers = _look(db)

    def restored(self) -> None:
        """Take what came back with an older copy for given, until devices have told the relay again."""
        self.blocks.clear()
        self.returned |= {self.devices[row] for row in self.removed if row in self.devices}
        self.removed.clear()

    def opened(self, db: sqlite3.Connection) -> None:
        """Compare what a start has found with what the last commit left (invariant 18)."""
        rows, boxes, _, ledgers = _look(db)
        expect(rows == self.rows, 18, f"{len(self.rows)} rows were committed, {len(rows)} are there after a crash")
        expect(boxes == self.boxes, 18, "floors and next numbers are not what was committed")
        expect(ledgers == self.ledgers, 18, "epochs of ledgers are not what was committed")

    def commit(self, db: sqlite3.Connection, works: Works, done: Done, now_ms: int) -> None:
        """Look at what a commit has done."""
        before, boxes_before, devices_before, ledgers_before = self.rows, self.boxes, self.devices, self.ledgers
        self.rows, self.boxes, self.devices, self.ledgers = _look(db)
        self.committed.add(id(done))
        self.figures["commits"] += 1
        for answer in done.answers:
            if isinstance(answer, Login):
                expect(answer.seat.row not in self.removed, "removed", "a device that was removed is let in")
                self.figures["logins"] += 1
        self._numbers(boxes_before, done)
        self._new(before, done)
        gone = before.keys() - self.rows.keys()
        if gone:
            self._gone(before, gone, boxes_before, now_ms)
        self._envelopes(done, devices_before, ledgers_before)
        self._counts()

    def told(self, done: Done) -> None:
        """Somebody is woken or answered now (invariant 3)."""
        expect(id(done) in self.committed, 3, "told before its commit")
        self.committed.discard(id(done))

    def _numbers(self, before: dict[int, Box], done: Done) -> None:
        for row, box in self.boxes.items():
            old = before.get(row)
            if old is not None:
                expect(old.epoch == box.epoch, 13, f"mailbox {row} has another epoch without a restore")
                expect(all(a <= b for a, b in zip(old.floors, box.floors, strict=True)), 4, f"floor of {row} went back")
                expect(all(a <= b for a, b in zip(old.nexts, box.nexts, strict=True)), 2, f"next of {row} went back")
        following = {(row, lane): number for row, box in before.items() for lane, number in enumerate(box.nexts)}
        named = [
            (each.mailbox, one.lane, each.sequence, one.work.command.commitment)
            for one in done.accepted
            for each in one.placements
        ]
        named += [
            (each.mailbox, Lane.OUTCOME, each.outcome.sequence,
             f"{each.outcome.submission} {each.outcome.position} {each.outcome.result}".encode())
            for each in done.told
        ]  # fmt: skip
        for mailbox, lane, sequence, names in named:
            expected = following.get((mailbox, lane), 1)
            expect(sequence == expected, 7, f"{sequence} was given in lane {lane} of {mailbox} and not {expected}")
            following[mailbox, lane] = sequence + 1
            if mailbox in self.boxes:
                place = (mailbox, self.boxes[mailbox].epoch, lane)
                expect((place, sequence) not in self.given, 2, f"{sequence} of {place} was given twice")
                self.given[place, sequence] = names

    def _new(self, before: dict[tuple[int, int], tuple[int, int]], done: Done) -> None:
        new = self.rows.keys() - before.keys()
        named = {(each.mailbox * 4 + one.lane, each.sequence) for one in done.accepted for each in one.placements}
        named |= {(each.mailbox * 4 + Lane.OUTCOME, each.outcome.sequence) for each in done.told}
        expect(new <= named, 1, f"rows from nowhere: {sorted(new - named)[:3]}")
        missing = {each for each in named - new if each[0] >> 2 in self.boxes}
        expect(not missing, 1, f"stored by a commit and not there: {sorted(missing)[:3]}")

    def _gone(self, before, gone: Iterable[tuple[int, int]], boxes: dict[int, Box], now_ms: int) -> None:
        for name, sequence in gone:
            row, lane = name >> 2, Lane(name & 3)
            if row not in self.boxes or before[name, sequence][0] <= now_ms:
                self.figures["purged" if row not in self.boxes else "expired"] += 1
                continue
            said = self.said[row, boxes[row].epoch, lane]
            whose = f"{sequence} of lane {lane} of {self.devices.get(row)}"
            expect(said.covers(sequence), 1, f"{whose} is gone, and nobody has acknowledged it")
            self.figures["acknowledged"] += 1

    def _envelopes(self, done: Done, devices_before: dict[int, Sender], ledgers: dict[int, int]) -> None:
        # Submissions stand before verbs in a commit: it is what was there before that counts.
        submitted = set()
        for work, each in [(one.work, each) for one in done.accepted for each in one.placements]:
            seat, command = work.seat, work.command
            sender, epoch = (seat.account, seat.device), ledgers[seat.row]
            submitted.add((sender, epoch, command.submission))
            key = (sender, epoch, command.submission, each.mailbox)
            expect(key not in self.placed, 6, f"submission {command.submission} of {sender[1]} made two envelopes")
            self.placed.add(key)
            to = devices_before[each.mailbox]
            self.stored[sender, epoch, command.submission].add(to)
            expect((to[0], seat.account) not in self.blocks, "blocked", "an account that is blocked has got through")
            self.figures["envelopes"] += 1
        for sender, epoch, number in submitted:
            got = self.stored[sender, epoch, number]
            for account in {each[0] for each in got}:
                every = {each for each in devices_before.values() if each[0] == account and each != sender}
                expect(every <= got, 14, f"{len(every - got)} devices of a target did not get what others got")

    def _counts(self) -> None:
        counted = Counter(name >> 2 for (name, _), (_, class_) in self.rows.items() if class_)
        for row, count in counted.items():
            expect(count <= self.quota_messages, "quota", f"{count} envelopes wait in mailbox {row}")

    # --- what leaves the relay ---

    def sent(self, row: int, epoch: int, cursors: dict[Lane, int], message: object, now_ms: int) -> None:
        """Look at a frame that is written to the device of a mailbox now; ``cursors`` are this connection's."""
        if not isinstance(message, Deliver | Outcome):
            return
        lane = message.lane if isinstance(message, Deliver) else Lane.OUTCOME
        sequence = message.sequence
        place = (row, epoch, lane)
        expect(row not in self.removed, "removed", "a device that was removed is sent something")
        expect(sequence > cursors.get(lane, 0), 7, f"{sequence} after {cursors.get(lane, 0)} in lane {lane}")
        cursors[lane] = sequence
        box = self.boxes.get(row)
        if box is not None and box.epoch == epoch:
            expect(sequence < box.nexts[lane], 3, f"{sequence} of {place} is sent before its commit")
            expect(sequence > box.floors[lane], 4, f"{sequence} of {place} is sent after its acknowledgement")
        if isinstance(message, Deliver):
            expect(message.expires_ms > now_ms, 12, f"{sequence} of {place} is sent after its expiry")
            names = self.given.get((place, sequence))
            expect(names in (None, message.commitment), 2, f"{sequence} of {place} is another envelope now")
            self.figures["deliveries"] += 1
        else:
            self.figures["outcomes sent"] += 1

    # --- what devices see and say ---

    def row_of(self, sender: Sender) -> int:
        return next((row for row, who in self.devices.items() if who == sender), 0)

    def heard(self, row: int, epoch: int, notice: Deliver | Outcome | Gap) -> None:
        """A device takes something in."""
        lane = Lane.OUTCOME if isinstance(notice, Outcome) else notice.lane
        said = self.said[row, epoch, lane]
        if isinstance(notice, Gap):
            said.heard.update(range(notice.first, notice.last + 1))
        else:
            said.heard.add(notice.sequence)

    def rolled_back(self, row: int, epoch: int, lane: Lane, floor: int) -> None:
        """The relay has told a device that all up to a floor was acknowledged before."""
        self.said[row, epoch, lane].explained = max(self.said[row, epoch, lane].explained, floor)

    def acknowledges(self, row: int, ack: Ack) -> None:
        """A device acknowledges; it may only what it has heard (invariants 1 and 8)."""
        said = self.said[row, ack.epoch, ack.lane]
        above = [number for first, last in ack.ranges for number in range(first, last + 1)]
        above += ack.undecryptable
        below = range(max(said.floor, said.explained) + 1, ack.floor + 1)
        unheard = [number for number in (*below, *above) if number not in said.heard]
        expect(not unheard, 8, f"a device acknowledges {unheard[:3]} of lane {ack.lane} and has not heard them")
        said.floor = max(said.floor, ack.floor)
        said.above.update(above)

    def greets(self, row: int, hello: Hello) -> None:
        """A device says HELLO."""
        for lane, floor in zip(Lane, hello.floors, strict=True):
            if hello.epoch:
                said = self.said[row, hello.epoch, lane]
                unheard = [n for n in range(max(said.floor, said.explained) + 1, floor + 1) if n not in said.heard]
                expect(not unheard, 8, f"a HELLO acknowledges {unheard[:3]} of lane {lane}, which nobody has heard")
                said.floor = max(said.floor, floor)

    def submits(self, submit: Submit) -> None:
        """A device says something to others: no key of any chain seals twice, whatever was put back (spec 60 §3)."""
        for target in submit.targets:
            for wrap in target.wraps:
                if wrap.sealed == UNSEALED:
                    continue
                message = session._parts(wrap.sealed)[1]
                place = message[1:33] + message[37:41]
                sealed = self.sealed.setdefault(place, message)
                expect(sealed == message, "key", f"device {wrap.device} is sent two texts under one key of a chain")

    def answered(self, sender: Sender, epoch: int, reply: Submitted, command: Submit) -> int:
        """A device is told what became of a submission (invariant 20); return how many targets were stored."""
        stored = 0
        got = self.stored.get((sender, epoch, command.submission), set())
        for code, target in zip(reply.codes, command.targets, strict=True):
            if code == Code.STORED:
                missing = {(target.account, wrap.device) for wrap in target.wraps} - got
                expect(not missing, 20, f"told STORED of submission {command.submission}, and it was not")
                stored += 1
            elif reply.codes:
                self.figures[f"refused, {Code(code).name.lower()}"] += 1
        return stored


def _look(db: sqlite3.Connection):
    """Read what the store holds now."""
    run = functools.partial(sqlite3.Connection.execute, db)
    rows = {
        (lane, sequence): (expires_ms, class_)
        for lane, sequence, expires_ms, class_ in run("SELECT lane, sequence, expires_ms, class FROM envelope")
    }
    boxes = {row[0]: Box(row[1], row[2:5], row[5:8]) for row in run(_MAILBOXES)}
    devices = {
        row: (account, device)
        for row, account, device in run(
            "SELECT device.id, account.account, device FROM device JOIN account ON account.id = device.account"
        )
    }
    return rows, boxes, devices, dict(run("SELECT device, epoch FROM ledger"))
