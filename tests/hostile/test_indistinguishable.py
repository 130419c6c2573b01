"""Who is blocked can't tell it from an account that is not there, is suspended, or is another relay's (spec 40 §2).

Mallory asks everything that there is to ask, over real TCP: what comes back is compared byte for byte, as frames and as
records on the wire, and so are the look-ups that the answers cost.
"""

import re
import sqlite3
from pathlib import Path

import pytest

from relayd.store import By
from relayd.store.commit import Commit
from relayproto import message
from relayproto.codes import Code, Kind, SubmitFlag
from relayproto.commands import Block, Ephemeral, GetBundles, GetDevices, Lookup, Submit, Target, Wrap
from relayproto.message import Message
from relayproto.notices import Passing
from relayproto.replies import Bundles, Done
from support.device import Line, enrol, login, submit
from support.live_relay import LiveRelay, live_relay, until
from support.people import Person

BOB = Person("bob")
CASES = {
    "blocked": (BOB, "bob@gad.example"),
    "unknown": (Person("nobody"), "nobody@gad.example"),
    "foreign": (Person("carol"), "carol@elsewhere.example"),
    "suspended": (Person("dave"), "dave@gad.example"),
    "suspended alone": (Person("erin"), "erin@gad.example"),
}
ASKING = SubmitFlag.OUTCOME | SubmitFlag.WRITABLE


def typing(person: Person) -> Ephemeral:
    return Ephemeral(Target(person.account, 1, (Wrap(1, b"typing"),)))


def questions(person: Person, address: str) -> dict[str, tuple[Message, ...]]:
    """Return what is asked of a case; typing has no answer, so something with one stands behind it."""
    group = submit(2, person, BOB, flags=ASKING)
    target = Target(person.account, 99, (Wrap(1, b"wrap"), Wrap(7, b"wrap")))
    mismatched = Submit(1, 0, group.class_, 60, ASKING, group.commitment, b"sealed", None, (target,), None)
    return {
        "submit": (submit(1, person, flags=ASKING),),
        "submit with wrong devices": (mismatched,),
        "lookup": (Lookup(address),),
        "bundles": (GetBundles(person.account, ()),),
        "bundles of one device": (GetBundles(person.account, (1,)),),
        "devices": (GetDevices(person.account),),
        "typing": (typing(person), GetDevices(b"x" * 32)),
    }


class Wire:
    """Counts the bytes of a line's records."""

    def __init__(self, line: Line) -> None:
        self.octets = 0
        self._line, self._receive = line, line.data_received
        line.data_received = self.data_received  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        self.octets += len(data)
        self._receive(data)


async def answers(line: Line) -> list[bytes]:
    """Return the frames that come."""
    frames: list[bytes] = []
    for happened in await line.silence(0.25):
        assert isinstance(happened, Message), happened
        frames.append(message.encode(happened))
    return frames


async def enrolled(relay: LiveRelay, person: Person, name: str) -> None:
    await enrol(relay.port, person, await relay.ticket(f"{name}@gad.example"))


async def suspended(relay: LiveRelay) -> None:
    """Enrol who belongs to an organisation that is suspended, and who is by the relay's operator."""
    dave, _ = CASES["suspended"]
    await enrolled(relay, dave, "dave")

    def suspend(commit: Commit) -> None:
        commit.db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'Office', 2)")
        commit.db.execute("UPDATE account SET unit = 1 WHERE account = ?", (dave.account,))
        commit.tools.residents.forget_account(dave.account)

    await relay.store._act(suspend)
    erin, address = CASES["suspended alone"]
    await enrolled(relay, erin, "erin")
    await relay.store.suspend(address, By(0), suspended=True)


async def heard(relay: LiveRelay, name: str, said: tuple[Message, ...]) -> tuple[list[bytes], int]:
    """Let a new Mallory, whom Bob blocks, ask; return the answers' frames and the bytes on the wire."""
    mallory = Person(name)
    await enrolled(relay, mallory, name)
    bob, _ = await login(relay.port, BOB)
    bob.say(Block(mallory.account, True))
    await bob.expect(Done)
    line, _ = await login(relay.port, mallory)
    await line.silence()
    wire = Wire(line)
    line.say(*said)
    frames, octets = await answers(line), wire.octets
    passed_on = [came for came in await bob.silence() if isinstance(came, Passing)]
    assert passed_on == []
    await line.close()
    await bob.close()
    return frames, octets


@pytest.mark.parametrize("question", questions(*CASES["blocked"]))
async def test_blocked_unknown_foreign_and_suspended_answer_with_the_same_bytes(tmp_path: Path, question: str) -> None:
    async with live_relay(tmp_path) as relay:
        await enrolled(relay, BOB, "bob")
        await suspended(relay)

        found = {
            case: await heard(relay, f"mallory-{case}", questions(person, address)[question])
            for case, (person, address) in CASES.items()
        }

        assert found["blocked"][0]
        assert found["unknown"] == found["blocked"]
        assert found["foreign"] == found["blocked"]
        assert found["suspended"] == found["blocked"]
        assert found["suspended alone"] == found["blocked"]


async def test_who_is_not_blocked_is_answered_so_the_comparison_means_something(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        alice = Person("alice")
        await enrolled(relay, BOB, "bob")
        await enrolled(relay, alice, "alice")
        bob, _ = await login(relay.port, BOB)
        line, _ = await login(relay.port, alice)

        line.say(GetBundles(BOB.account, ()), typing(BOB))

        assert await line.expect(Bundles)
        assert await bob.expect(Passing) == Passing(alice.account, 1, b"typing")


def found_in(directory: Path, octets: bytes) -> bool:
    return any(octets in path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_typing_never_touches_the_disk(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        alice = Person("alice")
        await enrolled(relay, BOB, "bob")
        await enrolled(relay, alice, "alice")
        bob, _ = await login(relay.port, BOB)
        line, _ = await login(relay.port, alice)
        await line.silence()
        before = relay.counters.commits

        line.say(*[typing(BOB)] * 3)
        await bob.several(Passing, 3)

        assert relay.counters.commits == before
        assert not found_in(tmp_path, b"typing")


class Traced:
    """The shapes of the statements that a connection of the store runs."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, statement: str) -> None:
        self.statements.append(re.sub(r"x'[0-9a-f]*'|'[^']*'|\b\d+\b", "?", statement, flags=re.IGNORECASE))

    def taken(self) -> list[str]:
        statements, self.statements = self.statements, []
        return statements


@pytest.mark.parametrize("thread", ["reader", "writer"])
async def test_the_answers_cost_the_same_look_ups(tmp_path: Path, thread: str) -> None:
    async with live_relay(tmp_path) as relay:
        mallory = Person("mallory")
        await enrolled(relay, BOB, "bob")
        await enrolled(relay, mallory, "mallory")
        await suspended(relay)
        bob, _ = await login(relay.port, BOB)
        bob.say(Block(mallory.account, True))
        await bob.expect(Done)
        line, _ = await login(relay.port, mallory)
        # The rosters of accounts that exist are in memory from here on.
        line.say(submit(1, BOB, CASES["suspended"][0], CASES["suspended alone"][0]))
        await line.silence()
        trace = Traced()

        def follow(db: sqlite3.Connection) -> None:
            db.set_trace_callback(trace)

        await getattr(relay.store._opened, thread).run(follow)
        costs = {}
        for number, (case, (person, address)) in enumerate(CASES.items(), 2):
            commits = relay.counters.commits
            if thread == "reader":
                line.say(Lookup(address), GetDevices(person.account), typing(person))
            else:
                line.say(submit(number, person))
                await until(lambda commits=commits: relay.counters.commits > commits)
            await line.silence()
            costs[case] = [each for each in trace.taken() if each.startswith("SELECT")]

        assert len({len(cost) for cost in costs.values()}) == 1
        assert costs["blocked"]
        if thread == "reader":
            assert all(cost == costs["blocked"] for cost in costs.values())
        await getattr(relay.store._opened, thread).run(lambda db: db.set_trace_callback(None))


async def test_a_refusal_says_nothing_but_its_code(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        await enrolled(relay, BOB, "bob")

        frames, _ = await heard(relay, "mallory", (Lookup("bob@gad.example"),))

        assert frames == [bytes((0x94, 0xCC, Kind.REFUSED, 0, 0xCC, Code.NOT_AVAILABLE, 0))]
