import asyncio
from dataclasses import dataclass

from relayd.delivery.hub import Hub
from relayd.domain.entry import Entry
from relayd.metrics import Counters
from relayproto.message import Message
from relayproto.notices import Gap, Passing, PrekeysLow
from relayproto.operating import Line
from support.entries import envelope, gap


@dataclass
class Load:
    unacknowledged: int = 0
    stuck: bool = False


class Ear:
    def __init__(self, generation: int, pump: Load | None = None) -> None:
        self.generation = generation
        self.pump = pump or Load()
        self.heard: list[object] = []

    def offer(self, entry: Entry) -> None:
        self.heard.append(entry)

    def explain(self, gap: Gap) -> None:
        self.heard.append(gap)

    def say(self, notice: Message) -> None:
        self.heard.append(notice)

    def pass_by(self, notice: Passing) -> None:
        self.heard.append(notice)

    def supersede(self) -> None:
        self.heard.append("superseded")

    def revoke(self) -> None:
        self.heard.append("revoked")

    def dismiss(self, after_ms: int) -> None:
        self.heard.append(after_ms)

    def line(self) -> Line:
        return Line(self.generation, 0, 0, 0, 0, 0, 0)


def test_what_was_committed_reaches_whoever_listens_to_its_mailbox() -> None:
    hub, alice = Hub(), Ear(1)
    hub.attach(1, alice)

    hub.wake([envelope(1, mailbox=1), envelope(1, mailbox=2), envelope(2, mailbox=1)])

    assert alice.heard == [envelope(1, mailbox=1), envelope(2, mailbox=1)]


def test_holes_notices_and_revocation_reach_the_listener_only() -> None:
    hub, alice, bob = Hub(), Ear(1), Ear(1)
    hub.attach(1, alice)
    hub.attach(2, bob)

    for mailbox in (1, 3):
        hub.explain(mailbox, gap(1, 1))
        hub.say(mailbox, PrekeysLow(1, 1))
    hub.revoke([1, 3])

    assert alice.heard == [gap(1, 1), PrekeysLow(1, 1), "revoked"]
    assert bob.heard == []


def test_the_newest_connection_wins() -> None:
    hub, older, newer = Hub(), Ear(1), Ear(2)
    hub.attach(1, older)

    assert hub.attach(1, newer) is older

    assert older.heard == ["superseded"]
    hub.detach(1, older)
    assert 1 in hub.listening


def test_a_connection_that_comes_late_is_the_superseded_one() -> None:
    hub, older, newer = Hub(), Ear(1), Ear(2)
    hub.attach(1, newer)

    assert hub.attach(1, older) is None

    assert older.heard == ["superseded"]
    assert newer.heard == []


def test_nobody_is_offered_anything_after_leaving() -> None:
    hub, alice = Hub(), Ear(1)
    hub.attach(1, alice)

    hub.detach(1, alice)
    hub.detach(1, alice)
    hub.wake([envelope(1)])

    assert alice.heard == []
    assert 1 not in hub.listening


def test_what_passes_by_reaches_the_listener_only() -> None:
    hub, alice = Hub(), Ear(1)
    hub.attach(1, alice)
    typing = Passing(bytes(32), 1, b"typing")

    for mailbox in (1, 2):
        hub.pass_by(mailbox, typing)

    assert alice.heard == [typing]


async def test_a_survey_adds_up_what_connected_devices_owe() -> None:
    hub, counters = Hub(), Counters()
    for mailbox in range(600):
        hub.attach(mailbox, Ear(1, Load(2 * (mailbox % 2), mailbox % 100 == 0)))

    await hub.survey(counters)

    assert (counters.unacknowledged, counters.devices_owing, counters.windows_full) == (600, 300, 6)


async def test_an_announcement_reaches_everybody_a_few_hundred_in_each_turn_of_the_loop() -> None:
    hub, ears = Hub(), [Ear(1) for _ in range(600)]
    for mailbox, ear in enumerate(ears):
        hub.attach(mailbox, ear)

    hub.announce(PrekeysLow(1, 1))
    at_once = sum(bool(ear.heard) for ear in ears)
    hub.detach(599, ears[599])
    for _ in range(3):
        await asyncio.sleep(0)

    assert at_once == 256
    assert [len(ear.heard) for ear in ears] == [1] * 599 + [0], "who left meanwhile hears nothing"


def test_listeners_are_told_in_the_order_of_their_mailboxes_as_many_as_are_asked_for() -> None:
    hub = Hub()
    for mailbox in (5, 3, 9, 4):
        hub.attach(mailbox, Ear(mailbox * 10))

    first, more = hub.lines(3, 2)
    rest, end = hub.lines(5, 2)

    assert ([line.mailbox for line in first], more) == ([40, 50], True)
    assert ([line.mailbox for line in rest], end) == ([90], False)
    assert hub.lines(0, 0) == ((), True)
    assert len(hub) == 4


def test_who_is_dismissed_is_told_when_to_come_back() -> None:
    hub, alice, bob = Hub(), Ear(1), Ear(1)
    hub.attach(1, alice)
    hub.attach(2, bob)

    assert hub.dismiss([1, 3], 5_000) == 1

    assert (alice.heard, bob.heard) == ([5_000], [])
