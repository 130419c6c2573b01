"""What may happen to a store, as Hypothesis chooses it: one machine goes wide, the other deep.

Both are rules over ``model_history.History``, which says what has to hold after each of them.
"""

import sys
from collections import Counter
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relayproto.codes import Class, Lane
from support.inline_store import COMMIT
from support.model_history import TTL_S, History

STEPS = 50
"""Of a whole example."""

who = st.integers(0, 99)
lanes = st.sampled_from(Lane)
classes = st.sampled_from(list(TTL_S))
flags = st.sampled_from([0, 1, 1, 3])
octets = st.sampled_from([12, 12, 12, 6000])
kept = st.sampled_from([True, True, True, False])
rarely = st.sampled_from([False] * 5 + [True])
breaks = st.sampled_from([COMMIT, COMMIT, *range(1, 25)])


class StoreMachine(RuleBasedStateMachine):
    """What both have: acknowledgements, connections, time, crashes, copies, reading."""

    HOUSEHOLDS: ClassVar[tuple[tuple[str, int], ...]]
    figures: ClassVar[Counter[str]] = Counter()

    def begin(self, messages: int) -> None:
        self.history = History(self.HOUSEHOLDS, messages, self.figures)
        self.steps = -1  # Making the store is none.

    @invariant()
    def a_step_is_over(self):
        self.steps += 1
        self.figures["steps"] += self.steps > 0

    def teardown(self):
        if hasattr(self, "history"):
            try:
                if sys.exc_info()[0] is None:
                    self.history.everything_is_taken()
                    self.figures["examples" if self.steps >= STEPS else "cut short"] += 1
            finally:
                self.history.close()

    @rule(pick=who, lane=lanes, draw=st.data(), other=st.sampled_from([0, 0, 0, 0, 1]), stale=rarely, now=kept)
    def a_device_acknowledges(self, pick, lane, draw, other, stale, now):
        row = self.history.some(pick)
        box = self.history.model.boxes[row]
        top = box.nexts[lane] - 1
        floor = draw.draw(st.integers(max(0, box.floors[lane] - 2), top))
        above = sorted(draw.draw(st.sets(st.integers(floor + 1, top), max_size=6))) if floor < top else []
        ranges = list(zip(above[::2], above[1::2], strict=False))
        bad = draw.draw(st.sets(st.integers(max(1, top - 12), top), max_size=3)) if top else ()
        self.history.acknowledge(row, lane, floor, ranges, sorted(bad), epoch=box.epoch + other, stale=stale)
        if now:
            self.history.commit()

    @rule()
    def what_waits_is_committed(self):
        self.history.commit()

    @rule()
    def the_relay_crashes(self):
        self.history.crash()

    @rule(
        pick=who,
        draw=st.data(),
        epoch=st.sampled_from(["known", "known", "none", "other"]),
        bad=st.sampled_from([0] * 9 + [1]),
    )
    def a_device_connects_again(self, pick, draw, epoch, bad):
        row = self.history.some(pick)
        box = self.history.model.boxes[row]
        floors = [
            draw.draw(st.integers(max(0, floor - 1), next_ - 1))
            for floor, next_ in zip(box.floors, box.nexts, strict=True)
        ]
        floors[pick % 3] += 1000 * bad
        self.history.connect((row, {"known": box.epoch, "none": 0, "other": box.epoch + 1}[epoch], tuple(floors)))

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 900, 86_400, 3 * 86_400, 8 * 86_400]), swept=st.booleans())
    def time_goes_by(self, seconds, swept):
        self.history.clock.advance(seconds)
        if swept:
            self.history.commit(self.history.sweeping())
        self.history.read_everything()

    @rule()
    def what_is_over_goes(self):
        self.history.commit(self.history.sweeping())

    @precondition(lambda self: len(self.history.copies) < 2)
    @rule()
    def a_copy_is_made(self):
        self.history.copy()

    @precondition(lambda self: self.history.copies)
    @rule()
    def an_older_copy_is_put_in_place(self):
        self.history.restore()

    @rule(
        pick=who,
        lane=lanes,
        after=st.integers(0, 30),
        messages=st.integers(1, 30),
        octets=st.sampled_from([1, 7000, 1 << 20]),
    )
    def a_page_is_read(self, pick, lane, after, messages, octets):
        self.history.read(self.history.some(pick), lane, after, messages, octets)


targets = st.lists(
    st.tuples(st.sampled_from([0, 1, 2] * 5 + [3]), st.sampled_from([""] * 12 + ["less", "more"])),
    min_size=1,
    max_size=3,
)
numbers = st.sampled_from(["new"] * 12 + ["again", "again", "stale", "skip", "old", "far"])
submissions = st.lists(st.tuples(who, numbers, targets, classes, flags, octets), min_size=1, max_size=6)


class WideStore(StoreMachine):
    """Three accounts on two domains, five devices and more: everything that a device may do to others."""

    HOUSEHOLDS = (("alice@gad.example", 2), ("bob@gad.example", 2), ("carol@office.example", 1))
    figures: ClassVar[Counter[str]] = Counter()

    @initialize(messages=st.sampled_from([6, 20, 40]))
    def a_store(self, messages):
        self.begin(messages)
        self.much = False

    def submit(self, batch):
        for pick, kind, to, class_, flags, octets in batch:
            self.history.submit(self.history.some(pick), kind, to, class_, flags, octets)

    @rule(batch=submissions, now=kept, tight=rarely)
    def devices_submit(self, batch, now, tight):
        self.submit(batch)
        if now:
            self.history.commit(tight=tight)

    @rule(pick=who, to=st.integers(0, 2), class_=classes, flags=flags, octets=octets, count=st.integers(1, 12))
    def a_device_writes_much_to_one_account(self, pick, to, class_, flags, octets, count):
        for _ in range(count):
            self.history.submit(self.history.some(pick), "new", [(to, "")], class_, flags, octets)
        self.history.commit()

    @rule(batch=submissions)
    def devices_submit_and_everything_is_acknowledged_but_the_last(self, batch):
        self.submit(batch)
        self.history.commit()
        for row, box in self.history.model.boxes.items():
            for lane in Lane:
                if box.lanes[lane]:
                    self.history.acknowledge(row, lane, max(box.lanes[lane]) - 1)
        self.history.commit()

    @precondition(lambda self: not self.much)
    @rule(pick=who, count=st.integers(254, 300), stored=st.booleans())
    def a_device_submits_so_much_that_the_oldest_is_forgotten(self, pick, count, stored):
        self.much = True
        row = self.history.some(pick)
        for _ in range(count):
            self.history.submit(row, "new", [(3, "")], Class.CHAT, 1, 12)
        if stored:
            self.history.submit(row, "new", [(0, ""), (1, "")], Class.CHAT, 1, 12)
        self.history.commit()

    @rule(
        batch=submissions,
        verb=st.sampled_from(["none", "none", "sweep", "devices", "block"]),
        pick=st.integers(0, 1),
        at=breaks,
        dead=st.booleans(),
        again=st.booleans(),
    )
    def a_commit_breaks_off(self, batch, verb, pick, at, dead, again):
        history = self.history
        self.submit(batch)
        person = history.people[pick]
        before = person.devices
        verbs = {
            "none": list,
            "sweep": lambda: [history.sweeping()],
            "devices": lambda: [history.replacing(pick)],
            "block": lambda: [history.blocking(history.some(pick), 2, blocked=True)],
        }[verb]()
        if history.break_off(at, *verbs, dead=dead, again=again):
            person.devices = before
        else:
            history.meet_and_part()

    @rule(pick=st.integers(0, 1))
    def a_device_is_removed_or_added(self, pick):
        self.history.commit()
        self.history.commit(self.history.replacing(pick))
        self.history.meet_and_part()

    @rule(pick=who, whom=st.integers(0, 3), blocked=st.booleans())
    def an_account_blocks_another_or_no_longer(self, pick, whom, blocked):
        self.history.commit(self.history.blocking(self.history.some(pick), whom, blocked=blocked))


class DeepStore(StoreMachine):
    """Two accounts with one device each: long lanes, many holes, sparse acknowledgements, long rows of outcomes."""

    HOUSEHOLDS = (("alice@gad.example", 1), ("bob@gad.example", 1))
    figures: ClassVar[Counter[str]] = Counter()

    @initialize(messages=st.sampled_from([60, 100, 150]))
    def a_store(self, messages):
        self.begin(messages)

    def write(self, pick, class_, flags, octets, count):
        row = self.history.some(pick)
        for at in range(count):
            self.history.submit(row, "new", [(1 - pick % 2, "")], class_, flags, octets if at % 8 == 0 else 12)

    @rule(pick=who, class_=classes, flags=flags, octets=octets, count=st.integers(1, 40), now=kept, tight=rarely)
    def a_device_writes_much(self, *, pick, class_, flags, octets, count, now, tight):
        self.write(pick, class_, flags, octets, count)
        if now:
            self.history.commit(tight=tight)

    @rule(pick=who, classes=st.lists(classes, min_size=1, max_size=8), flags=flags, octets=octets)
    def a_device_writes_of_every_class(self, pick, classes, flags, octets):
        for class_ in classes:
            self.write(pick, class_, flags, octets, 3)
        self.history.commit()

    @rule(pick=who, first=st.integers(1, 4), length=st.integers(1, 5), step=st.integers(2, 9), lane=lanes)
    def a_device_acknowledges_sparsely(self, pick, first, length, step, lane):
        row = self.history.some(pick)
        box = self.history.model.boxes[row]
        floor, top = box.floors[lane], box.nexts[lane] - 1
        starts = range(floor + first, top + 1, max(step, length + 1))[:32]
        self.history.acknowledge(row, lane, floor, [(at, min(at + length - 1, top)) for at in starts])
        self.history.commit()

    @rule(pick=who, numbers=st.lists(st.sampled_from(["new", "again", "skip", "old"]), min_size=1, max_size=8))
    def a_device_repeats_and_skips(self, pick, numbers):
        for number in numbers:
            self.history.submit(self.history.some(pick), number, [(1 - pick % 2, "")], Class.CHAT, 1, 12)
        self.history.commit()

    @rule(pick=who, count=st.integers(1, 30), swept=st.booleans(), at=breaks, dead=st.booleans(), again=st.booleans())
    def a_commit_breaks_off(self, pick, count, swept, at, dead, again):
        self.write(pick, Class.OTP, 1, 12, count)
        verbs = [self.history.sweeping()] if swept else []
        self.history.break_off(at, *verbs, dead=dead, again=again)
