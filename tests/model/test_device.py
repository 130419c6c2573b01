"""Two devices and a relay under loss, repetition, refusal, crash, copies: every text is shown exactly once, in order.

A run is a list of what goes wrong; whatever it is, once everything works again both outboxes empty, each text is in the
other's inbox once, and its sender knows that it was delivered.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relayclient.device import Device
from relayclient.errors import Cloned
from relayclient.events import MessageState
from relayproto.codes import Code, Lane
from relayproto.replies import NotTaken
from support.small_relay import SmallRelay
from support.talk import ALICE, BOB

names = st.sampled_from(["alice", "bob"])
OTHER = {"alice": BOB, "bob": ALICE}
RANKS = {state: state.rank for state in MessageState}


class TwoDevices(RuleBasedStateMachine):
    """What may happen to two devices and their relay."""

    @initialize()
    def join(self):
        self.folder = tempfile.TemporaryDirectory()
        self.relay = SmallRelay()
        self.sent = {"alice": [], "bob": []}
        self.ranks = {}
        self.copies = set()
        self.devices = {
            name: self.relay.join(Path(self.folder.name) / name, address)
            for name, address in (("alice", ALICE), ("bob", BOB))
        }

    def home(self, name, which=""):
        return Path(self.folder.name) / (name + which)

    @rule(name=names, count=st.integers(1, 4))
    def write(self, name, count):
        for _ in range(count):
            text = f"{name} {len(self.sent[name])}"
            message = self.devices[name].queue(OTHER[name], text, now_ms=self.relay.now_ms)
            self.sent[name].append((message, text))

    @rule(name=names)
    def talk(self, name):
        self.relay.connect(self.devices[name]).run()

    @rule(name=names, turns=st.integers(1, 3))
    def lose_the_answers(self, name, turns):
        line = self.relay.connect(self.devices[name])
        line.deaf = True
        for _ in range(turns):
            line.turn()

    @rule(name=names)
    def seal_and_lose_the_line(self, name):
        line = self.relay.connect(self.devices[name])
        line._commands()
        self.devices[name].next_submits(10, self.relay.now_ms)

    @rule(name=names)
    def take_in_and_lose_the_acknowledgement(self, name):
        line = self.relay.connect(self.devices[name])
        line._commands()
        line._notices()

    @rule(name=names)
    def crash(self, name):
        self.devices[name].close()
        self.devices[name] = Device.open(Path(self.folder.name) / name)

    @rule(name=names)
    def copy_a_store(self, name):
        self.devices[name].close()
        shutil.rmtree(self.home(name, "copy"), ignore_errors=True)
        shutil.copytree(self.home(name), self.home(name, "copy"))
        self.copies.add(name)
        self.devices[name] = Device.open(self.home(name))

    @rule(name=names, goes_on=st.booleans())
    def bring_an_older_copy_up(self, name, goes_on):
        """One that lacks what the relay has recorded stops for good; whichever, the relay records nothing of it."""
        if name not in self.copies:
            self.copy_a_store(name)
        if goes_on:
            self.write(name, 1)
            self.talk(name)
        seat = self.relay.seat(self.devices[name])
        recorded = dict(seat.ledger), seat.ledger_floor
        older = Device.open(self.home(name, "copy"))
        try:
            if older.hello().submission < seat.ledger_floor:
                for _ in range(2):
                    with pytest.raises(Cloned):
                        self.relay.connect(older)
                self.copies.remove(name)
            else:
                self.relay.connect(older)
        finally:
            older.close()
        assert (dict(seat.ledger), seat.ledger_floor) == recorded

    @rule(name=names)
    def deliver_a_copy(self, name):
        box = self.relay.seat(self.devices[name]).boxes[Lane.NORMAL]
        for sequence in list(box.rows)[:1]:
            row = box.rows[sequence]
            box.rows[box.next] = type(row)(row.lane, box.next, *row.fields()[2:])
            box.next += 1

    @rule(code=st.sampled_from([Code.OVER_QUOTA, Code.MISMATCHED_DEVICES, Code.TOO_OLD, Code.INTERNAL]))
    def refuse_the_next(self, code):
        self.relay.verdicts.append(code)

    @rule(code=st.sampled_from([Code.BUSY, Code.RATE]))
    def do_not_take_the_next(self, code):
        self.relay.verdicts.append(NotTaken(0, code, 200))

    @rule(ms=st.integers(1, 5_000))
    def wait(self, ms):
        self.relay.now_ms += ms

    @rule(name=names)
    def lose_one_sides_sessions(self, name):
        with self.devices[name]._store.step() as step:
            step.run("DELETE FROM session")

    @invariant()
    def states_only_rise(self):
        for name, sent in self.sent.items():
            for message, _ in sent:
                state, _ = self.devices[name].state_of(message)
                assert state.rank >= self.ranks.get(message, 0)
                self.ranks[message] = state.rank

    @invariant()
    def nothing_is_shown_twice_or_invented(self):
        for name, other in (("alice", "bob"), ("bob", "alice")):
            shown = [event.text for event in self.devices[name].inbox(1000)]
            assert len(shown) == len(set(shown))
            assert set(shown) <= {text for _, text in self.sent[other]}

    def teardown(self):
        if not hasattr(self, "devices"):
            return
        self.relay.verdicts.clear()
        for _ in range(6):
            self.relay.now_ms += 3_700_000
            for device in self.devices.values():
                self.relay.connect(device).run()
        for name, other in (("alice", "bob"), ("bob", "alice")):
            shown = {event.text for event in self.devices[name].inbox(1000)}
            assert shown == {text for _, text in self.sent[other]}
            assert {self.devices[other].state_of(message) for message, _ in self.sent[other]} <= {
                (MessageState.DELIVERED, None)
            }
        for device in self.devices.values():
            device.close()
        self.folder.cleanup()


TestTwoDevices = TwoDevices.TestCase
TestTwoDevices.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
