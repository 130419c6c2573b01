"""Who is blocked, hidden or suspended can't be told from an account that is not there (spec 40 §2).

Mallory says everything that there is to say, over real TCP: of every kind that names a person, once about each of
several people of whom he may know nothing. What comes back is compared byte for byte, as frames and as records on the
wire, and so are the look-ups that the answers cost.
"""

import re
from pathlib import Path

import pytest

from relayd.store import By, settling
from relayd.store.commit import Commit
from relayproto import frame
from relayproto.administration import CHANGES
from relayproto.codes import Code, Kind
from relayproto.commands import Block, Ephemeral, GetDevices, Target, Wrap
from relayproto.notices import Passing
from relayproto.policy import ACTIONS, ROW_BYTES
from relayproto.replies import Done, Refused
from relayproto.rosters import Claim, ImportRoster, PutRoster, Rostered, RosterLine, digest
from relayproto.standing import Action, Permission, Role, Standing, UnitState
from support.asking import Heard, Signing, enrolling, hear, patient_relay, voice
from support.device import login
from support.every_kind import ENROLLING, EVERY, SCENARIOS, Asker, Whom, names_a_person
from support.live_relay import LiveRelay, live_relay
from support.people import Person
from support.reading import fields_of
from support.worlds import acted, done, enrolled, found, hold, place, seat, warranted

GAD, RECORDS, CLOSED, WORKS = 1, 2, 3, 4
"""An organisation with a unit, one that is suspended, and Mallory's own."""
BOB = Person("bob")
CASES = {
    "unknown": Whom(Person("nobody"), "nobody@gad.example", RECORDS, GAD),
    "foreign": Whom(Person("frank"), "frank@elsewhere.example", RECORDS, GAD),
    "blocked": Whom(BOB, "bob@town.example", RECORDS, GAD),
    "blocked officer": Whom(Person("olga"), "olga@gad.example", RECORDS, GAD),
    "suspended": Whom(Person("erin"), "erin@town.example", RECORDS, GAD),
    "of a suspended organisation": Whom(Person("dave"), "dave@closed.example", RECORDS, GAD),
    "hidden": Whom(Person("hugo"), "hugo@town.example", RECORDS, GAD),
    "hidden officer": Whom(Person("hilda"), "hilda@gad.example", RECORDS, GAD),
    "expected": Whom(Person("xena"), "xena@gad.example", RECORDS, GAD),
    "hidden claimant": Whom(Person("clara"), "clara@gad.example", RECORDS, GAD),
    "unlisted": Whom(Person("uma"), "uma@town.example", RECORDS, GAD),
}
NOT_THERE = {"unknown", "foreign", "expected"}
VERA = Person("vera")
ROSTER = b"r" * 16
WRITING = {Kind.SUBMIT, Kind.EPHEMERAL}
"""What other actions than look-ups govern: who is unlisted may be written to, by whoever knows the account."""
NAMING = {Kind(number) for number, kind in EVERY.items() if names_a_person(kind)}
HIDDEN = bytes([Permission.DENY]) * ROW_BYTES
UNLISTED = bytes([Permission.DENY if cell % ACTIONS == Action.LOOKUP else 0 for cell in range(ROW_BYTES)])
"""Nobody may do anything; nobody may look up."""
EVERYTHING_BUT_AUDITING = set(Role) - {Role.AUDITOR, Role.PLATFORM_OPERATOR}
"""What Mallory the officer holds over his own organisation: an auditor holds nothing else."""


async def a_world(relay: LiveRelay) -> None:
    """Let the people of the cases be what their names say, to Mallory of the case."""
    for case, whom in CASES.items():
        if case not in NOT_THERE:
            await enrolled(relay, whom.person, whom.address)

    await enrolled(relay, VERA, "vera@gad.example")

    def come(commit: Commit) -> None:
        found(commit, GAD, "gad.example", RECORDS)
        place(commit, VERA, GAD, Standing.VERIFIED)
        hold(commit, VERA, GAD, Role.VERIFIER)
        found(commit, CLOSED, "closed.example")
        found(commit, WORKS, "works.example")
        commit.db.execute("UPDATE unit SET state = ? WHERE id = ?", (UnitState.SUSPENDED, CLOSED))
        place(commit, CASES["blocked officer"].person, RECORDS, Standing.VERIFIED)
        place(commit, CASES["hidden officer"].person, RECORDS, Standing.VERIFIED)
        place(commit, CASES["of a suspended organisation"].person, CLOSED, Standing.VERIFIED)

    await done(relay, come)
    await relay.store.suspend(CASES["suspended"].address, By(0), suspended=True)
    await expect(relay, RosterLine(CASES["expected"].address, "Xena Das", ""))
    await relay.store.claim(await seat(relay, CASES["hidden claimant"].person), Claim("Clara Rao", ""))
    for case, whom in CASES.items():
        if case.startswith(("hidden", "unlisted")):
            row = UNLISTED if case == "unlisted" else HIDDEN
            await relay.store.put_policy(await seat(relay, whom.person), row)


async def expect(relay: LiveRelay, line: RosterLine) -> None:
    """Let a verifier bring a roster of one line in force, of somebody who is not there yet."""
    staged = await relay.store.put_roster(await seat(relay, VERA), PutRoster(GAD, ROSTER, 0, (line,)))
    assert staged == Rostered(1, ())
    await acted(relay, VERA, Signing(VERA), ImportRoster(GAD, ROSTER, 1, digest([line])))


async def a_mallory(relay: LiveRelay, name: str, *, officer: bool) -> Asker:
    """Enrol a Mallory whom everybody blocks that blocks anybody."""
    asker = Asker(Person(name), WORKS, "works.example", relay.clock.now_ms())
    await enrolled(relay, asker.person, f"{name}@works.example" if officer else f"{name}@town.example")

    def come(commit: Commit) -> None:
        place(commit, asker.person, WORKS, Standing.VERIFIED)
        hold(commit, asker.person, WORKS, *EVERYTHING_BUT_AUDITING)
        warranted(commit, asker)

    if officer:
        await done(relay, come)
    for case in ("blocked", "blocked officer"):
        await relay.store.block(await seat(relay, CASES[case].person), asker.person.account, blocked=True)
    return asker


def kinds_of(case: str) -> set[Kind]:
    return NAMING - WRITING if case == "unlisted" else NAMING


def told(heard: dict[str, dict[Kind, Heard]]) -> dict[tuple[str, str], list[object]]:
    """Return which answers tell somebody from who is not there, by kind and case."""
    return {
        (kind.name, case): [frame.decode(each) for each in said.frames]
        for case, answers in heard.items()
        for kind, said in answers.items()
        if said != heard["unknown"][kind]
    }


def test_every_kind_that_names_a_person_has_a_scenario() -> None:
    assert NAMING - SCENARIOS.keys() == set()
    assert {Kind.LOOKUP, Kind.SUBMIT, Kind.ATTEST, Kind.HAND_OVER, Kind.INVITE_MEMBER} < NAMING
    assert not NAMING & {Kind.GET_UNITS, Kind.PUT_POLICY, Kind.GET_RELAY_KEYS}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("officer", [False, True])
async def test_whom_mallory_may_not_know_of_answers_with_the_same_bytes_to_every_kind(
    tmp_path: Path, *, officer: bool
) -> None:
    async with patient_relay(tmp_path) as relay:
        await a_world(relay)

        heard = {}
        for number, (case, whom) in enumerate(CASES.items()):
            asker = await a_mallory(relay, f"mallory{number}", officer=officer)
            answers = await hear(relay, asker, whom, NAMING)
            heard[case] = {kind: answers[kind] for kind in kinds_of(case)}

        assert heard["unknown"].keys() == NAMING
        assert all(said.frames for said in heard["unknown"].values())
        assert told(heard) == {}


BESIDE = 7
OF_THE_ORGANISATION = {Kind.GRANT_ROLE, Kind.REVOKE_ROLE, Kind.HAND_OVER, Kind.INVITE_MEMBER}
"""What reaches all people of the organisation (spec 70 §4): its own hold roles, and an address is given once."""


@pytest.mark.timeout(300)
async def test_staff_of_another_unit_learn_no_more_of_who_hides_than_the_organisation_needs(tmp_path: Path) -> None:
    """They may list and attest the people of their unit: a list of addresses is not to tell who is elsewhere."""
    heard = {}
    for case in ("unknown", "blocked officer", "hidden officer"):
        (directory := tmp_path / case).mkdir()
        async with patient_relay(directory) as relay:
            await a_world(relay)
            asker = await staff_beside(relay)

            rosters = await hear(relay, asker, CASES[case], {Kind.PUT_ROSTER, Kind.IMPORT_ROSTER})
            while await relay.store._act(settling.settle):
                pass
            claims = await hear(relay, asker, CASES[case], {Kind.GET_CLAIMS})
            claim = await hear(relay, asker, CASES[case], {Kind.REFUSE_CLAIM})
            rest = await hear(relay, asker, CASES[case], NAMING - rosters.keys() - claim.keys() - OF_THE_ORGANISATION)
            heard[case] = {kind: said for part in (rosters, claims, claim, rest) for kind, said in part.items()}

    assert {Code(code) for code in codes(heard["unknown"][Kind.PUT_ROSTER])} == {Code.NOT_PERMITTED}
    assert told(heard) == {}


def codes(heard: Heard) -> list[int]:
    decoded = [frame.decode(each) for each in heard.frames]
    return [fields_of(each.octets)[0] for each in decoded if each.kind == Kind.REFUSED]


async def staff_beside(relay: LiveRelay) -> Asker:
    """Enrol a Mallory who verifies and administers another unit of the organisation."""
    asker = Asker(Person("mallory"), BESIDE, "gad.example", relay.clock.now_ms())
    await enrolled(relay, asker.person, "mallory@gad.example")

    def come(commit: Commit) -> None:
        commit.db.execute(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, 'Accounts', ?)",
            (BESIDE, GAD, GAD, UnitState.ACTIVE),
        )
        place(commit, asker.person, BESIDE, Standing.VERIFIED)
        hold(commit, asker.person, BESIDE, Role.VERIFIER, Role.UNIT_ADMIN)

    await done(relay, come)
    await relay.store.block(await seat(relay, CASES["blocked officer"].person), asker.person.account, blocked=True)
    return asker


async def test_who_is_not_blocked_is_answered_so_the_comparison_means_something(tmp_path: Path) -> None:
    async with patient_relay(tmp_path) as relay:
        alice = Asker(Person("alice"), 0, "works.example", relay.clock.now_ms())
        nobody = CASES["unknown"]
        await enrolled(relay, BOB, "bob@town.example")
        await enrolled(relay, alice.person, "alice@town.example")

        heard = {case: await hear(relay, alice, CASES[case], NAMING) for case in ("unknown", "blocked")}

        # A request differs by its number alone, so what is compared here are kinds of answers.
        kinds = {case: {kind: said_in(said) for kind, said in answers.items()} for case, answers in heard.items()}
        assert {kind for kind in NAMING if kinds["unknown"][kind] != kinds["blocked"][kind]} >= {
            Kind.LOOKUP, Kind.GET_BUNDLES, Kind.GET_DEVICES, Kind.SUBMIT
        }  # fmt: skip
        assert nobody.account != BOB.account


def said_in(heard: Heard) -> list[tuple[int, object]]:
    return [(decoded.kind, fields_of(decoded.octets)[-3:]) for decoded in map(frame.decode, heard.frames)]


async def test_typing_of_the_blocked_never_arrives(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        await enrolled(relay, BOB, "bob@town.example")
        await enrolled(relay, Person("alice"), "alice@town.example")
        await enrolled(relay, Person("mallory"), "mallory@town.example")
        bob, _ = await login(relay.port, BOB)
        bob.say(Block(Person("mallory").account, True))
        await bob.expect(Done)

        for name in ("mallory", "alice"):
            line, _ = await login(relay.port, Person(name))
            line.say(typing(BOB), GetDevices(bytes(32)))
            await line.expect(Refused)

        assert await bob.expect(Passing) == Passing(Person("alice").account, 1, b"typing")
        assert not any(isinstance(each, Passing) for each in bob.passed)


def typing(person: Person) -> Ephemeral:
    return Ephemeral(Target(person.account, 1, (Wrap(1, b"typing"),)))


def found_in(directory: Path, octets: bytes) -> bool:
    return any(octets in path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_typing_never_touches_the_disk(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        alice = Person("alice")
        await enrolled(relay, BOB, "bob@town.example")
        await enrolled(relay, alice, "alice@town.example")
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
        return [each for each in statements if each.startswith(("SELECT", "WITH"))]


ASKED = NAMING - CHANGES.keys()
"""Commands that name a person; who may not change somebody is told so after as many look-ups as it takes."""


@pytest.mark.timeout(300)
async def test_the_answers_cost_the_same_look_ups(tmp_path: Path) -> None:
    async with patient_relay(tmp_path) as relay:
        await a_world(relay)
        mallories = [await a_mallory(relay, f"mallory{number}", officer=False) for number in range(len(CASES))]
        traces = {"reader": Traced(), "writer": Traced()}
        for thread, trace in traces.items():
            await getattr(relay.store._opened, thread).run(lambda db, trace=trace: db.set_trace_callback(trace))
        costs: dict[tuple[str, Kind], dict[str, list[str]]] = {}

        for asker, (case, whom) in zip(mallories, CASES.items(), strict=True):
            async with voice(relay, asker.person) as made:
                for kind in sorted(kinds_of(case) & ASKED):
                    # Accounts that exist are in memory from the second time on; the first is each one's own.
                    for _ in range(2):
                        # The pages that a login asks for may still be read, on a thread that had no core.
                        await relay.store._opened.reader.run(lambda _: None)
                        for trace in traces.values():
                            trace.taken()
                        for each in SCENARIOS[kind](asker, whom):
                            await (enrolling(relay, each) if kind in ENROLLING else made.say(each))
                    for thread, trace in traces.items():
                        costs.setdefault((thread, kind), {})[case] = trace.taken()

        dear = {
            (thread, kind.name, case): (len(statements), len(cases["unknown"]))
            for (thread, kind), cases in costs.items()
            for case, statements in cases.items()
            if (statements if thread == "reader" else len(statements))
            != (cases["unknown"] if thread == "reader" else len(cases["unknown"]))
        }
        assert dear == {}
        assert all(any(cases["unknown"] for (_, asked), cases in costs.items() if asked is kind) for kind in ASKED)
        for thread in traces:
            await getattr(relay.store._opened, thread).run(lambda db: db.set_trace_callback(None))


async def test_a_refusal_says_nothing_but_its_code(tmp_path: Path) -> None:
    async with patient_relay(tmp_path) as relay:
        asker = await a_mallory_alone(relay)

        heard = await hear(relay, asker, CASES["unknown"], [Kind.LOOKUP])

        assert heard[Kind.LOOKUP].frames[0] == bytes(
            (0x94, 0xCC, Kind.REFUSED, 1, 0xCC, Code.NOT_AVAILABLE, 0)
        )  # fmt: skip


async def a_mallory_alone(relay: LiveRelay) -> Asker:
    asker = Asker(Person("mallory"), 0, "works.example", relay.clock.now_ms())
    await enrolled(relay, asker.person, "mallory@town.example")
    return asker
