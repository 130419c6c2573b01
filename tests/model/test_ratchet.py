"""The sessions of two devices against a model that knows only what was sent, whatever is lost, repeated or goes back.

Each device keeps its state as bytes, as its store would; a crash is going on from the bytes of the last commit, and an
older copy from those of a commit before, with the prekeys and all that was shown as they were then. The
relay between them may hold back, repeat, reorder and lose wraps; it may not make a device show anything else than what
the other sent, nor show it twice, nor stop the two of them from talking for good.
"""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from relayproto.codes import PrekeyKind
from relayproto.e2e import session
from relayproto.e2e.session import Sessions
from relayproto.errors import CryptoFailure
from support.kem import stream
from support.people import NOW_MS, Person


class Device:
    """One side: its person, its committed state, and what it has been shown."""

    def __init__(self, person: Person, other: Person) -> None:
        self.person = person
        self.other = other
        self.stored = session.to_bytes(Sessions(other.peer))
        self.shown: list[bytes] = []
        self.copy = None

    def keep_a_copy(self) -> None:
        person = self.person
        self.copy = self.stored, list(self.shown), set(person.seen), dict(person.secrets)

    def go_on_from_the_copy(self) -> None:
        self.stored, self.shown, self.person.seen, self.person.secrets = self.copy
        self.copy = None

    @property
    def held(self) -> Sessions:
        return session.from_bytes(self.stored)

    def commit(self, held: Sessions) -> None:
        self.stored = session.to_bytes(held)


class Conversation(RuleBasedStateMachine):
    wraps = Bundle("wraps")

    @initialize(label=st.integers(0, 1000))
    def two_devices(self, label):
        alice, bob = Person(f"alice {label}"), Person(f"bob {label}")
        self.devices = [Device(alice, bob), Device(bob, alice)]
        self.sent: dict[bytes, tuple[int, bytes]] = {}
        self.count = 0
        self.rolled_back = False

    @rule(target=wraps, who=st.integers(0, 1))
    def one_sends(self, who):
        return self._send(self.devices[who])

    @rule(who=st.integers(0, 1))
    def one_crashes_between_commit_and_sending(self, who):
        self._send(self.devices[who])

    @rule(target=wraps, who=st.integers(0, 1), one_time=st.booleans())
    def one_begins_anew(self, who, one_time):
        device = self.devices[who]
        self._begin(device, one_time=one_time)
        return self._send(device)

    @rule(wrap=wraps)
    def a_wrap_arrives(self, wrap):
        self._arrives(wrap)

    @rule(wrap=wraps)
    def a_device_crashes_after_opening_and_before_its_commit(self, wrap):
        who, _ = self.sent[wrap]
        device = self.devices[1 - who]
        person, seen, secrets = device.person, set(device.person.seen), dict(device.person.secrets)
        try:
            person.receive(device.held, device.other, wrap)
        except CryptoFailure:
            return
        finally:
            person.seen, person.secrets = seen, secrets

    @rule(wrap=consumes(wraps))
    def a_wrap_never_arrives(self, wrap):
        assert wrap in self.sent

    @rule(wrap=wraps)
    def a_wrap_comes_twice(self, wrap):
        self._arrives(wrap)
        assert not self._arrives(wrap), "opened twice"

    @rule(who=st.integers(0, 1))
    def one_is_copied(self, who):
        self.devices[who].keep_a_copy()

    @precondition(lambda self: any(device.copy for device in self.devices))
    @rule(who=st.integers(0, 1))
    def one_goes_on_from_an_older_copy(self, who):
        if self.devices[who].copy:
            self.rolled_back = True
            self.devices[who].go_on_from_the_copy()

    @rule(wrap=wraps, at=st.integers(0, 1500), bit=st.integers(0, 7))
    def a_changed_wrap_shows_nothing(self, wrap, at, bit):
        who, plaintext = self.sent[wrap]
        device = self.devices[1 - who]
        changed = bytearray(wrap)
        changed[at % len(wrap)] ^= 1 << bit
        before = device.stored
        try:
            received = session.open_wrap(
                device.held, bytes(changed), now_ms=NOW_MS, entropy=stream("mallory"),
                answering=device.person.answering(device.other, wrap),
            )  # fmt: skip
        except CryptoFailure:
            assert device.stored == before
        else:
            # The first message that a wrap repeats is outside the ratchet: the ratchet's message was whole.
            assert received.plaintext == plaintext

    @invariant()
    def what_is_shown_was_sent_and_is_shown_once(self):
        for who, device in enumerate(self.devices):
            assert len(device.shown) == len(set(device.shown))
            assert set(device.shown) <= {plaintext for author, plaintext in self.sent.values() if author != who}

    def teardown(self):
        """However it went: after one new session and a message each way, the two are in the same session.

        Not promised of a device that went on from an older copy: it is to stop and enrol anew (spec 50 §2), and until
        then shows nothing twice and nothing that was not sent, which is held after every step.
        """
        if not hasattr(self, "devices") or self.rolled_back:
            return
        alice, bob = self.devices
        self._begin(alice, one_time=True)
        for device in (alice, bob, alice):
            assert self._arrives(self._send(device))
        assert alice.held.sessions[0].id == bob.held.sessions[0].id

    def _begin(self, device, *, one_time):
        device.other.make_prekey(PrekeyKind.ONE_TIME)
        device.commit(device.person.begin(device.other, device.held, one_time=one_time))

    def _send(self, device):
        if not device.held.sessions:
            self._begin(device, one_time=True)
        plaintext = b"message %d" % self.count
        self.count += 1
        held, wrap = session.seal(device.held, plaintext)
        device.commit(held)
        self.sent[wrap] = self.devices.index(device), plaintext
        return wrap

    def _arrives(self, wrap) -> bool:
        who, plaintext = self.sent[wrap]
        device = self.devices[1 - who]
        try:
            received = device.person.receive(device.held, device.other, wrap)
        except CryptoFailure:
            return False
        assert received.plaintext == plaintext
        device.commit(received.sessions)
        device.shown.append(plaintext)
        return True


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


def test_whatever_was_held_back_opens_in_the_end():
    """The same without hypothesis: twelve turns, of each some messages come backwards, the others at the very end."""
    alice = Device(Person("alice"), Person("bob"))
    bob = Device(alice.other, alice.person)
    conversation = Conversation()
    conversation.devices, conversation.sent, conversation.count = [alice, bob], {}, 0
    held_back = []

    for run in range(12):
        wraps = [conversation._send((alice, bob)[run % 2]) for _ in range(10)]
        held_back += wraps[::3]
        assert all(conversation._arrives(wrap) for wrap in reversed(wraps) if wrap not in held_back)
    assert all(conversation._arrives(wrap) for wrap in reversed(held_back))

    assert len(alice.shown) == len(bob.shown) == 60
