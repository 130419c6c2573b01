"""The store against a model of protocol.md §2, §3 and §7: whatever is sent, acknowledged, lost in a crash or restored.

After every commit the whole database is compared with the model and counted again, so nothing accepted can be lost,
come again or be counted wrong without being seen in that step. The promises that a model could share a mistake about -
no number names two envelopes, what was acknowledged stays away, one outcome a target - are held against a history of
their own. HYPOTHESIS_EXAMPLES sets how many examples are tried.
"""

import copy
import dataclasses
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from relayd.domain.entry import Entry
from relayd.domain.mailbox import Quota
from relayd.domain.seat import Seat
from relayd.store import expiry, logins
from relayd.store.works import Acknowledgement, Submission, Verb, Works
from relayproto.codes import Class, Code, Lane
from relayproto.commands import Ack, Credit, Submit, Target, Wrap
from relayproto.errors import RemoteProtocolError
from relayproto.notices import RolledBack
from relayproto.primitives import x25519_public
from relayproto.replies import NotTaken, Submitted
from support.clocks import HandClock
from support.inline_store import COMMIT, PLACE, Cut, InlineStore, founded, listing
from support.store_checks import compare, everything_is_covered
from support.store_model import Box, Limits, StoreModel
from support.stores import hello_of

TTL_S = {Class.CALL: 60, Class.OTP: 900, Class.CHAT: 5 * 86_400, Class.RECEIPT: 86_400}
WORDS = {Code.GO_BACK: "go back", Code.DISK: "disk"}
NOBODY = bytes(32)
who = st.integers(0, 99)
targets = st.lists(
    st.tuples(st.sampled_from([0, 1, 2] * 5 + [3]), st.sampled_from([""] * 12 + ["less", "more"])),
    min_size=1,
    max_size=3,
)
numbers = st.sampled_from(["new"] * 12 + ["again", "again", "stale", "skip", "old", "far"])
classes = st.sampled_from(list(TTL_S))
flags = st.sampled_from([0, 1, 1, 3])
octets = st.sampled_from([12, 12, 12, 6000])
submissions = st.lists(st.tuples(who, numbers, targets, classes, flags, octets), min_size=1, max_size=6)
kept = st.sampled_from([True, True, True, False])


class StoreMachine(RuleBasedStateMachine):
    @initialize(messages=st.sampled_from([6, 20, 40]))
    def a_store(self, messages):
        files, people = founded()
        self.people = copy.deepcopy(people)
        self.directory = Path(tempfile.mkdtemp(dir=PLACE))
        for name, octets in files.items():
            (self.directory / name).write_bytes(octets)
        quota = Quota(messages=messages, octets=1 << 16, reopen_percent=80)
        self.clock = HandClock()
        self.store = InlineStore(self.directory, self.clock, quota)
        self.model = StoreModel(Limits(messages, 1 << 16))
        self.works = Works([], [], [])
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

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.directory)

    def meet_devices(self):
        """Let the model know devices that are new, and what random numbers all of them were given."""
        found = self.store.db.execute(
            "SELECT d.id, a.account, d.device, m.epoch, l.epoch, l.generation FROM device d"
            " JOIN account a ON a.id = d.account JOIN mailbox m ON m.id = d.id JOIN ledger l ON l.device = d.id"
        ).fetchall()
        for row, account, device, epoch, ledger_epoch, generation in found:
            box = self.model.boxes.setdefault(row, Box(account, device, epoch, ledger_epoch, generation))
            box.epoch, box.ledger_epoch = epoch, ledger_epoch

    def everybody_connects(self):
        for row in sorted(self.model.boxes):
            self.connect(row, self.model.boxes[row].epoch, (0, 0, 0))

    def some(self, pick: int) -> int:
        rows = sorted(self.model.boxes)
        return rows[pick % len(rows)]

    def person(self, row: int):
        return next(one for one in self.people if one.account == self.model.boxes[row].account)

    # What is sent.

    @rule(batch=submissions, now=kept, tight=st.sampled_from([False] * 7 + [True]))
    def devices_submit(self, batch, now, tight=False):
        for pick, kind, to, class_, flags, octets in batch:
            self.submit(self.some(pick), kind, to, class_, flags, octets)
        if now:
            self.commit(tight=tight)

    @rule(pick=who, to=st.integers(0, 2), class_=classes, flags=flags, octets=octets, count=st.integers(1, 12))
    def a_device_writes_much_to_one_account(self, pick, to, class_, flags, octets, count):
        for _ in range(count):
            self.submit(self.some(pick), "new", [(to, "")], class_, flags, octets)
        self.commit()

    @rule(batch=submissions)
    def devices_submit_and_everything_is_acknowledged_but_the_last(self, batch):
        self.devices_submit(batch, True)
        for row, box in self.model.boxes.items():
            for lane in Lane:
                if box.lanes[lane]:
                    ack = Ack(box.epoch, lane, max(box.lanes[lane]) - 1, (), Credit(0, 0), ())
                    self.works.acknowledgements.append(Acknowledgement(self.seats[row], ack))
        self.commit()

    @precondition(lambda self: self.count < 500)
    @rule(pick=who, count=st.integers(200, 300), stored=st.booleans())
    def a_device_submits_so_much_that_the_oldest_is_forgotten(self, pick, count, stored):
        for _ in range(count):
            self.submit(self.some(pick), "new", [(3, "")], Class.CHAT, 1, 12)
        if stored:
            self.submit(self.some(pick), "new", [(0, ""), (1, "")], Class.CHAT, 1, 12)
        self.commit()

    def submit(self, row, kind, to, class_, flags, octets):
        box, seat = self.model.boxes[row], self.seats[row]
        following = box.floor + 1 + sum(work.seat.row == row for work in self.works.submissions)
        if kind == "stale":
            seat = before(seat)
        number = {"new": following, "stale": following, "skip": following + 1, "far": following + 400}.get(kind, 0)
        if kind == "again":
            number = max(1, following - 1 - self.count % 300)
        elif kind == "old":
            number = max(1, box.floor - 256)
        command = self.sent.get((row, number)) or self.command(row, number, to, class_, flags, octets)
        self.sent[row, number] = command
        self.works.submissions.append(Submission(seat, command, command.body, partial(self.settle, len(self.settled))))

    def settle(self, _, settlement):
        self.settled.append(settlement)

    def command(self, row, number, to, class_, flags, octets) -> Submit:
        self.count += 1
        mark = self.count.to_bytes(4)
        made = []
        for position, (pick, wrong) in enumerate(dict(to).items()):
            account = self.people[pick].account if pick < len(self.people) else NOBODY
            devices = [device for device, at in sorted(self.model.roster(account).items()) if at != row] or [1]
            devices = devices[1:] if wrong == "less" else [*devices, 7] if wrong == "more" else devices
            made.append(Target(account, 1, tuple(Wrap(one, mark + bytes([position, one])) for one in devices)))
        ttl_s = TTL_S[class_] // (1, 4, 60)[self.count % 3] if self.count % 29 else 40 * 86_400
        body = mark * (octets // 4) if self.count % 31 else b""
        return Submit(number, 0, class_, ttl_s, flags, b"\x01" + mark * 8, body, None, tuple(made), None)

    # What is acknowledged.

    @rule(
        pick=who,
        lane=st.sampled_from(Lane),
        draw=st.data(),
        other=st.sampled_from([0, 0, 0, 0, 1]),
        stale=st.sampled_from([False] * 5 + [True]),
        now=kept,
    )
    def a_device_acknowledges(self, pick, lane, draw, other, stale, now):
        row = self.some(pick)
        box = self.model.boxes[row]
        top = box.nexts[lane] - 1
        floor = draw.draw(st.integers(max(0, box.floors[lane] - 2), top))
        above = sorted(draw.draw(st.sets(st.integers(floor + 1, top), max_size=6))) if floor < top else []
        ranges = [(first, last) for first, last in zip(above[::2], above[1::2], strict=False)]
        bad = draw.draw(st.sets(st.integers(max(1, top - 12), top), max_size=3)) if top else ()
        ack = Ack(box.epoch + other, lane, floor, tuple(ranges), Credit(0, 0), tuple(sorted(bad)))
        self.works.acknowledgements.append(Acknowledgement(before(self.seats[row]) if stale else self.seats[row], ack))
        if now:
            self.commit()

    # Commits, and what becomes of them.

    @rule()
    def commit(self, tight=False):
        self.commit_with(None, tight=tight)

    @rule(
        batch=submissions, at=st.sampled_from([COMMIT, COMMIT, *range(1, 25)]), dead=st.booleans(), again=st.booleans()
    )
    def a_commit_breaks_off(self, batch, at, dead, again):
        self.devices_submit(batch, now=False)
        self.settled.clear()
        self.store.heard.clear()
        try:
            done = self.store.commit(self.works, fail_at=at, dead=dead)
        except Cut:
            assert not [*self.settled, *self.store.heard], "told, and not committed"
            if dead:
                self.crashed()
            elif not again:
                self.works = Works([], [], [])
        else:
            self.follow(done, None, tight=False)

    @rule()
    def the_relay_crashes(self):
        self.crashed()

    def crashed(self):
        self.works = Works([], [], [])
        self.store.crash()
        assert not self.store.opened.restored
        self.compare()
        self.everything_is_read()
        self.everybody_connects()

    def commit_with(self, verb, *, tight=False):
        """Commit what waits and a verb; return its answer."""
        self.settled.clear()
        self.store.heard.clear()
        self.works.verbs = [] if verb is None else [Verb(verb[0], None)]
        done = self.store.commit(self.works, tight=tight)
        return self.follow(done, verb and verb[1], tight=tight)

    def follow(self, done, verb, *, tight):
        """Let the model do what was committed, and compare."""
        model, now_ms, works = self.model, self.clock.now_ms(), self.works
        self.works = Works([], [], [])
        model.begin()
        for work in works.acknowledgements:
            model.acknowledge(work.seat, work.ack)
        expected = [model.submit(work.seat, work.command, now_ms, tight=tight) for work in works.submissions]
        assert [said(settlement) for settlement in self.settled] == expected
        assert [tuple(one[:4]) for one in done.placed] == [(*one[:3], one[3].expires_ms) for one in model.placed]
        answer = verb() if verb else None
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
        self.remember()
        self.compare()
        return done.answers[0] if done.answers else answer

    def remember(self):
        for row, lane, sequence, item in self.model.placed:
            name = (row, self.model.boxes[row].epoch, lane, sequence) if row in self.model.boxes else None
            if name is not None:
                assert self.named.setdefault(name, item.wrap) == item.wrap, "a number for two envelopes"
        for row, lane, sequence in self.model.acknowledged:
            if row in self.model.boxes:
                self.gone.add((row, self.model.boxes[row].epoch, lane, sequence))

    # Connections, time, devices, copies.

    @rule(
        pick=who,
        draw=st.data(),
        epoch=st.sampled_from(["known", "known", "none", "other"]),
        bad=st.sampled_from([0] * 9 + [1]),
    )
    def a_device_connects_again(self, pick, draw, epoch, bad):
        row = self.some(pick)
        box = self.model.boxes[row]
        floors = [
            draw.draw(st.integers(max(0, floor - 1), next_ - 1))
            for floor, next_ in zip(box.floors, box.nexts, strict=True)
        ]
        floors[pick % 3] += 1000 * bad
        self.connect(row, {"known": box.epoch, "none": 0, "other": box.epoch + 1}[epoch], tuple(floors))

    def connect(self, row, epoch, floors):
        model, box, person = self.model, self.model.boxes[row], self.person(row)
        hello = hello_of(person, box.device, epoch=epoch, floors=floors)
        verb = partial(logins.login, hello=hello, static_key=x25519_public(person.keys[box.device][0]))
        behind: list = []
        answer = self.commit_with((verb, lambda: behind.append(model.login(row, epoch, floors))))
        if behind == [None]:
            assert isinstance(answer, RemoteProtocolError)
            return
        self.seats[row] = answer.seat
        assert answer.seat.generation == box.generation
        assert {one.lane for one in answer.notices if isinstance(one, RolledBack)} == behind[0]
        welcome = answer.welcome
        assert (welcome.epoch, welcome.ledger_epoch, welcome.ledger_floor) == (box.epoch, box.ledger_epoch, box.floor)
        assert [tuple(lane) for lane in welcome.lanes] == list(zip(box.floors, box.nexts, strict=True))

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 900, 86_400, 3 * 86_400, 8 * 86_400]), swept=st.booleans())
    def time_goes_by(self, seconds, swept):
        self.clock.advance(seconds)
        if swept:
            self.what_is_over_goes()
        self.everything_is_read()

    @rule()
    def what_is_over_goes(self):
        opened = self.store.opened
        swept: list = []
        sweep = partial(expiry.sweep, keys=opened.keys, mark=opened.mark)
        assert self.commit_with((sweep, lambda: swept.append(self.model.sweep(self.clock.now_ms())))) == swept[0]

    @rule(pick=st.integers(0, 1))
    def a_device_is_removed_or_added(self, pick):
        self.commit()
        person = self.people[pick]
        roster = self.model.roster(person.account)
        devices = [1] if len(roster) > 1 else [1, person.devices.highest_device + 1]
        verb = listing(person, self.seats[roster[1]], *devices)

        def removed():
            for device, row in roster.items():
                if device not in devices:
                    self.model.remove(row)
            self.meet_devices()

        changed = self.commit_with((verb, removed))
        assert changed.removed == tuple(row for device, row in roster.items() if device not in devices)
        for row in self.model.boxes.keys() - self.seats.keys():
            self.connect(row, 0, (0, 0, 0))
        for row in self.seats.keys() - self.model.boxes.keys():
            del self.seats[row]

    @precondition(lambda self: len(self.copies) < 2)
    @rule()
    def a_copy_is_made(self):
        self.copies.append((self.store.copy(), copy.deepcopy((self.model, self.people))))

    @precondition(lambda self: self.copies)
    @rule()
    def an_older_copy_is_put_in_place(self):
        self.clock.advance(1)
        self.commit()
        octets, kept_then = self.copies.pop()
        epochs = {row: (box.epoch, box.ledger_epoch) for row, box in self.model.boxes.items()}
        self.store.restore(octets)
        assert self.store.opened.restored
        self.model, self.people = copy.deepcopy(kept_then)
        self.model.restored()
        self.meet_devices()
        for row, box in self.model.boxes.items():
            assert not {box.epoch, box.ledger_epoch} & set(epochs.get(row, ())), "an epoch of before"
        self.sent.clear()
        self.seats.clear()
        self.compare()
        self.everything_is_read()
        self.everybody_connects()

    # What is read, and what is there.

    @rule(
        pick=who,
        lane=st.sampled_from(Lane),
        after=st.integers(0, 30),
        messages=st.integers(1, 30),
        octets=st.sampled_from([1, 7000, 1 << 20]),
    )
    def a_page_is_read(self, pick, lane, after, messages, octets):
        self.read(self.some(pick), lane, after, messages, octets)

    def everything_is_read(self):
        for row in self.model.boxes:
            for lane in Lane:
                self.read(row, lane, 0, 1000, 1 << 30)

    def read(self, row, lane, after, messages, octets):
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

    def compare(self):
        compare(self.store.db, self.model, self.store.counters)


def before(seat: Seat) -> Seat:
    """Return the connection that this one took over from."""
    return dataclasses.replace(seat, generation=seat.generation - 1)


def said(settlement):
    if isinstance(settlement, Submitted):
        return settlement.codes
    if isinstance(settlement, NotTaken):
        return WORDS[settlement.code]
    return "too far" if isinstance(settlement, RemoteProtocolError) else settlement


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "300")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
