"""What strangers learn by asking for codes, and how much they get done, over real TCP and a real store.

Whether a contact is known, expected or not wanted, the answer is the same frame to the byte, hence the same record.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest

from relayd.config import RegistrationSection
from relayd.domain.refusals import Refusal
from relayd.services.registration import PLACE_CODES_PER_HOUR
from relayproto import message
from relayproto.codes import Code, GoawayCode, Purpose
from relayproto.commands import GetCode, Lookup, Register
from relayproto.events import Closed, Established
from relayproto.limits import CODES_A_DAY_MAX, ENROL_COMMANDS_MAX
from relayproto.message import Message
from relayproto.replies import Done, Enrolled, Refused
from relayproto.standing import UnitState
from support.device import Line, client, dial, enrol, enrolment
from support.live_relay import LiveRelay, live_relay, until
from support.people import Person

ORGANISATIONS = RegistrationSection(mode="organisations", unit="unit")
CONTACTS = {
    "has an account": "alice@gad.example",
    "may register": "bobby@gad.example",
    "may not": "carol@far.example",
    "is of a suspended organisation": "erin@gone.example",
    "is no address": "dave-at-far.example",
}


class Unit:
    """Sends nothing and remembers everything; it takes its time."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    async def ask(self, question: dict[str, object]) -> dict[str, object]:
        self.asked.append(question)
        await asyncio.sleep(0.05)
        return {"sent": True}


async def entrance(relay: LiveRelay) -> Line:
    line = await dial(relay.port, client(Purpose.ENROL, None, None))
    await line.expect(Established)
    return line


async def answered(relay: LiveRelay, command: Message) -> Message:
    line = await entrance(relay)
    line.say(command)
    answer = await line.expect((Done, Refused, Enrolled))
    await line.close()
    return answer


async def prove(relay: LiveRelay) -> None:
    def write(commit) -> None:
        for unit, domain, state in ((1, "gad.example", UnitState.ACTIVE), (2, "gone.example", UnitState.SUSPENDED)):
            commit.db.execute(
                "INSERT INTO unit (id, under, organisation, name, state) VALUES (?1, 0, ?1, ?2, ?3)",
                (unit, domain, state),
            )
            commit.db.execute("INSERT INTO domain (name, unit) VALUES (?, ?)", (domain, unit))

    await relay.store._act(write)


def register_of(person: Person, contact: str, code: str, address: str) -> Register:
    same = enrolment(person, bytes(16))
    return Register(contact, code, address, same.devices, same.signature, same.prekeys)


async def test_who_is_known_expected_or_unwanted_gets_the_same_answers(tmp_path: Path) -> None:
    unit, said = Unit(), {}
    async with live_relay(tmp_path, registration=ORGANISATIONS, codes=unit) as relay:
        await prove(relay)
        await enrol(relay.port, Person("alice"), await relay.ticket("alice@gad.example"))
        for name, contact in CONTACTS.items():
            questions = [GetCode(contact)] * (CODES_A_DAY_MAX if "@" in contact else 1)
            questions.append(register_of(Person("mallory"), contact, "00000000", contact))
            said[name] = [message.encode(await answered(relay, each)) for each in questions]
        await until(lambda: relay.counters.codes["sent"] == 2 * CODES_A_DAY_MAX)

    done, wrong = message.encode(Done()), message.encode(Refused(Code.BAD_TICKET, 0))
    for name, frames in said.items():
        assert set(frames[:-1]) == {done}, name
        assert frames[-1] == wrong, name
    assert {question["contact"] for question in unit.asked} == {"alice@gad.example", "bobby@gad.example"}


async def test_the_fourth_of_a_day_is_refused_alike(tmp_path: Path) -> None:
    refusals = []
    async with live_relay(tmp_path, registration=ORGANISATIONS, codes=Unit()) as relay:
        await prove(relay)
        for contact in [each for each in CONTACTS.values() if "@" in each]:
            for _ in range(CODES_A_DAY_MAX):
                await answered(relay, GetCode(contact))
            refusals.append(message.encode(await answered(relay, GetCode(contact))))

    assert len(set(refusals)) == 1
    assert message.encode(Refused(Code.RATE, 86_400_000)) == refusals[0]


async def test_the_answer_does_not_wait_for_the_unit(tmp_path: Path) -> None:
    class Stuck(Unit):
        async def ask(self, question: dict[str, object]) -> dict[str, object]:
            self.asked.append(question)
            await asyncio.Event().wait()
            raise AssertionError

    unit = Stuck()
    async with live_relay(tmp_path, registration=ORGANISATIONS, codes=unit) as relay:
        await prove(relay)

        assert isinstance(await answered(relay, GetCode("bobby@gad.example")), Done)
        await until(lambda: bool(unit.asked))


async def test_a_flood_is_bounded_where_it_comes_from_and_altogether(tmp_path: Path) -> None:
    section = RegistrationSection(mode="open", unit="unit", codes_per_hour=40)
    async with live_relay(tmp_path, registration=section, codes=Unit()) as relay:
        verbs, answers = relay.rooms.desk.registration, []
        for place in range(4):
            for each in range(PLACE_CODES_PER_HOUR):
                with contextlib.suppress(Refusal):
                    await verbs.get_code(GetCode(f"a{place}-{each}@far.example"), bytes([place]))
                    answers.append(place)

        assert len(answers) == 40
        assert answers.count(0) == PLACE_CODES_PER_HOUR


async def test_a_connection_without_an_account_says_so_much_and_no_more(tmp_path: Path) -> None:
    async with live_relay(tmp_path, registration=ORGANISATIONS, codes=Unit()) as relay:
        line = await entrance(relay)
        for each in range(ENROL_COMMANDS_MAX + 1):
            line.say(GetCode(f"a{each}@far.example"))
        closed = await line.expect(Closed)

        assert closed.code == GoawayCode.BAD_STATE


@pytest.mark.parametrize(
    "command", [GetCode("alice@gad.example"), register_of(Person("x"), "a@b.example", "1", "a@b.example")]
)
async def test_a_closed_relay_says_one_thing(tmp_path: Path, command: Message) -> None:
    async with live_relay(tmp_path) as relay:
        closed = await answered(relay, command)
        unknown = await answered(relay, Lookup("alice@gad.example"))

    assert closed == unknown == Refused(Code.UNSUPPORTED, 0)
