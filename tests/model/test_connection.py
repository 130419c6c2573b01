"""A connection against a model that knows only what was said: any split, any end, any changed bit, in both directions.

The handshake, the records and the keys are the real ones; what lies between the two ends is a row of bytes each way, of
which as many arrive at a time as Hypothesis likes. Whatever happens to them, an end hears a beginning of what the other
said and nothing else; where nothing happens to them, it hears all.
"""

from functools import cache
from itertools import count
from typing import get_args

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relayproto.codes import Kind, Purpose, Suite
from relayproto.commands import COMMANDS, EnrolCommand, OperatorCommand
from relayproto.events import Closed, DescriptorReceived, EnrolmentOpened, Established, HelloReceived, MessageReceived
from relayproto.message import Message
from relayproto.notices import NOTICES
from relayproto.primitives import x25519_public
from relayproto.replies import REPLIES
from support.samples import SAMPLES
from support.wire import ALICE_KEY, DESCRIPTOR, HELLO, WELCOME, a_client, a_relay

_BEFORE = {Kind.HELLO, Kind.WELCOME, *(each.KIND for each in (*get_args(EnrolCommand), *get_args(OperatorCommand)))}
"""What belongs to the beginning of a connection, to who has no account, or to the local operator."""
COMMANDS_SAID = [SAMPLES[kind] for kind in sorted(COMMANDS.keys() - _BEFORE)]
ANSWERS_SAID = [SAMPLES[kind] for kind in sorted((REPLIES.keys() | NOTICES.keys()) - _BEFORE)]
SAID = {"relay": COMMANDS_SAID, "client": ANSWERS_SAID}
ENDS = st.sampled_from(["relay", "client"])
OTHER = {"relay": "client", "client": "relay"}
SIZES = st.one_of(st.integers(1, 3), st.integers(1, 40), st.integers(1, 2000), st.just(1 << 20))


class Pipe:
    """Both ends, the bytes on their way to each, what was said to each and what each has heard."""

    def __init__(self, purpose: Purpose, suite: Suite) -> None:
        self.purpose = purpose
        self.ends = {
            "relay": a_relay(suites=frozenset(Suite)), "client": a_client(purpose, suite=suite)
        }  # fmt: skip
        self.bytes = {"relay": bytearray(), "client": bytearray()}
        self.said: dict[str, list[tuple[int, Message]]] = {"relay": [], "client": []}
        self.heard: dict[str, list[tuple[int, Message]]] = {"relay": [], "client": []}
        self.closed: dict[str, Closed] = {}
        self.begun: dict[str, int] = {"relay": 0, "client": 0}
        self.requests = count(1)

    def say(self, to: str, said: Message) -> None:
        if self.ends[OTHER[to]].open:
            request = next(self.requests)
            self.ends[OTHER[to]].send(said, request)
            self.said[to].append((request, said))

    def write(self, to: str) -> None:
        self.bytes[to] += self.ends[OTHER[to]].data_to_send(0.0)

    def arrive(self, to: str, size: int) -> None:
        octets = bytes(self.bytes[to][:size])
        del self.bytes[to][:size]
        if octets:
            self.ends[to].receive_data(octets, 0.0)
            self.listen(to)

    def listen(self, to: str) -> None:
        """Take an end's events: after Closed there are none, and a connection begins once and as it was meant."""
        for event in self.ends[to].events():
            assert to not in self.closed, "an event after the end"
            match event:
                case MessageReceived(request, said):
                    self.heard[to].append((request, said))
                case HelloReceived(hello, static_key):
                    assert (hello, static_key) == (HELLO, x25519_public(ALICE_KEY))
                    self.begun[to] += 1
                    self.ends["relay"].welcome(WELCOME)
                    self.said["client"].append((0, WELCOME))
                case EnrolmentOpened() | Established():
                    self.begun[to] += 1
                case DescriptorReceived(descriptor):
                    # A changed preface may name a key that the relay has not; its answer is signed by the root.
                    assert descriptor == DESCRIPTOR
                case Closed():
                    self.closed[to] = event
                case _:
                    raise AssertionError(event)
        assert self.begun[to] <= 1

    def carry_all(self) -> None:
        for _ in range(20):
            for to in ("relay", "client"):
                self.write(to)
                self.arrive(to, 1 << 30)


class PipeMachine(RuleBasedStateMachine):
    @initialize(suite=st.sampled_from([Suite.HYBRID, Suite.HYBRID, Suite.PLAIN_XK]), opened=st.sampled_from([1, 1, 0]))
    def two_ends(self, suite, opened):
        self.pipe = Pipe(Purpose.DEVICE, suite)
        self.harmed: set[str] = set()
        self.cut: set[str] = set()
        if opened:
            self.pipe.carry_all()

    @rule(to=ENDS, picks=st.lists(st.integers(0, 99), min_size=1, max_size=8), write=st.booleans())
    def one_says_something(self, to, picks, write):
        for pick in picks:
            self.pipe.say(to, SAID[to][pick % len(SAID[to])])
        if write:
            self.pipe.write(to)

    @rule(to=ENDS)
    def one_writes(self, to):
        self.pipe.write(to)

    @rule(to=ENDS, sizes=st.lists(SIZES, min_size=1, max_size=6))
    def some_bytes_arrive(self, to, sizes):
        if to not in self.cut:
            for size in sizes:
                self.pipe.arrive(to, size)

    @rule()
    def all_that_is_written_arrives(self):
        for to in ("relay", "client"):
            if to not in self.cut:
                self.pipe.write(to)
                self.pipe.arrive(to, 1 << 30)

    @precondition(lambda self: len(self.pipe.said["relay"]) + len(self.pipe.said["client"]) > 40)
    @rule(to=ENDS)
    def the_pipe_ends(self, to):
        if to not in self.cut:
            self.cut.add(to)
            self.pipe.ends[to].receive_eof(0.0)
            self.pipe.listen(to)

    # Not always, or nearly every example would end by it.
    @precondition(lambda self: len(self.pipe.said["relay"]) % 3 == 1)
    @rule(to=ENDS, at=st.integers(0, 1 << 16), bit=st.integers(0, 7))
    def a_bit_changes_on_the_way(self, to, at, bit):
        # Once: a second change could undo the first.
        self.pipe.write(to)
        if self.pipe.bytes[to] and to not in self.harmed and not self.pipe.ends[to].closed:
            self.pipe.bytes[to][at % len(self.pipe.bytes[to])] ^= 1 << bit
            self.harmed.add(to)

    @invariant()
    def what_is_heard_was_said_in_this_order(self):
        if hasattr(self, "pipe"):
            for to, heard in self.pipe.heard.items():
                assert heard == self.pipe.said[to][: len(heard)]

    def teardown(self):
        if not hasattr(self, "pipe"):
            return
        if not self.cut:
            self.pipe.carry_all()
        self.what_is_heard_was_said_in_this_order()
        if not self.harmed and not self.cut:
            assert self.pipe.heard == self.pipe.said
            assert self.pipe.begun == {"relay": 1, "client": 1}
            assert not self.pipe.closed
        for to in self.harmed:
            assert not self.pipe.ends[to].open or len(self.pipe.heard[to]) < len(self.pipe.said[to]), "a change unseen"


TestPipe = PipeMachine.TestCase
TestPipe.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def conversation(to: str, purpose: Purpose, *, changed: tuple[int, int] | None = None) -> tuple[Pipe, int]:
    """Let both say everything once, byte by byte towards ``to``, with one changed: (which, its bit).

    After every byte the pipe could end: what was heard by then is a beginning of what was said.
    """
    pipe = Pipe(purpose, Suite.HYBRID)
    passed = 0
    for turn in range(8):
        for towards in ("relay", "client"):
            if turn >= 4 and purpose is Purpose.DEVICE:
                for said in SAID[towards][turn - 4 :: 4]:
                    pipe.say(towards, said)
            pipe.write(towards)
            if towards != to:
                pipe.arrive(towards, 1 << 30)
                continue
            while pipe.bytes[to]:
                if changed and changed[0] == passed:
                    pipe.bytes[to][0] ^= 1 << changed[1]
                pipe.arrive(to, 1)
                passed += 1
                assert pipe.heard[to] == pipe.said[to][: len(pipe.heard[to])]
    return pipe, passed


def test_byte_by_byte_each_end_hears_everything() -> None:
    for to in ("relay", "client"):
        pipe, _ = conversation(to, Purpose.DEVICE)

        assert pipe.heard == pipe.said
        assert len(pipe.heard["relay"]) == len(COMMANDS_SAID)
        assert len(pipe.heard["client"]) == len(ANSWERS_SAID) + 1
        assert not pipe.closed


def test_an_enrolment_opens_byte_by_byte() -> None:
    for to in ("relay", "client"):
        pipe, _ = conversation(to, Purpose.ENROL)

        assert pipe.begun == {"relay": 1, "client": 1}
        assert not pipe.closed


@cache
def length(to: str) -> int:
    return conversation(to, Purpose.DEVICE)[1]


@settings(max_examples=120, deadline=None)
@given(to=ENDS, at=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_a_changed_bit_shows_nothing_that_was_not_sent(to: str, at: int, bit: int) -> None:
    pipe, _ = conversation(to, Purpose.DEVICE, changed=(at % length(to), bit))

    assert len(pipe.heard[to]) < len(SAID[to]) + (to == "client"), "a change unseen"
