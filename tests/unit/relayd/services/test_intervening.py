import pytest

from relayd.domain.refusals import Fault, Refusal
from relayd.metrics import Counters
from relayd.services.intervening import PURGED_AFTER_MS, Intervening
from relayd.store import By
from relayd.store.interventions import Person
from relayd.store.whole import Finding
from relayproto.administration_replies import Acted
from relayproto.codes import Code, Kind
from relayproto.operating import (
    Checked,
    Connections,
    Drain,
    Found,
    GetConnections,
    GetMailbox,
    Kick,
    Line,
    MoveLog,
    Purge,
    SelfCheck,
    SetLogLevel,
    Suspend,
)
from relayproto.standing import ActState

BY = By(1000, "why")
ALICE = Person(1, b"a" * 32, 0, False, {1: 7, 2: 8})
LINE = Line(7, 1, 2, 3, 4, 5, 6)


def acted(value: int = 0) -> Acted:
    return Acted(ActState.DONE, 41, value, b"")


class Store:
    """Notes what it was asked, in order with what the other rooms were asked."""

    def __init__(self, taken: list[object]) -> None:
        self.taken = taken
        self.fault: Fault | None = None

    def _take(self, *what: object) -> None:
        if self.fault is not None:
            raise self.fault
        self.taken.append(what)

    async def note(self, kind: Kind, by: By, *, detail: int = 0) -> Acted:
        self._take("note", kind.name, by, detail)
        return acted()

    async def look(self, whom: str, by: By) -> str:
        self._take("look", whom, by)
        return "mailboxes"

    async def suspend(self, whom: str, by: By, *, suspended: bool) -> Acted:
        self._take("suspend", whom, by, suspended)
        return acted()

    async def dismiss(self, whom: str, device: int, by: By) -> tuple[Person, Acted]:
        self._take("kick", whom, device, by)
        return ALICE, acted()

    async def purge(self, whom: str, device: int, by: By) -> tuple[Person, Acted]:
        self._take("purge", whom, device, by)
        return ALICE, acted(3)

    async def move_log(self) -> int:
        self._take("move log")
        return 12

    async def self_check(self) -> tuple[list[Finding], list[str]]:
        return [Finding("one", 5, 0), Finding("two", 5, 1, "x" * 300)], ["three"]

    def count_intake(self) -> None:
        self.taken.append("counted")


class Hub:
    def __init__(self, taken: list[object]) -> None:
        self.taken = taken

    def dismiss(self, mailboxes: object, after_ms: int) -> int:
        self.taken.append(("dismissed", list(mailboxes), after_ms))
        return 2

    def lines(self, after: int, rows: int) -> tuple[tuple[Line, ...], bool]:
        return ((LINE,), True) if rows else ((), False)

    def __len__(self) -> int:
        return 3


class Doors:
    def __init__(self, taken: list[object]) -> None:
        self.taken = taken
        self.draining = False

    def __len__(self) -> int:
        return 4

    def pause(self) -> None:
        self.draining = True
        self.taken.append("paused")

    def resume(self) -> None:
        self.draining = False
        self.taken.append("resumed")


class Night:
    def __init__(self) -> None:
        self.taken: list[object] = []
        self.store, self.doors, self.counters = Store(self.taken), Doors(self.taken), Counters()
        self.service = Intervening(
            self.store, Hub(self.taken), self.doors, self.counters, half_open=lambda: 1, set_level=self.set_level
        )

    def set_level(self, level: str) -> None:
        self.taken.append(("level", level))


async def test_connections_are_counted_without_a_trace_and_listed_with_one() -> None:
    night = Night()
    night.counters.intake_works = 9

    counted = await night.service.answer(GetConnections(0, 0), BY)
    before = list(night.taken)
    listed = await night.service.answer(GetConnections(0, 5), BY)

    assert counted == Connections(4, 1, 3, 9, False, (), False)
    assert before == ["counted"]
    assert listed == Connections(4, 1, 3, 9, False, (LINE,), True)
    assert night.taken[1:] == [("note", "GET_CONNECTIONS", BY, 0), "counted"]


async def test_a_mailbox_is_looked_at_and_an_account_suspended_by_the_store() -> None:
    night = Night()

    assert await night.service.answer(GetMailbox("alice", "why"), BY) == "mailboxes"
    assert await night.service.answer(Suspend("alice", True, "why"), BY) == acted()

    assert night.taken == [("look", "alice", BY), ("suspend", "alice", BY, True)]


async def test_connections_end_after_that_was_written_down() -> None:
    night = Night()

    assert await night.service.answer(Kick("alice", 0, 5_000, "why"), BY) == acted(2)
    assert await night.service.answer(Purge("alice", 2, "why"), BY) == acted(3)

    assert night.taken == [
        ("kick", "alice", 0, BY), ("dismissed", [7, 8], 5_000),
        ("purge", "alice", 2, BY), ("dismissed", [7, 8], PURGED_AFTER_MS),
    ]  # fmt: skip


async def test_devices_are_sent_away_and_let_in_again() -> None:
    night = Night()

    assert await night.service.answer(Drain(True), BY) == acted(4)
    with pytest.raises(Refusal) as twice:
        await night.service.answer(Drain(True), BY)
    assert night.service.draining
    assert await night.service.answer(Drain(False), BY) == acted(4)

    assert twice.value.code is Code.CONFLICT
    assert night.taken == [("note", "DRAIN", BY, 1), "paused", ("note", "DRAIN", BY, 0), "resumed"]


async def test_the_log_is_moved_and_its_level_set_after_that_was_written_down() -> None:
    night = Night()

    assert await night.service.answer(MoveLog(), BY) == acted(12)
    assert await night.service.answer(SetLogLevel(0), BY) == acted()

    assert night.taken == [
        ("note", "MOVE_LOG", BY, 0), ("move log",), ("note", "SET_LOG_LEVEL", BY, 0), ("level", "debug"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [Kick("a", 0, 0, ""), Purge("a", 0, ""), Drain(True), MoveLog(), SetLogLevel(0), GetConnections(0, 1)],
    ids=lambda command: Kind(command.KIND).name,
)
async def test_what_cant_be_written_down_is_not_done(command) -> None:
    night = Night()
    night.store.fault = Fault(Code.DISK, 5)

    with pytest.raises(Fault):
        await night.service.answer(command, BY)

    assert night.taken == []


async def test_a_check_says_what_is_broken_and_what_was_not_looked_at() -> None:
    night = Night()

    checked = await night.service.answer(SelfCheck(), BY)

    assert checked == Checked((Found("one", 5, 0, ""), Found("two", 5, 1, "x" * 200)), ("three",))
