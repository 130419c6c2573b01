"""What a store goes through and what has to hold after every step, without any choice of what comes next.

``model_machines`` chooses. After every commit the whole database is compared with the model of ``store_model`` and
counted again. The promises that a model could share a mistake about - no number names two envelopes, what was
acknowledged stays away, one outcome a target - are held against a history of their own.
"""

import dataclasses
import pickle
import shutil
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from relayd.domain.entry import Entry
from relayd.domain.lifetimes import day
from relayd.domain.mailbox import Quota
from relayd.domain.seat import Seat
from relayd.store import blocks, expiry, logins
from relayd.store.works import Acknowledgement, Submission, Verb, Works
from relayproto.codes import Class, Code, Lane
from relayproto.commands import Ack, Credit, Submit, Target, Wrap
from relayproto.errors import RemoteProtocolError
from relayproto.notices import Overflow, RolledBack, Writable
from relayproto.primitives import x25519_public
from relayproto.replies import NotTaken, Submitted
from support.clocks import HandClock
from support.inline_store import PLACE, Cut, InlineStore, founded, listing
from support.store_checks import compare, everything_is_covered
from support.store_model import Box, Limits, StoreModel
from support.stores import hello_of

TTL_S = {Class.CALL: 60, Class.OTP: 900, Class.CHAT: 5 * 86_400, Class.RECEIPT: 86_400}
OCTETS = 1 << 16
_WORDS = {Code.GO_BACK: "go back", Code.DISK: "disk"}
_NOBODY = bytes(32)
_NO_CREDIT = Credit(0, 0)


class History:
    """One store, its model, and what everybody was ever told. ``figures`` counts, over all lives."""

    def __init__(self, households: tuple[tuple[str, int], ...], messages: int, figures: Counter[str]) -> None:
        files, people = founded(*households)
        self.figures = figures
        self.people = pickle.loads(pickle.dumps(people))
        self.directory = Path(tempfile.mkdtemp(prefix="relayd-model-", dir=PLACE))
        for name, octets in files.items():
            (self.directory / name).write_bytes(octets)
        self.clock = HandClock()
        self.store = InlineStore(self.directory, self.clock, Quota(messages=messages, octets=OCTETS, reopen_percent=80))
        domains = {
            one.account: address.partition("@")[2]
            for one, (address, _) in zip(people, households, strict=True)
        }  # fmt: skip
        self.model = StoreModel(Limits(messages, OCTETS), domains)
        self.works = Works([], [], [])
        self.waiting: Counter[int] = Counter()
        self.settled: list = []
        self.seats: dict[int, Seat] = {}
        self.sent: dict[tuple[int, int], Submit] = {}
        self.copies: list = []
        self.count = 0
        self.named: dict = {}
        """(mailbox, epoch, lane, sequence) -> whose envelope that is, for ever."""
        self.gone: set = set()
        """What was acknowledged, likewise."""
        self.told: set = set()
        """(mailbox, ledger's epoch, submission, position) that had its outcome."""
        self.meet_devices()
        self.everybody_connects()

    def close(self) -> None:
        self.store.lose()
        shutil.rmtree(self.directory)

    def meet_devices(self) -> None:
        """Let the model know devices that are new, and what random numbers all of them were given."""
        found = self.store.db.execute(
            "SELECT d.id, a.account, d.device, m.epoch, l.epoch, l.generation FROM device d"
            " JOIN account a ON a.id = d.account JOIN mailbox m ON m.id = d.id JOIN ledger l ON l.device = d.id"
        ).fetchall()
        for row, account, device, epoch, ledger_epoch, generation in found:
            box = self.model.boxes.setdefault(row, Box(account, device, epoch, ledger_epoch, generation))
            box.epoch, box.ledger_epoch = epoch, ledger_epoch

    def some(self, pick: int) -> int:
        rows = sorted(self.model.boxes)
        return rows[pick % len(rows)]

    def person(self, row: int):
        return next(one for one in self.people if one.account == self.model.boxes[row].account)

    # What is sent and acknowledged, with the next commit.

    def submit(self, row, kind, to, class_, flags, octets) -> None:
        box, seat = self.model.boxes[row], self.seats[row]
        following = box.floor + 1 + self.waiting[row]
        if kind == "stale":
            seat = _before(seat)
        number = {"new": following, "stale": following, "skip": following + 1, "far": following + 400}.get(kind, 0)
        if kind == "again":
            number = max(1, following - 1 - self.count % 300)
        elif kind == "old":
            number = max(1, box.floor - 256)
        command = self.sent.get((row, number)) or self.command(row, number, to, class_, flags, octets)
        self.sent[row, number] = command
        self.waiting[row] += 1
        self.works.submissions.append(Submission(seat, command, command.body, self.settled.append))

    def command(self, row, number, to, class_, flags, octets) -> Submit:
        self.count += 1
        mark = self.count.to_bytes(4)
        made = []
        for position, (pick, wrong) in enumerate(dict(to).items()):
            account = self.people[pick].account if pick < len(self.people) else _NOBODY
            devices = [device for device, at in sorted(self.model.party(account).items()) if at != row] or [1]
            devices = devices[1:] if wrong == "less" else [*devices, 7] if wrong == "more" else devices
            made.append(Target(account, 1, tuple(Wrap(one, mark + bytes([position, one])) for one in devices)))
        ttl_s = TTL_S[class_] // (1, 4, 60)[self.count % 3] if self.count % 29 else 40 * 86_400
        body = mark * (octets // 4) if self.count % 31 else b""
        return Submit(number, 0, class_, ttl_s, flags, b"\x01" + mark * 8, body, None, tuple(made), None)

    def acknowledge(self, row, lane, floor, ranges=(), bad=(), *, epoch=None, stale=False) -> None:
        seat, box = self.seats[row], self.model.boxes[row]
        ack = Ack(box.epoch if epoch is None else epoch, lane, floor, tuple(ranges), _NO_CREDIT, tuple(bad))
        self.works.acknowledgements.append(Acknowledgement(_before(seat) if stale else seat, ack))

    # Commits, and what becomes of them.

    def commit(self, *verbs, tight=False) -> list:
        """Commit what waits and some (verb, what the model does); return the verbs' answers."""
        self._hush()
        self.works.verbs = [Verb(verb, None) for verb, _ in verbs]
        done = self.store.commit(self.works, tight=tight)
        self._follow(done, [behind for _, behind in verbs], tight=tight)
        return done.answers

    def break_off(self, at: int, *verbs, dead: bool, again: bool) -> bool:
        """Commit with a failure at a statement; return whether it came to that.

        With ``dead`` the process is gone with it, with ``again`` what was in the commit is in the next one.
        """
        self._hush()
        self.works.verbs = [Verb(verb, None) for verb, _ in verbs]
        try:
            done = self.store.commit(self.works, fail_at=at, dead=dead)
        except Cut:
            assert not [*self.settled, *self.store.heard, *self.store.said], "told, and not committed"
            self.works.verbs = []
            self.figures["commits broken off"] += 1
            self.model.unsure = True
            if dead:
                self.crash()
            elif not again:
                self._nothing_waits()
            return True
        self._follow(done, [behind for _, behind in verbs], tight=False)
        return False

    def _hush(self) -> None:
        self.settled.clear()
        self.store.heard.clear()
        self.store.said.clear()

    def _nothing_waits(self) -> None:
        self.works = Works([], [], [])
        self.waiting.clear()

    def _follow(self, done, verbs, *, tight) -> None:
        """Let the model do what was committed, and compare."""
        model, now_ms, works = self.model, self.clock.now_ms(), self.works
        self._nothing_waits()
        model.begin()
        for work in works.acknowledgements:
            model.acknowledge(work.seat, work.ack)
        expected = [model.submit(work.seat, work.command, now_ms, tight=tight) for work in works.submissions]
        answers = [_said(settlement) for settlement in self.settled]
        assert answers == expected
        assert _placed(done) == [(*one[:3], one[3].expires_ms) for one in model.placed]
        for verb in verbs:
            verb()
        for mailbox, expires_ms, outcome in done.told:
            if mailbox not in model.boxes:
                continue
            became = (outcome.submission, outcome.position, outcome.result)
            asked = (mailbox, model.boxes[mailbox].ledger_epoch, *became[:2])
            assert asked not in self.told, "an outcome told twice"
            self.told.add(asked)
            assert expires_ms == now_ms + 7 * 86_400_000
            assert model.tell(mailbox, became, now_ms) == outcome.sequence
        assert not +model.outcomes, "an outcome that was not told"
        explained = [(box, gap.lane, n) for box, gap in done.gaps for n in range(gap.first, gap.last + 1)]
        assert sorted(explained) == sorted(model.gaps)
        self._what_was_heard(done)
        self._remember()
        self._count(works, answers)
        self.compare()

    def _what_was_heard(self, done) -> None:
        """Everything that was put in is woken for once, and whoever is full or waits for room hears of it."""
        put_in = [one[:3] for one in _placed(done)] + [
            (one.mailbox, Lane.OUTCOME, one.outcome.sequence) for one in done.told
        ]
        assert [(one.mailbox, one.lane, one.sequence) for one in self.store.heard] == put_in
        said = self.store.said
        assert {row: one.refused for row, one in said if isinstance(one, Overflow)} == self.model.overflows
        self.model.told_writable(Counter((row, one.account) for row, one in said if isinstance(one, Writable)))

    def _remember(self) -> None:
        for row, lane, sequence, item in self.model.placed:
            if row in self.model.boxes:
                name = (row, self.model.boxes[row].epoch, lane, sequence)
                assert self.named.setdefault(name, item.wrap) == item.wrap, "a number for two envelopes"
        for row, lane, sequence in self.model.acknowledged:
            if row in self.model.boxes:
                self.gone.add((row, self.model.boxes[row].epoch, lane, sequence))

    def _count(self, works, answers) -> None:
        figures = self.figures
        figures["commits"] += 1
        figures["submissions"] += len(works.submissions)
        figures["accepted"] += len(self.model.placed)
        figures["acknowledged"] += len(self.model.acknowledged)
        figures["expired"] += len(self.model.gaps)
        figures["not taken"] += sum(isinstance(answer, str) for answer in answers)
        figures["refused"] += sum(isinstance(answer, tuple) and any(answer) for answer in answers)
        figures["told of room"] += self.model.writable.total()

    def crash(self) -> None:
        self.figures["crashes"] += 1
        self._nothing_waits()
        self.store.crash()
        assert not self.store.opened.restored
        self.model.restarted()
        self.compare()
        self.read_everything()
        self.everybody_connects()

    # Connections, time, devices, copies.

    def everybody_connects(self) -> None:
        self.connect(*[(row, box.epoch, (0, 0, 0)) for row, box in sorted(self.model.boxes.items())])

    def connect(self, *who) -> None:
        """Let devices log in, each with the epoch and the floors that it knows, in one commit."""
        behind: list = []
        verbs = []
        for row, epoch, floors in who:
            box, person = self.model.boxes[row], self.person(row)
            hello = hello_of(person, box.device, epoch=epoch, floors=floors)
            verb = partial(logins.login, hello=hello, static_key=x25519_public(person.keys[box.device][0]))
            verbs.append(
                (verb, lambda row=row, epoch=epoch, floors=floors: behind.append(self.model.login(row, epoch, floors)))
            )
        answers = self.commit(*verbs)
        for (row, _, _), lanes, answer in zip(who, behind, answers, strict=True):
            self._greeted(row, lanes, answer)

    def _greeted(self, row, lanes, answer) -> None:
        box = self.model.boxes[row]
        if lanes is None:
            assert isinstance(answer, RemoteProtocolError)
            return
        self.seats[row] = answer.seat
        assert answer.seat.generation == box.generation
        assert {one.lane for one in answer.notices if isinstance(one, RolledBack)} == lanes
        assert [one.refused for one in answer.notices if isinstance(one, Overflow)] == [box.refused] * bool(box.refused)
        welcome = answer.welcome
        assert (welcome.epoch, welcome.ledger_epoch, welcome.ledger_floor) == (box.epoch, box.ledger_epoch, box.floor)
        assert [lane.fields() for lane in welcome.lanes] == list(zip(box.floors, box.nexts, strict=True))

    def sweeping(self):
        """Return the verb that lets go what is over, and what the model does."""
        opened = self.store.opened
        return partial(expiry.sweep, keys=opened.keys, mark=opened.mark), lambda: self.model.sweep(self.clock.now_ms())

    def blocking(self, row: int, pick: int, *, blocked: bool):
        """Return the verb by which a device blocks an account, or no longer, and what the model does."""
        own = self.model.boxes[row].account
        other = self.people[pick].account if pick < len(self.people) else _NOBODY
        act = self.model.blocks.add if blocked else self.model.blocks.discard
        verb = partial(blocks.block, seat=self.seats[row], account=other, blocked=blocked)
        return verb, lambda: other == own or act((own, other))

    def replacing(self, pick: int):
        """Return the verb that removes all devices of a person but the first, or adds one, and what the model does."""
        person = self.people[pick]
        party = self.model.party(person.account)
        devices = [1] if len(party) > 1 else [1, person.devices.highest_device + 1]
        verb = listing(person, self.seats[party[1]], *devices)

        def replaced():
            for device, row in party.items():
                if device not in devices:
                    self.model.remove(row)
                    self.figures["devices removed"] += 1
            self.meet_devices()

        return verb, replaced

    def meet_and_part(self) -> None:
        """Connect the devices that are new, forget those that are gone."""
        for row in self.seats.keys() - self.model.boxes.keys():
            del self.seats[row]
        fresh = self.model.boxes.keys() - self.seats.keys()
        if fresh:
            self.connect(*[(row, 0, (0, 0, 0)) for row in sorted(fresh)])

    def copy(self) -> None:
        self.copies.append((self.store.copy(), pickle.dumps((self.model, self.people))))

    def restore(self) -> None:
        """Put the newest copy in place: it goes on under epochs that nobody has seen."""
        self.figures["restores"] += 1
        self.clock.advance(1)
        self.commit()
        octets, kept_then = self.copies.pop()
        epochs = {row: (box.epoch, box.ledger_epoch) for row, box in self.model.boxes.items()}
        self.store.restore(octets)
        assert self.store.opened.restored
        self.model, self.people = pickle.loads(kept_then)
        self.model.restored()
        self._forget_senders()
        self.meet_devices()
        for row, box in self.model.boxes.items():
            assert not {box.epoch, box.ledger_epoch} & set(epochs.get(row, ())), "an epoch of before"
        self.sent.clear()
        self.seats.clear()
        self.compare()
        self.read_everything()
        self.everybody_connects()

    def _forget_senders(self) -> None:
        """A copy has rows whose day's key is gone meanwhile: nobody can say any more who sent them."""
        days, now_ms = self.store.opened.keys.days, self.clock.now_ms()
        for box in self.model.boxes.values():
            for item in box.envelopes():
                if day(item.expires_ms) not in days:
                    assert item.expires_ms <= now_ms, "a key that is still needed is gone"
                    item.account = _NOBODY

    # What is read, and what is there.

    def read_everything(self) -> None:
        for row in self.model.boxes:
            for lane in Lane:
                self.read(row, lane, 0, 1000, 1 << 30)

    def read(self, row, lane, after, messages, octets) -> None:
        box, now_ms = self.model.boxes[row], self.clock.now_ms()
        page = self.store.page(row, lane, after, messages, octets)
        entries = [item for item in page.items if isinstance(item, Entry)]
        live = [n for n in sorted(box.lanes[lane]) if n > after and box.lanes[lane][n].expires_ms > now_ms]
        assert [entry.sequence for entry in entries] == live[: len(entries)]
        assert page.more == (len(entries) < len(live))
        assert entries or not live
        assert len(entries) <= messages
        assert len(entries) < 2 or sum(entry.cost for entry in entries) <= octets
        for entry in entries:
            item = box.lanes[lane][entry.sequence]
            assert entry.expires_ms == item.expires_ms > now_ms
            assert (row, box.epoch, lane, entry.sequence) not in self.gone, "acknowledged, and here again"
            notice = entry.notice
            if lane is Lane.OUTCOME:
                assert (notice.submission, notice.position, notice.result) == item.outcome
            else:
                assert (notice.wrap, notice.body, notice.commitment) == (item.wrap, item.body, item.commitment)
        end = entries[-1].sequence if page.more else box.nexts[lane] - 1
        everything_is_covered(page, box, lane, range(after + 1, end + 1), {one.sequence for one in entries})

    def everything_is_taken(self) -> None:
        """Acknowledge all that is left, lane by lane: nothing may stay behind, no body, no count."""
        self._nothing_waits()
        self.read_everything()
        for lane in Lane:
            for row, box in self.model.boxes.items():
                self.acknowledge(row, lane, box.nexts[lane] - 1)
            self.commit()
        left = [
            self.store.db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("envelope", "body", "fan")
        ]
        assert left == [0, 0, 0]

    def compare(self) -> None:
        compare(self.store.db, self.model, self.store.counters)


def _before(seat: Seat) -> Seat:
    """Return the connection that this one took over from."""
    return dataclasses.replace(seat, generation=seat.generation - 1)


def _placed(done):
    """Return (mailbox, lane, sequence, expires_ms) of every envelope that was put in."""
    return [(each.mailbox, one.lane, each.sequence, one.expires_ms) for one in done.accepted for each in one.placements]


def _said(settlement):
    if isinstance(settlement, Submitted):
        return settlement.codes
    if isinstance(settlement, NotTaken):
        return _WORDS[settlement.code]
    return "too far" if isinstance(settlement, RemoteProtocolError) else settlement
