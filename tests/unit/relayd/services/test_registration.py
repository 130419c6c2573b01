import asyncio

import pytest

from relayd.domain.answers import Enrolment
from relayd.domain.refusals import Fault, Refusal
from relayd.metrics import Counters
from relayd.services import registration as service
from relayd.services.registration import (
    PLACE_CODES_PER_HOUR,
    PLACE_TRIES_PER_HOUR,
    SENDING_MAX,
    Parcel,
    Registration,
    bounds,
)
from relayd.store.registrations import Mode, Terms
from relayproto.codes import Code
from relayproto.commands import GetCode, Register
from relayproto.limits import CODE_LIFETIME_S
from support.changed import replace
from support.clocks import HandClock
from support.device import enrolment
from support.people import Person

HERE, THERE = b"here", b"there"
CONTACT = "alice@mail.example"


class Shelf:
    """Takes every code in and says of each whether it is to be sent."""

    def __init__(self, *, wanted: bool = True, answer: object = None) -> None:
        self.wanted = wanted
        self.answer = answer
        self.taken: list[tuple[object, ...]] = []

    async def take_code(self, *arguments: object) -> bool:
        self.taken.append(arguments)
        return self.wanted

    async def register(self, *arguments: object) -> object:
        self.taken.append(arguments)
        return self.answer


class Sender:
    """A unit that answers as it is told."""

    def __init__(self, answer: object = None) -> None:
        self.answer = {"sent": True} if answer is None else answer
        self.asked: list[dict[str, object]] = []

    async def ask(self, question: dict[str, object]) -> object:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def registration(
    shelf: Shelf, sender: Sender | None = None, mode: Mode = Mode.OPEN, per_hour: int = 600
) -> Registration:
    return Registration(
        store=shelf, terms=Terms(mode), unit=sender, bounds=bounds(per_hour), descriptor=b"descriptor",
        clock=HandClock(), counters=Counters(), entropy=lambda count: b"\xff" * count,
    )  # fmt: skip


async def refused(awaitable) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await awaitable
    return caught.value


def register_of(person: Person, contact: str = CONTACT) -> Register:
    same = enrolment(person, bytes(16))
    return Register(contact, "12345678", "alice@city.example", same.devices, same.signature, same.prekeys)


async def test_a_code_of_eight_digits_is_kept_and_sent_afterwards() -> None:
    shelf, sender = Shelf(), Sender()
    verbs = registration(shelf, sender)

    parcel = await verbs.get_code(GetCode(" Alice@Mail.example"), HERE)
    before = list(sender.asked)
    await verbs.send(parcel)

    assert shelf.taken == [(CONTACT, "09551615", Terms(Mode.OPEN))]
    assert (before, sender.asked) == ([], [{"question": "code", "contact": CONTACT, "code": "09551615"}])
    assert verbs.counters.codes == {"asked": 1, "sent": 1}
    assert repr(parcel) == "Parcel"


@pytest.mark.parametrize("contact", ["no address", "", "a@b", "x" * 254])
async def test_what_is_no_address_is_answered_alike_and_gets_nothing(contact: str) -> None:
    shelf, sender = Shelf(), Sender()
    verbs = registration(shelf, sender)

    await verbs.send(await verbs.get_code(GetCode(contact), HERE))

    assert (shelf.taken, sender.asked) == ([], [])


async def test_whom_the_store_does_not_want_is_sent_nothing() -> None:
    sender = Sender()
    verbs = registration(Shelf(wanted=False), sender)

    await verbs.send(await verbs.get_code(GetCode(CONTACT), HERE))

    assert sender.asked == []
    assert verbs.counters.codes == {"asked": 1}


@pytest.mark.parametrize("answer", [Fault(Code.UNAVAILABLE, 1), {"error": "no"}, {}, {"sent": "yes"}, {"error": 1}])
async def test_a_code_that_was_not_sent_is_counted_and_logged_without_anybodys_name(answer, capsys) -> None:
    verbs = registration(Shelf(), Sender(answer))

    await verbs.send(await verbs.get_code(GetCode(CONTACT), HERE))

    assert verbs.counters.codes == {"asked": 1, "failed": 1}
    said = "".join(capsys.readouterr())
    assert CONTACT not in said
    assert "09551615" not in said


async def test_where_it_is_closed_nothing_is_looked_at() -> None:
    shelf = Shelf()
    verbs = registration(shelf, mode=Mode.CLOSED)

    answers = [
        await refused(verbs.get_code(GetCode(CONTACT), HERE)),
        await refused(verbs.register(register_of(Person("alice")), HERE)),
    ]

    assert [answer.code for answer in answers] == [Code.UNSUPPORTED] * 2
    assert (shelf.taken, verbs.counters.codes) == ([], {})


async def test_one_place_gets_so_many_codes_an_hour_and_leaves_the_others_theirs() -> None:
    verbs = registration(Shelf())
    for each in range(PLACE_CODES_PER_HOUR):
        await verbs.get_code(GetCode(f"a{each}@mail.example"), HERE)

    over = await refused(verbs.get_code(GetCode(CONTACT), HERE))
    await verbs.get_code(GetCode(CONTACT), THERE)
    verbs.clock.advance(over.retry_after_ms / 1000)
    await verbs.get_code(GetCode(CONTACT), HERE)

    assert (over.code, 0 < over.retry_after_ms <= 120_001) == (Code.RATE, True)
    assert verbs.counters.codes["refused"] == 1


async def test_all_places_together_get_so_many_and_what_is_wanted_or_not_counts_alike() -> None:
    answers = []
    for wanted in (True, False):
        verbs = registration(Shelf(wanted=wanted), per_hour=3)
        for each in range(3):
            await verbs.get_code(GetCode(f"a{each}@mail.example"), bytes([each]))
        over = await refused(verbs.get_code(GetCode(CONTACT), HERE))
        answers.append((over.code, over.retry_after_ms))

    assert answers[0] == answers[1]
    assert answers[0][0] is Code.RATE


async def test_who_is_refused_by_the_relays_bound_has_not_used_up_his_own() -> None:
    verbs = registration(Shelf(), per_hour=1)
    await verbs.get_code(GetCode(CONTACT), THERE)
    for _ in range(PLACE_CODES_PER_HOUR + 1):
        await refused(verbs.get_code(GetCode(CONTACT), HERE))

    verbs.clock.advance(3_600)

    await verbs.get_code(GetCode(CONTACT), HERE)


async def test_a_code_becomes_an_account() -> None:
    alice = Person("alice")
    shelf = Shelf(answer=Enrolment(alice.account, "alice@city.example"))
    verbs = registration(shelf)

    enrolled = await verbs.register(register_of(alice), HERE)

    assert (enrolled.account, enrolled.address, enrolled.descriptor) == (
        alice.account, "alice@city.example", b"descriptor",
    )  # fmt: skip
    assert shelf.taken == [(register_of(alice), CONTACT, "alice@city.example", alice.list, Terms(Mode.OPEN))]
    assert verbs.counters.registrations == {"done": 1}


async def test_what_the_store_says_no_to_is_refused() -> None:
    verbs = registration(Shelf(answer=Code.LIMIT))

    no = await refused(verbs.register(register_of(Person("alice")), HERE))

    assert (no.code, verbs.counters.registrations) == (Code.LIMIT, {"refused": 1})


async def test_what_is_not_signed_is_not_looked_up() -> None:
    shelf = Shelf()
    verbs = registration(shelf)

    no = await refused(verbs.register(replace(register_of(Person("alice")), signature=bytes(64)), HERE))
    none = await refused(verbs.register(register_of(Person("alice"), "no address"), HERE))

    assert (no.code, none.code, shelf.taken) == (Code.BAD_SIGNATURE, Code.BAD_TICKET, [])


async def test_one_place_tries_so_often_an_hour() -> None:
    verbs = registration(Shelf(answer=Code.BAD_TICKET))
    command = replace(register_of(Person("alice")), signature=bytes(64))
    for _ in range(PLACE_TRIES_PER_HOUR):
        await refused(verbs.register(command, HERE))

    assert (await refused(verbs.register(command, HERE))).code is Code.RATE
    assert (await refused(verbs.register(command, THERE))).code is Code.BAD_SIGNATURE


class Slow(Sender):
    """A unit that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def ask(self, question: dict[str, object]) -> object:
        self.asked.append(question)
        await self.go.wait()
        return self.answer


async def parcels(verbs: Registration, count: int) -> list[Parcel]:
    return [await verbs.get_code(GetCode(f"a{each}@mail.example"), bytes([each])) for each in range(count)]


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_so_many_codes_are_with_the_unit_at_once_and_the_others_wait_in_line() -> None:
    unit = Slow()
    verbs = registration(Shelf(), unit)
    sending = [asyncio.create_task(verbs.send(each)) for each in await parcels(verbs, SENDING_MAX + 3)]
    await turns()
    at_once = len(unit.asked)

    unit.go.set()
    await asyncio.gather(*sending)

    assert at_once == SENDING_MAX
    assert [each["contact"] for each in unit.asked] == [f"a{each}@mail.example" for each in range(SENDING_MAX + 3)]
    assert verbs.counters.codes["sent"] == SENDING_MAX + 3


async def test_a_code_that_is_over_before_its_turn_is_not_sent() -> None:
    unit = Slow()
    verbs = registration(Shelf(), unit)
    sending = [asyncio.create_task(verbs.send(each)) for each in await parcels(verbs, SENDING_MAX + 1)]
    await turns()

    verbs.clock.advance(CODE_LIFETIME_S)
    unit.go.set()
    await asyncio.gather(*sending)

    assert (len(unit.asked), verbs.counters.codes["failed"], verbs.line.failing) == (SENDING_MAX, 1, 1)


async def test_the_line_has_an_end_and_is_there_again_when_it_has_moved(monkeypatch) -> None:
    monkeypatch.setattr(service, "WAITING_MAX", 2)
    unit = Slow()
    verbs = registration(Shelf(), unit)
    made = await parcels(verbs, SENDING_MAX + 4)
    sending = [asyncio.create_task(verbs.send(each)) for each in made[:-1]]
    await turns()
    beyond = verbs.counters.codes["failed"]

    unit.go.set()
    await asyncio.gather(*sending)
    await verbs.send(made[-1])

    assert beyond == 1
    assert (verbs.counters.codes["sent"], verbs.line.failing) == (SENDING_MAX + 3, 0)
