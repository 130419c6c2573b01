from typing import Any

import pytest

from relayd.domain.answers import Enrolment
from relayd.domain.lookalikes import look
from relayd.domain.refusals import Refusal
from relayd.store import rosters
from relayd.store.commit import Commit
from relayd.store.registrations import Mode, Terms
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import Register
from relayproto.ids import Address
from relayproto.limits import CODE_LIFETIME_S, CODE_TRIES_MAX, CODES_A_DAY_MAX, CONTACT_KEPT_S
from relayproto.standing import PLATFORM, Standing, UnitState
from support.stores import DAY_S, Guest, House, guest, house

ALICE = "alice@mail.example"
CODE = "12345678"
OPEN = Terms(Mode.OPEN, frozenset({"city.example"}))


async def proven(relay: House, domain: str, state: UnitState = UnitState.ACTIVE) -> None:
    """Let an organisation have proven a domain, as if it had been let in; once more: let it be in another state."""

    def let_in(commit: Commit) -> None:
        commit.db.execute(
            "INSERT OR REPLACE INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'One', ?)", (state,)
        )
        commit.db.execute("INSERT OR REPLACE INTO domain (name, unit) VALUES (?, 1)", (domain,))

    await relay.store._act(let_in)


async def asked(relay: House, contact: str = ALICE, code: str = CODE, terms: Terms = OPEN) -> bool:
    return await relay.store.take_code(contact, code, terms)


async def registered(relay: House, someone: Guest, address: str = "alice@city.example", *, contact: str = ALICE,
                     code: str = CODE, terms: Terms = OPEN) -> Enrolment | Code:  # fmt: skip
    prekeys = (someone.prekey(PrekeyKind.SIGNED, 1), someone.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
    command = Register(contact, code, address, *someone.listed(), prekeys)
    return await relay.store.register(command, contact, address, someone.devices, terms)


async def rows(relay: House, table: str) -> list[tuple[Any, ...]]:
    return await relay.store._read(lambda db: db.execute(f"SELECT * FROM {table}").fetchall())


async def test_a_code_makes_an_account_that_belongs_to_nobody(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = guest("alice")
        wanted = await asked(relay)

        made = await registered(relay, alice)

        assert wanted
        assert made == Enrolment(alice.account, "alice@city.example")
        found = await relay.store._read(lambda db: db.execute("SELECT address, unit, standing FROM account").fetchall())
        assert found == [("alice@city.example", PLATFORM, Standing.PUBLIC)]
        assert await relay.login(alice)


async def test_a_lost_answer_is_given_again_and_to_nobody_else(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = guest("alice"), guest("mallory")
        await asked(relay)

        first = await registered(relay, alice)
        again = await registered(relay, alice)
        await relay.reopen()
        after_restart = await registered(relay, alice)
        another = await registered(relay, mallory, "mallory@city.example")

        assert first == again == after_restart
        assert another is Code.BAD_TICKET


async def test_what_is_no_good_code_is_one_answer(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = guest("alice")
        await asked(relay)

        wrong = await registered(relay, alice, code="12345679")
        unknown = await registered(relay, alice, contact="bob@mail.example")
        spelt_otherwise = await registered(relay, alice, contact="alice+more@mail.example")
        relay.clock.advance(CODE_LIFETIME_S)
        over = await registered(relay, alice)

        assert {wrong, unknown, spelt_otherwise, over} == {Code.BAD_TICKET}
        assert await rows(relay, "account") == []


async def test_a_code_is_tried_five_times_and_restarting_gives_no_more(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = guest("alice")
        await asked(relay)
        for each in range(CODE_TRIES_MAX):
            assert await registered(relay, alice, code=f"{each:08d}") is Code.BAD_TICKET
        await relay.reopen()

        assert await registered(relay, alice) is Code.BAD_TICKET


async def test_what_a_right_code_asks_in_vain_is_a_try_too(tmp_path) -> None:
    """So nobody finds out with one code which names there are."""
    async with house(tmp_path) as relay:
        alice = guest("alice")
        await asked(relay)

        answers = [await registered(relay, alice, "alice@elsewhere.example") for _ in range(CODE_TRIES_MAX + 1)]

        assert answers == [Code.BAD_ADDRESS] * CODE_TRIES_MAX + [Code.BAD_TICKET]


async def test_a_newer_code_takes_the_place_of_the_older(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = guest("alice")
        await asked(relay)
        await asked(relay, code="87654321")

        assert await registered(relay, alice) is Code.BAD_TICKET
        assert await registered(relay, alice, code="87654321") == Enrolment(alice.account, "alice@city.example")


@pytest.mark.parametrize("terms", [OPEN, Terms(Mode.ORGANISATIONS), Terms(Mode.ROSTERED)])
async def test_a_contact_gets_three_codes_a_day_whoever_it_is(tmp_path, terms: Terms) -> None:
    async with house(tmp_path) as relay:
        for each in range(CODES_A_DAY_MAX):
            await asked(relay, f"alice+{each}@mail.example", terms=terms)
        relay.clock.advance(DAY_S - 60)
        with pytest.raises(Refusal) as refused:
            await asked(relay, terms=terms)
        relay.clock.advance(60)

        assert (refused.value.code, refused.value.retry_after_ms) == (Code.RATE, 60_000)
        await asked(relay, terms=terms)


async def test_one_contact_makes_one_account_in_thirty_days(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob, carol = guest("alice"), guest("bob"), guest("carol")
        await asked(relay)
        await registered(relay, alice)
        relay.clock.advance(DAY_S)
        await asked(relay, "alice+2@mail.example")

        second = await registered(relay, bob, "bob@city.example", contact="alice+2@mail.example")
        same = await registered(relay, alice, "other@city.example", contact="alice+2@mail.example")
        relay.clock.advance(CONTACT_KEPT_S)
        await asked(relay)
        later = await registered(relay, carol, "carol@city.example")

        assert second is Code.LIMIT
        assert same == Enrolment(alice.account, "alice@city.example")
        assert later == Enrolment(carol.account, "carol@city.example")


async def test_an_address_that_looks_like_somebodys_is_taken(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = guest("alice"), guest("mallory")
        await asked(relay)
        await registered(relay, alice)
        await asked(relay, "mallory@mail.example")

        like = await registered(relay, mallory, "a1ice@city.example", contact="mallory@mail.example")
        other = await registered(relay, mallory, "alise@city.example", contact="mallory@mail.example")

        assert like is Code.ADDRESS_TAKEN
        assert other == Enrolment(mallory.account, "alise@city.example")


@pytest.mark.parametrize(
    ("mode", "contact", "sent"),
    [
        (Mode.ROSTERED, "officer@gad.example", False),
        (Mode.ORGANISATIONS, "officer@gad.example", True),
        (Mode.ORGANISATIONS, ALICE, False),
        (Mode.OPEN, "officer@gad.example", True),
        (Mode.OPEN, ALICE, True),
    ],
)
async def test_a_code_is_sent_to_whom_the_mode_lets_in(tmp_path, mode: Mode, contact: str, sent: bool) -> None:
    async with house(tmp_path) as relay:
        await proven(relay, "gad.example")

        assert await asked(relay, contact, terms=Terms(mode)) is sent
        assert len(await rows(relay, "code")) == 1


@pytest.mark.parametrize(
    ("terms", "contact", "address", "had"),
    [
        (OPEN, ALICE, "minister@gad.example", False),
        (Terms(Mode.OPEN, frozenset({"gad.example"})), ALICE, "minister@gad.example", False),
        (OPEN, "officer@gad.example", "officer@gad.example", True),
        (OPEN, "officer@gad.example", "minister@gad.example", False),
        (OPEN, "officer@gad.example", "officer@city.example", True),
        (OPEN, ALICE, ALICE, False),
        (Terms(Mode.ORGANISATIONS), "officer@gad.example", "officer@gad.example", True),
        (Terms(Mode.ORGANISATIONS, frozenset({"city.example"})), "officer@gad.example", "o@city.example", False),
    ],
)
async def test_an_address_is_the_contact_or_a_name_under_a_domain_that_is_offered(
    tmp_path, terms: Terms, contact: str, address: str, had: bool
) -> None:
    async with house(tmp_path) as relay:
        await proven(relay, "gad.example")
        await asked(relay, contact, terms=terms)

        alice = guest("alice")
        made = await registered(relay, alice, address, contact=contact, terms=terms)

        assert made == (Enrolment(alice.account, address) if had else Code.BAD_ADDRESS)


async def test_no_contact_and_no_code_lies_on_the_disk(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await asked(relay)
        await registered(relay, guest("alice"))

        files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

        assert b"alice@city.example" in files
        assert ALICE.encode() not in files
        assert CODE.encode() not in files


async def test_what_is_over_is_swept(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await asked(relay)
        await registered(relay, guest("alice"))

        relay.clock.advance(DAY_S)
        await relay.store.sweep()
        codes, kept = await rows(relay, "code"), await rows(relay, "registered")
        relay.clock.advance(CONTACT_KEPT_S)
        await relay.store.sweep()

        assert (codes, len(kept)) == ([], 1)
        assert await rows(relay, "registered") == []


@pytest.mark.parametrize("mode", [Mode.ROSTERED, Mode.ORGANISATIONS, Mode.OPEN])
async def test_whom_a_roster_expects_is_sent_a_code_and_comes_into_its_unit(tmp_path, mode: Mode) -> None:
    async with house(tmp_path) as relay:
        terms, erin, until_ms = Terms(mode), guest("erin"), relay.clock.now_ms() + DAY_S * 1000
        await proven(relay, "gad.example")
        for statement, values in (
            (("INSERT INTO roster (id, unit, account, name, sent, kept, digest, force, until_ms)"
             " VALUES (1, 1, 1, x'6e', 1, 1, x'', 1, ?)"), (until_ms,)),
            ("INSERT INTO roster_line (id, look, address, name, title) VALUES (?, ?, ?, 'Erin', '')",
             (rosters.span(1)[0], look(Address("erin@gad.example")), "erin@gad.example")),
        ):  # fmt: skip
            await relay.store._act(lambda commit, each=(statement, values): commit.db.execute(*each))

        wanted = await asked(relay, "erin@gad.example", terms=terms)
        stranger = await asked(relay, "stranger@gad.example", terms=terms)
        made = await registered(relay, erin, "erin@gad.example", contact="erin@gad.example", terms=terms)

        assert (wanted, stranger) == (True, mode is not Mode.ROSTERED)
        assert made == Enrolment(erin.account, "erin@gad.example")
        found = await relay.store._read(lambda db: db.execute("SELECT unit, standing FROM account").fetchall())
        assert found == [(1, Standing.INVITED)]
        assert len(await rows(relay, "claim")) == 1


async def test_whom_nobody_wants_has_no_code_and_who_is_wanted_no_longer_has_none_either(tmp_path) -> None:
    async with house(tmp_path) as relay:
        wide, narrow, erin = Terms(Mode.ORGANISATIONS), Terms(Mode.ROSTERED), guest("erin")
        await proven(relay, "gad.example")
        unwanted = await asked(relay, "bob@gad.example", terms=narrow)
        guessed = await registered(
            relay, guest("bob"), "bob@gad.example", contact="bob@gad.example", terms=wide
        )  # fmt: skip
        wanted = await asked(relay, "erin@gad.example", terms=wide)
        late = await registered(relay, erin, "erin@gad.example", contact="erin@gad.example", terms=narrow)
        in_time = await registered(relay, erin, "erin@gad.example", contact="erin@gad.example", terms=wide)

        assert (unwanted, wanted) == (False, True)
        assert (guessed, late) == (Code.BAD_TICKET, Code.BAD_TICKET)
        assert in_time == Enrolment(erin.account, "erin@gad.example")


async def test_only_a_name_that_somebody_makes_up_is_kept_as_chosen(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await proven(relay, "gad.example")
        alice, bob = guest("alice"), guest("bob")
        await asked(relay)
        await asked(relay, "bob@gad.example")

        await registered(relay, alice)
        await registered(relay, bob, "bob@gad.example", contact="bob@gad.example")

        found = await relay.store._read(lambda db: db.execute("SELECT address, chosen FROM account").fetchall())
        assert dict(found) == {
            "alice@city.example": look("alice@city.example").partition("@")[2],
            "bob@gad.example": None,
        }


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.ORGANISATIONS, Mode.ROSTERED])
async def test_nobody_of_a_suspended_organisation_gets_a_code_or_shows_one(tmp_path, monkeypatch, mode: Mode) -> None:
    async with house(tmp_path) as relay:
        line = rosters.Line(1, 1, "", "", seconded=False)
        monkeypatch.setattr(rosters, "line_of", lambda *_: line)
        await proven(relay, "gad.example")
        alice, contact, terms = guest("alice"), "alice@gad.example", Terms(mode)
        before = await asked(relay, contact, terms=terms)

        await proven(relay, "gad.example", UnitState.SUSPENDED)
        shown = await registered(relay, alice, contact, contact=contact, terms=terms)
        again = await asked(relay, contact, terms=terms)
        expected_elsewhere = await asked(relay, "bob@mail.example", terms=terms)

        assert (before, again) == (True, False)
        assert shown is Code.BAD_TICKET
        assert expected_elsewhere is (mode is Mode.OPEN), "by a line of a unit that does not work"
