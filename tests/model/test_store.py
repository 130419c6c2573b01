"""The store against a model of protocol.md §2, §3 and §7: whatever is sent, acknowledged, lost in a crash or restored.

After every commit the whole database is compared with the model and counted again, so nothing accepted can be lost,
come again or be counted wrong without being seen in that step. The promises that a model could share a mistake about -
no number names two envelopes, what was acknowledged stays away, one outcome a target - are held against a history of
their own. HYPOTHESIS_EXAMPLES sets how many examples are tried.
"""

import copy
import functools
import os
import shutil
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from relayd.domain.entry import Entry
from relayd.domain.mailbox import Quota
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import accounts, expiry, logins
from relayd.store.works import Acknowledgement, Submission, Verb, Works
from relayproto import identity
from relayproto.codes import Class, Code, GapReason, Lane, PrekeyKind
from relayproto.commands import Ack, Credit, Enrol, Submit, Target, Wrap
from relayproto.errors import RemoteProtocolError
from relayproto.notices import RolledBack
from relayproto.primitives import x25519_public
from relayproto.replies import NotTaken, Submitted
from support.clocks import HandClock
from support.inline_store import PLACE, Cut, InlineStore
from support.store_model import Box, Limits, StoreModel
from support.stores import guest, hello_of

TTL_S = {Class.CALL: 60, Class.OTP: 900, Class.CHAT: 5 * 86_400, Class.RECEIPT: 86_400}
WORDS = {Code.GO_BACK: "go back", Code.DISK: "disk"}
NOBODY = bytes(32)
who = st.integers(0, 99)
targets = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "", "", "", "less", "more"])), min_size=1, max_size=3)
numbers = st.sampled_from(["new"] * 12 + ["again", "again", "skip", "old", "far"])
submissions = st.lists(
    st.tuples(who, numbers, targets, st.sampled_from(list(TTL_S)), st.integers(0, 3), st.sampled_from([9, 9, 9, 6000])),
    min_size=1, max_size=5,
)  # fmt: skip
kept = st.sampled_from([True, True, True, False])


@functools.cache
def founded():
    """Make three accounts once: the files of their store, and the people."""
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        store = InlineStore(Path(directory), HandClock(), Quota(messages=20, octets=1 << 16, reopen_percent=80))
        people = []
        for name, devices in (("alice", 2), ("bob", 2), ("carol", 1)):
            someone = guest(name)
            prekeys = (someone.prekey(PrekeyKind.SIGNED, 1), someone.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
            ticket = act(store, partial(accounts.create_ticket, address=f"{name}@gad.example", expires_ms=1 << 50))
            enrolment = Enrol(ticket, *someone.listed(), prekeys)
            act(store, partial(accounts.enrol, command=enrolment, devices=someone.devices))
            if devices > 1:
                key = x25519_public(someone.keys[1][0])
                seat = act(store, partial(logins.login, hello=hello_of(someone), static_key=key)).seat
                list_devices(store, someone, seat, 1, 2)
            people.append(someone)
        store.opened.mark.follow(store.db, at_once=True)
        store.close()
        return {file.name: file.read_bytes() for file in Path(directory).iterdir()}, people


def act(store: InlineStore, verb):
    return store.commit(Works([], [], [Verb(verb, None)])).answers[0]


def list_devices(store: InlineStore, someone, seat: Seat, *devices: int):
    newer = someone.with_devices(*devices)
    listed = identity.encode(newer)
    signature = identity.sign_list(someone.identity_seed, listed)
    verb = partial(accounts.put_devices, seat=seat, devices=newer, listed=listed, signature=signature)
    someone.devices = newer
    return verb, act(store, verb)


class StoreMachine(RuleBasedStateMachine):
    @initialize(messages=st.sampled_from([8, 20, 1000]))
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
        self.gone: set = set()
        self.told: set = set()
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

    @rule(batch=submissions, now=kept)
    def devices_submit(self, batch, now):
        for pick, kind, to, class_, flags, octets in batch:
            self.submit(self.some(pick), kind, to, class_, flags, octets)
        if now:
            self.commit()

    @rule(pick=who, count=st.integers(200, 300), stored=st.booleans())
    def a_device_submits_so_much_that_the_oldest_is_forgotten(self, pick, count, stored):
        for _ in range(count):
            self.submit(self.some(pick), "new", [(3, "")], Class.CHAT, 1, 9)
        if stored:
            self.submit(self.some(pick), "new", [(0, ""), (1, "")], Class.CHAT, 1, 9)
        self.commit()

    def submit(self, row, kind, to, class_, flags, octets):
        box, seat = self.model.boxes[row], self.seats[row]
        following = box.floor + 1 + sum(work.seat.row == row for work in self.works.submissions)
        number = {"new": following, "skip": following + 1, "far": following + 400}.get(kind, 0)
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
        for position, (pick, wrong) in enumerate({account: wrong for account, wrong in to}.items()):
            account = self.people[pick].account if pick < len(self.people) else NOBODY
            devices = [device for device, at in sorted(self.model.roster(account).items()) if at != row] or [1]
            devices = devices[1:] if wrong == "less" else [*devices, 7] if wrong == "more" else devices
            made.append(Target(account, 1, tuple(Wrap(one, mark + bytes([position, one])) for one in devices)))
        ttl_s = TTL_S[class_] if self.count % 29 else 40 * 86_400
        body = mark * (octets // 4) if self.count % 31 else b""
        return Submit(number, 0, class_, ttl_s, flags, b"\x01" + mark * 8, body, None, tuple(made), None)

    # What is acknowledged.

    @rule(pick=who, lane=st.sampled_from(Lane), draw=st.data(), other=st.sampled_from([0, 0, 0, 1]), now=kept)
    def a_device_acknowledges(self, pick, lane, draw, other, now):
        row = self.some(pick)
        box = self.model.boxes[row]
        top = box.nexts[lane] - 1
        floor = draw.draw(st.integers(max(0, box.floors[lane] - 2), top))
        above = sorted(draw.draw(st.sets(st.integers(floor + 1, top), max_size=6))) if floor < top else []
        ranges = [(first, last) for first, last in zip(above[::2], above[1::2], strict=False)]
        bad = draw.draw(st.sets(st.integers(max(1, top - 12), top), max_size=3)) if top else ()
        ack = Ack(box.epoch + other, lane, floor, tuple(ranges), Credit(0, 0), tuple(sorted(bad)))
        self.works.acknowledgements.append(Acknowledgement(self.seats[row], ack))
        if now:
            self.commit()

    # Commits, and what becomes of them.

    @rule(tight=st.sampled_from([False, False, False, True]))
    def commit(self, tight=False):
        self.commit_with(None, tight=tight)

    @precondition(lambda self: len(self.works))
    @rule(at=st.integers(1, 30), dead=st.booleans(), again=st.booleans())
    def a_commit_breaks_off(self, at, dead, again):
        self.settled.clear()
        self.store.heard.clear()
        try:
            done = self.store.commit(self.works, fail_at=at, dead=dead)
        except Cut:
            assert not self.settled and not self.store.heard, "told, and not committed"
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
            key = (model.boxes[mailbox].ledger_epoch, outcome.submission, outcome.position) if mailbox in model.boxes else None
            if key is None:
                continue
            assert (mailbox, *key) not in self.told, "an outcome told twice"
            self.told.add((mailbox, *key))
            assert expires_ms == now_ms + 7 * 86_400_000
            assert model.tell(mailbox, tuple(outcome)[1:] if isinstance(outcome, tuple) else (
                outcome.submission, outcome.position, outcome.result), now_ms) == outcome.sequence
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

    @rule(pick=who, draw=st.data(), epoch=st.sampled_from(["known", "known", "none", "other"]), bad=st.sampled_from([0] * 9 + [1]))
    def a_device_connects_again(self, pick, draw, epoch, bad):
        row = self.some(pick)
        box = self.model.boxes[row]
        floors = [draw.draw(st.integers(max(0, floor - 1), next_ - 1)) for floor, next_ in zip(box.floors, box.nexts, strict=True)]
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

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 900, 86_400, 3 * 86_400, 8 * 86_400]))
    def time_goes_by(self, seconds):
        self.clock.advance(seconds)

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
        before = person.devices
        newer = person.with_devices(*devices)
        listed = identity.encode(newer)
        signature = identity.sign_list(person.identity_seed, listed)
        verb = partial(
            accounts.put_devices, seat=self.seats[roster[1]], devices=newer, listed=listed, signature=signature
        )

        def removed():
            for device, row in roster.items():
                if device not in devices:
                    self.model.remove(row)
            self.meet_devices()

        assert before.version + 1 == newer.version
        person.devices = newer
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
        self.everybody_connects()

    # What is read, and what is there.

    @rule(pick=who, lane=st.sampled_from(Lane), after=st.integers(0, 30), messages=st.integers(1, 30), octets=st.sampled_from([1, 7000, 1 << 20]))
    def a_page_is_read(self, pick, lane, after, messages, octets):
        row = self.some(pick)
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
        self.everything_is_covered(page, box, lane, range(after + 1, end + 1), {one.sequence for one in entries})

    def everything_is_covered(self, page, box, lane, stretch, entries):
        reasons: dict[int, GapReason] = {}
        for gap in page.items:
            if isinstance(gap, Entry):
                continue
            for number in range(gap.first, gap.last + 1):
                assert number in stretch and number not in reasons, "explained twice, or beyond the page"
                reasons[number] = gap.reason
        assert set(stretch) == entries | reasons.keys() | (box.lanes[lane].keys() & set(stretch))
        assert not reasons.keys() & box.lanes[lane].keys(), "a gap over what is queued"
        for number, reason in reasons.items():
            if number in box.expired[lane] and number > box.floors[lane]:
                assert reason is GapReason.EXPIRED
            elif not box.expired[lane]:
                assert reason is GapReason.ACKNOWLEDGED

    def compare(self):
        """Compare every row that matters with the model, and count everything again."""
        db, boxes = self.store.db, self.model.boxes
        queued = {(row * 4 + lane, n): item for row, box in boxes.items() for lane in range(3) for n, item in box.lanes[lane].items()}
        found = db.execute("SELECT lane, sequence, expires_ms, class, octets, body, fan FROM envelope").fetchall()
        assert {(r[0], r[1]): r[2:5] for r in found} == {
            place: (item.expires_ms, item.class_, item.octets) for place, item in queued.items()
        }
        assert len(found) == len(queued)
        mailboxes = db.execute("SELECT id, epoch, floor_normal, floor_urgent, floor_outcome, next_normal, next_urgent,"
            " next_outcome, messages, octets, receipts, outcomes, over, refused FROM mailbox ORDER BY id").fetchall()
        assert mailboxes == [
            (row, box.epoch, *box.floors, *box.nexts, len(box.envelopes()), box.octets(), box.receipts(),
             len(box.lanes[2]), box.over, box.refused)
            for row, box in sorted(boxes.items())
        ]  # fmt: skip
        assert db.execute("SELECT device, generation, epoch, floor FROM ledger ORDER BY device").fetchall() == [
            (row, box.generation, box.ledger_epoch, box.floor) for row, box in sorted(boxes.items())
        ]
        self.compare_references(db, found, queued)
        refused = {
            (row, number) for row, box in boxes.items() for number, codes in box.codes.items()
            if any(codes) and number > box.floor - 256
        }  # fmt: skip
        assert set(db.execute("SELECT device, submission FROM refusal").fetchall()) == refused
        holes = db.execute("SELECT lane, first, last FROM hole").fetchall()
        for row, box in boxes.items():
            for lane in range(3):
                spans = [(first, last) for name, first, last in holes if name == row * 4 + lane]
                covered = Counter(n for first, last in spans for n in range(first, last + 1))
                assert all(count == 1 for count in covered.values())
                assert {n for n in box.expired[lane] if n > box.floors[lane]} <= covered.keys()
                assert not covered.keys() & box.lanes[lane].keys()
        counters = self.store.counters
        assert counters.envelopes_queued == sum(len(box.envelopes()) for box in boxes.values())
        assert counters.queued_bytes == sum(box.octets() for box in boxes.values())
        assert counters.outcomes_queued == sum(len(box.lanes[2]) for box in boxes.values())

    def compare_references(self, db, found, queued):
        bodies = Counter(row[5] for row in found if row[5] is not None)
        assert dict(db.execute("SELECT id, refs FROM body").fetchall()) == bodies
        shared: dict[int, set[int]] = {}
        fans: dict[int, tuple[int, bool]] = {}
        for lane, sequence, *_, body, fan in found:
            item = queued[lane, sequence]
            if body is not None:
                shared.setdefault(body, set()).add(item.shared)
            assert (fan is None) == (item.asked is None)
            if fan:
                fans[fan] = (item.asked.open, item.asked.told)
        assert all(len(one) == 1 for one in shared.values()), "a body of two submissions"
        assert {n: (left, bool(told)) for n, left, told in db.execute("SELECT id, remaining, told FROM fan")} == fans


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
