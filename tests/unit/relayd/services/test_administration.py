import pytest
import structlog

from relayd.domain.acting import Denied
from relayd.domain.refusals import Refusal
from relayd.metrics import Counters
from relayd.services.administration import (
    BURST_MAX,
    PARTS_BURST,
    PEOPLE_BURST_MAX,
    SEARCH_COST,
    Administration,
    break_glass,
)
from relayd.store import By
from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import BreakGlass, GetUnits
from relayproto.administration_replies import Acted, Units
from relayproto.codes import Code
from relayproto.commands import Act
from relayproto.people import GetPeople
from relayproto.rosters import Claim, Claimed, GetRoster, PutRoster, Rostered, RosterLine
from relayproto.standing import ActState, ClaimState
from relayproto.statistics import GetRetention, Kept, Retention
from support.desks import AgreeableStore, seat_of
from support.organisations import founding
from support.people import Person

ALICE, BOB = Person("alice"), Person("bob")
RELAY = b"r" * 32
ACT = Act(b"an act", bytes(64))
DONE = Acted(ActState.DONE, 7, 0, b"")
QUESTION = GetUnits(1, 0, 9)


class Registry(AgreeableStore):
    """Answers acts and questions as a test wants it."""

    def __init__(self) -> None:
        super().__init__(ALICE)
        self.denial: Denied | None = None
        self.to_prove = None
        self.written: list[tuple[object, ...]] = []

    async def domain_to_prove(self, seat, command):
        return self.to_prove

    async def act(self, seat, command, *, relay, proven):
        self.taken.append((seat, command, relay, proven))
        return self.denial.code if self.denial is not None else DONE

    async def answer(self, seat, question):
        if self.denial is not None:
            raise self.denial
        return Units((), False)

    async def put_roster(self, seat, command):
        return self.denial.code if self.denial is not None else Rostered(1, ())

    async def claim(self, seat, command):
        self.taken.append((seat, command))
        return Claimed(ClaimState.WAITING, command.name, command.title, 9)

    async def deny_question(self, *arguments: object) -> None:
        self.written.append(arguments)

    async def break_glass(self, address, ttl_s, by):
        self.taken.append((address, ttl_s, by))
        return DONE, BOB.account


class Resolver:
    """Proves one domain for one key, and notes what it was asked."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.asked: list[tuple[str, bytes]] = []

    async def proven(self, domain: str, root_key: bytes) -> bool:
        self.asked.append((domain, root_key))
        return domain == self.domain


async def test_an_act_goes_to_the_store_with_the_relay_that_it_has_to_be_for() -> None:
    store = Registry()

    assert await Administration(store, relay=RELAY).act(seat_of(ALICE), ACT, 0.0) is DONE

    assert store.taken == [(seat_of(ALICE), ACT, RELAY, frozenset())]


async def test_a_denial_is_a_refusal_with_its_code() -> None:
    store = Registry()
    store.denial = Denied(Code.REPLAYED)

    with pytest.raises(Refusal) as refused:
        await Administration(store, relay=RELAY).act(seat_of(ALICE), ACT, 0.0)

    assert refused.value.code is Code.REPLAYED


@pytest.mark.parametrize(
    ("domains", "proven"),
    [
        (None, frozenset()),
        (Resolver("new.example"), frozenset({"new.example"})),
        (Resolver("else.example"), frozenset()),
    ],
)
async def test_a_domain_is_looked_up_before_the_act(domains: Resolver | None, proven: frozenset[str]) -> None:
    store = Registry()
    store.to_prove = founding("New", "new.example", BOB.account)
    act = Act(acts.encode(Instruction(RELAY, ALICE.account, 1, 1, 1, 2, "", False, store.to_prove)), bytes(64))

    await Administration(store, relay=RELAY, domains=domains).act(seat_of(ALICE), act, 0.0)

    assert store.taken[0][3] == proven
    assert domains is None or domains.asked == [("new.example", store.to_prove.root_key)]


async def test_nothing_is_looked_up_for_who_could_not_use_it() -> None:
    resolver = Resolver("new.example")

    await Administration(Registry(), relay=RELAY, domains=resolver).act(seat_of(ALICE), ACT, 0.0)

    assert resolver.asked == []


async def test_a_question_is_answered() -> None:
    store = Registry()

    assert await Administration(store, relay=RELAY).question(seat_of(ALICE), QUESTION, 0.0) == Units((), False)

    assert store.written == []


async def test_a_denied_question_is_written_before_it_is_refused() -> None:
    store = Registry()
    store.denial = Denied(Code.NOT_PERMITTED)

    with pytest.raises(Refusal) as refused:
        await Administration(store, relay=RELAY).question(seat_of(ALICE), QUESTION, 0.0)

    assert refused.value.code is Code.NOT_PERMITTED
    assert store.written == [(seat_of(ALICE), QUESTION, Code.NOT_PERMITTED)]


async def test_acts_and_questions_share_a_rate_of_the_device() -> None:
    service = Administration(Registry(), relay=RELAY)
    for _ in range(BURST_MAX - 1):
        await service.question(seat_of(ALICE), QUESTION, 0.0)
    await service.act(seat_of(ALICE), ACT, 0.0)

    with pytest.raises(Refusal) as refused:
        await service.question(seat_of(ALICE), QUESTION, 0.0)
    with pytest.raises(Refusal):
        await service.act(seat_of(ALICE), ACT, 0.0)

    assert (refused.value.code, refused.value.retry_after_ms) == (Code.RATE, 201)
    assert await service.act(seat_of(BOB, row=2), ACT, 0.0) is DONE
    assert await service.act(seat_of(ALICE), ACT, 0.3) is DONE


async def test_a_broken_glass_is_loud() -> None:
    store, counters = Registry(), Counters()
    command = BreakGlass("Bob@gad.example", 3_600, "nobody else can be reached")

    with structlog.testing.capture_logs() as logged:
        assert await break_glass(store, counters, command, By(0, command.reason)) is DONE

    assert store.taken == [("bob@gad.example", 3_600, By(0, "nobody else can be reached"))]
    assert counters.break_glass == 1
    [event] = logged
    assert (event["log_level"], event["account"]) == ("critical", BOB.account.hex())
    assert (event["record"], event["ttl_s"]) == (7, 3_600)
    assert "nobody else" not in repr(event), "why is for the auditors"


async def test_an_address_that_is_none_breaks_no_glass() -> None:
    store, counters = Registry(), Counters()

    with pytest.raises(Refusal) as refused:
        await break_glass(store, counters, BreakGlass("nobody", 60, "x"), By(0, "x"))

    assert refused.value.code is Code.BAD_ADDRESS
    assert (store.taken, counters.break_glass) == ([], 0)


async def test_anybody_is_told_what_is_kept_page_by_page_and_the_store_is_not_asked() -> None:
    kept = tuple(Kept("account", f"column {number}", "members", "x" * 250, "y" * 250, 60) for number in range(90))
    store = Registry()
    store.denial = Denied(Code.NOT_PERMITTED)
    administration = Administration(store, relay=RELAY, kept=kept)

    found: list[Kept] = []
    for _ in range(9):
        page = await administration.question(seat_of(ALICE), GetRetention(len(found), 50), 0.0)
        assert isinstance(page, Retention)
        assert len(page.rows) <= 50
        found += page.rows

    assert tuple(found) == kept
    assert page == Retention((), False)
    assert store.written == []


PART = PutRoster(1, b"n" * 16, 0, (RosterLine("bob@gad.example", "", ""),))


async def test_parts_of_a_roster_have_a_rate_of_their_own() -> None:
    administration = Administration(Registry(), relay=RELAY)

    for _ in range(PARTS_BURST):
        assert await administration.put_roster(seat_of(ALICE), PART, 0.0) == Rostered(1, ())
    with pytest.raises(Refusal) as refused:
        await administration.put_roster(seat_of(ALICE), PART, 0.0)

    assert refused.value.code is Code.RATE
    assert refused.value.retry_after_ms > 0
    await administration.question(seat_of(ALICE), QUESTION, 0.0)
    await administration.put_roster(seat_of(BOB), PART, 0.0)
    for _ in range(PARTS_BURST - 1):
        await administration.question(seat_of(BOB), GetRoster(1, b"", 0, 9), 0.0)
    with pytest.raises(Refusal):
        await administration.question(seat_of(BOB), GetRoster(1, b"", 0, 9), 0.0)


async def test_who_may_not_hand_a_roster_in_is_refused() -> None:
    store = Registry()
    store.denial = Denied(Code.NOT_PERMITTED)

    with pytest.raises(Refusal) as refused:
        await Administration(store, relay=RELAY).put_roster(seat_of(ALICE), PART, 0.0)

    assert refused.value.code is Code.NOT_PERMITTED


async def test_a_claim_goes_to_the_store_at_the_rate_of_questions() -> None:
    store = Registry()
    administration = Administration(store, relay=RELAY)
    said = Claim("Alice Rao", "")

    for _ in range(BURST_MAX):
        assert (await administration.claim(seat_of(ALICE), said, 0.0)).state is ClaimState.WAITING
    with pytest.raises(Refusal) as refused:
        await administration.claim(seat_of(ALICE), said, 0.0)

    assert refused.value.code is Code.RATE
    assert store.taken[0] == (seat_of(ALICE), said)


@pytest.mark.parametrize(("sought", "most"), [("", PEOPLE_BURST_MAX), ("roy", PEOPLE_BURST_MAX // SEARCH_COST)])
async def test_pages_of_people_have_a_rate_of_their_own_and_a_search_counts_for_several(sought, most) -> None:
    service, asked = Administration(Registry(), relay=RELAY), GetPeople(1, sought, b"", 9)
    for turn in range(int(most)):
        await service.question(seat_of(ALICE), asked, turn * 0.001)

    with pytest.raises(Refusal) as refused:
        await service.question(seat_of(ALICE), asked, 0.2)
    await service.question(seat_of(ALICE), QUESTION, 30.0)
    await service.question(seat_of(ALICE), asked, 30.0)

    assert refused.value.code is Code.RATE
