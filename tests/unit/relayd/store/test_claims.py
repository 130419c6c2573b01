"""Claims: somebody's own word or a roster's; it gives nothing, is decided by others, and is asked once."""

import pytest

from relayd.domain.refusals import Refusal
from relayd.store import claims, rosters
from relayproto.administration import CreateUnit, SuspendOrganisation
from relayproto.codes import Code
from relayproto.ids import Address
from relayproto.limits import CLAIM_LIFETIME_MS
from relayproto.rosters import Claim, Claimed, GetClaims, RefuseClaim
from relayproto.standing import PLATFORM, ClaimState, Standing
from support.attestable import DOMAIN, Department, department
from support.organisations import NOW_MS
from support.rostered import in_force, line, seat

NONE = Claimed(ClaimState.NONE, "", "", 0)
UNTIL_MS = NOW_MS + CLAIM_LIFETIME_MS
BOB = Claimed(ClaimState.WAITING, "Bob Roy", "Registrar", UNTIL_MS)


def make(at: Department, account: bytes, name: str = "Bob Roy", title: str = "Registrar") -> Claimed | Code:
    try:
        return claims.make(at.desk.commit, seat(at, account), Claim(name, title))
    except Refusal as refusal:
        return refusal.code


def waiting(at: Department, unit: int = 0, after: int = 0, rows: int = 100) -> list[tuple]:
    return list(claims.listed(at.desk.commit, GetClaims(unit or at.unit, after, rows)).claims)


def arrive(at: Department, who: str, unit: int = PLATFORM, standing: Standing = Standing.PUBLIC) -> bytes:
    account = at.desk.person(f"{who}@{DOMAIN}", unit, standing)
    claims.arrived(at.desk.commit, at.desk.row(account), Address(f"{who}@{DOMAIN}"))
    return account


def test_somebody_claims_and_asks_and_takes_it_back(tmp_path) -> None:
    with department(tmp_path) as at:
        before = at.desk.belongs(at.bob)

        assert (claims.own(at.desk.commit, at.bob), make(at, at.bob)) == (NONE, BOB)
        assert claims.own(at.desk.commit, at.bob) == BOB
        assert at.desk.belongs(at.bob) == before
        [claim] = waiting(at)
        assert claim.fields()[1:] == (at.unit, at.bob, f"bob@{DOMAIN}", "Bob Roy", "Registrar", False, NOW_MS)
        assert make(at, at.bob, "Bob Das", "") == Claimed(ClaimState.WAITING, "Bob Das", "", UNTIL_MS), "one"
        assert len(waiting(at, at.root)) == 1
        assert (make(at, at.bob, "", ""), waiting(at)) == (NONE, [])


def test_who_belongs_to_nobody_claims_to_be_of_what_brought_his_domain(tmp_path) -> None:
    with department(tmp_path) as at:
        carol = at.desk.person(f"carol@{DOMAIN}")

        make(at, carol)

        assert (waiting(at), [claim.unit for claim in waiting(at, at.root)]) == ([], [at.root])
        assert at.desk.belongs(carol) == (PLATFORM, Standing.PUBLIC)


def test_who_cannot_be_an_officer_there_claims_nothing(tmp_path) -> None:
    with department(tmp_path) as at:
        other, foreign = at.desk.organisation("other.example")
        stranger = at.desk.person("carol@else.example")
        moved = at.desk.person(f"dave@{DOMAIN}", other, Standing.VERIFIED)
        counter = at.desk.person(f"counter@{DOMAIN}", at.unit, Standing.OFFICE)

        assert {make(at, who) for who in (stranger, moved, counter)} == {Code.NOT_PERMITTED}
        assert isinstance(make(at, foreign), Claimed)
        at.desk.done(at.desk.operator(), SuspendOrganisation(at.root, True))
        assert make(at, at.bob) is Code.NOT_PERMITTED


@pytest.mark.parametrize(("name", "title"), [("a\u202eb", ""), ("", "\x1b"), (" ", ""), ("Bob\n", "")])
def test_what_cannot_be_shown_is_not_claimed(tmp_path, name, title) -> None:
    with department(tmp_path) as at:
        assert make(at, at.bob, name, title) is Code.LIMIT


def test_what_a_roster_says_is_not_overwritten_by_what_somebody_says_of_himself(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("bob", "Bob Roy", "Registrar"))

        assert make(at, at.bob, "Bob the Secretary", "Secretary") is Code.CONFLICT
        assert [claim.fields()[4:7] for claim in waiting(at)] == [("Bob Roy", "Registrar", True)]


def test_who_was_refused_does_not_ask_again_before_his_time_is_over(tmp_path) -> None:
    with department(tmp_path) as at:
        make(at, at.bob)

        effect = at.desk.done(at.vera, RefuseClaim(at.unit, at.bob))

        refused = Claimed(ClaimState.REFUSED, "Bob Roy", "Registrar", UNTIL_MS)
        assert (effect.unit, len(effect.before), waiting(at)) == (at.unit, 32, [])
        assert make(at, at.bob, "Bob Das") is Code.CONFLICT
        assert make(at, at.bob, "", "") == refused == claims.own(at.desk.commit, at.bob)
        at.desk.commit.now_ms = UNTIL_MS
        assert claims.own(at.desk.commit, at.bob) == NONE
        assert isinstance(make(at, at.bob), Claimed)


def test_a_claim_is_refused_by_others_over_its_unit_and_once(tmp_path) -> None:
    with department(tmp_path) as at:
        carol = at.desk.person(f"carol@{DOMAIN}")
        for who in (carol, at.vera):
            make(at, who)

        assert at.desk.do(at.vera, RefuseClaim(at.unit, carol)) is Code.NOT_PERMITTED, "it is over the unit above"
        assert at.desk.do(at.vera, RefuseClaim(at.unit, at.vera)) is Code.NOT_PERMITTED, "his own"
        assert at.desk.do(at.vera, RefuseClaim(at.unit, at.bob)) is Code.NOT_PERMITTED, "there is none"
        assert at.desk.do(at.vera, RefuseClaim(at.unit, b"?" * 32)) is Code.NOT_PERMITTED
        at.desk.done(at.admin, RefuseClaim(at.root, carol))
        assert at.desk.do(at.admin, RefuseClaim(at.root, carol)) is Code.CONFLICT


def test_an_attestation_decides_a_claim(tmp_path) -> None:
    with department(tmp_path) as at:
        make(at, at.bob)

        at.attested()

        assert (claims.own(at.desk.commit, at.bob), waiting(at)) == (NONE, [])


def test_who_comes_with_an_expected_address_belongs_to_the_unit_and_claims(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("carol", "Carol Das", "Clerk"), line("dave"), line("counter"))

        carol = arrive(at, "carol")
        dave = arrive(at, "dave", at.root, Standing.INVITED)
        counter = arrive(at, "counter", at.unit, Standing.OFFICE)
        erin = arrive(at, "erin")

        assert at.desk.belongs(carol) == (at.unit, Standing.INVITED)
        assert at.desk.belongs(dave) == (at.root, Standing.INVITED), "whoever was invited belongs there"
        assert at.desk.belongs(counter) == (at.unit, Standing.OFFICE)
        assert at.desk.belongs(erin) == (PLATFORM, Standing.PUBLIC)
        assert [claim.fields()[1:7] for claim in waiting(at)] == [
            (at.unit, carol, f"carol@{DOMAIN}", "Carol Das", "Clerk", True),
            (at.unit, dave, f"dave@{DOMAIN}", "", "", True),
        ]


def test_where_nothing_works_nobody_is_expected(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("carol"))
        at.desk.done(at.desk.operator(), SuspendOrganisation(at.root, True))

        assert at.desk.belongs(arrive(at, "carol")) == (PLATFORM, Standing.PUBLIC)


def test_a_roster_of_one_organisation_says_nothing_of_the_addresses_of_another(tmp_path) -> None:
    """A domain may have changed hands since the roster came in force."""
    with department(tmp_path) as at:
        in_force(at, line("carol"))
        other, _ = at.desk.organisation("other.example")
        at.desk.db.execute("UPDATE domain SET unit = ? WHERE name = ?", (other, DOMAIN))

        assert at.desk.belongs(arrive(at, "carol")) == (PLATFORM, Standing.PUBLIC)
        assert waiting(at, at.root) == []


def test_claims_come_in_pages_and_go_when_their_time_is_over(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(claims, "ROWS_MAX", 1)
    with department(tmp_path) as at:
        for who in (at.bob, at.vera):
            make(at, who)

        first = claims.listed(at.desk.commit, GetClaims(at.unit, 0, 1))
        assert ([each.account for each in first.claims], first.more) == ([at.bob], True)
        assert [each.account for each in waiting(at, after=first.claims[0].number)] == [at.vera]
        claims.expire(at.desk.commit)
        assert len(waiting(at)) == 2
        at.desk.commit.now_ms = UNTIL_MS
        assert waiting(at) == []
        claims.expire(at.desk.commit)
        assert at.desk.db.execute("SELECT count(*) FROM claim").fetchone() == (1,)


def test_an_account_that_was_attested_keeps_its_line(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("bob"))
        at.attested()

        assert rosters.line_of(at.desk.commit, f"bob@{DOMAIN}") is not None


def test_a_list_of_addresses_tells_nothing_of_other_units_people(tmp_path) -> None:
    """Who decides over a unit would see by a claim that there is such an account, and whose; and could refuse it."""
    with department(tmp_path) as at:
        beside = at.desk.done(at.admin, CreateUnit(at.root, "Accounts")).value
        for name, unit, standing in (
            ("carol", beside, Standing.VERIFIED), ("dave", beside, Standing.INVITED),
            ("erin", at.root, Standing.VERIFIED),
        ):  # fmt: skip
            at.desk.person(f"{name}@{DOMAIN}", unit, standing)

        in_force(at, line("carol"), line("dave"), line("erin"), line("bob"))

        assert [claim.account for claim in waiting(at)] == [at.bob]
