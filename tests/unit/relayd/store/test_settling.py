"""What follows when a roster has come in force: a few lines at a time, and accounts that are there claim."""

from relayd.store import settling
from relayproto.limits import CLAIM_LIFETIME_MS
from relayproto.standing import PLATFORM, ClaimState, Standing
from support.attestable import DOMAIN, Department, department
from support.organisations import NOW_MS
from support.rostered import in_force, line

OTHER = b"2" * 16


def claims(at: Department) -> list[tuple]:
    return at.desk.db.execute(
        "SELECT address, claim.unit, state, name, title, rostered, until_ms FROM claim"
        " JOIN account ON account.id = claim.account ORDER BY claim.id"
    ).fetchall()


def test_accounts_that_are_there_claim_what_their_lines_say(tmp_path) -> None:
    with department(tmp_path) as at:
        at.desk.person(f"carol@{DOMAIN}")
        at.desk.person(f"counter@{DOMAIN}", at.unit, Standing.OFFICE)

        in_force(at, line("bob", "Bob Roy", "Registrar"), line("nobody"), line("counter"), line("carol"))

        until_ms = NOW_MS + CLAIM_LIFETIME_MS
        assert claims(at) == [
            (f"bob@{DOMAIN}", at.unit, ClaimState.WAITING, "Bob Roy", "Registrar", 1, until_ms),
            (f"carol@{DOMAIN}", at.unit, ClaimState.WAITING, "", "", 1, until_ms),
        ]
        assert at.desk.belongs(at.desk.known[f"carol@{DOMAIN}"]) == (PLATFORM, Standing.PUBLIC), "attested, or not"


def test_a_pass_is_short_and_the_next_one_goes_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(settling, "LINES_MAX", 2)
    with department(tmp_path) as at:
        in_force(at, line("a"), line("bob"), line("c"), line("vera"), line("e"), settled=False)

        assert [settling.settle(at.desk.commit) for _ in range(4)] == [2, 2, 1, 0]
        assert [claim[0] for claim in claims(at)] == [f"bob@{DOMAIN}", f"vera@{DOMAIN}"]


def test_rosters_are_gone_through_in_the_order_in_which_they_came_in_force(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(settling, "LINES_MAX", 1)
    with department(tmp_path) as at:
        in_force(at, line("bob", "Old"), line("ann"), settled=False)
        in_force(at, line("bob", "New"), name=OTHER, settled=False)

        while settling.settle(at.desk.commit):
            pass

        assert [claim[3] for claim in claims(at)] == ["New"]
        kept = at.desk.db.execute("SELECT address, name FROM roster_line ORDER BY id").fetchall()
        assert kept == [(f"ann@{DOMAIN}", ""), (f"bob@{DOMAIN}", "New")]


def test_a_newer_line_takes_the_place_of_a_claim_even_of_one_that_was_refused(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("bob", "Old"))
        at.desk.db.execute("UPDATE claim SET state = ?", (ClaimState.REFUSED,))

        in_force(at, line("bob", "New"), name=OTHER)

        assert [claim[2:4] for claim in claims(at)] == [(ClaimState.WAITING, "New")]


def test_who_is_of_another_organisation_claims_nothing(tmp_path) -> None:
    with department(tmp_path) as at:
        other, _ = at.desk.organisation("other.example")
        at.desk.person(f"dave@{DOMAIN}", other, Standing.VERIFIED)

        in_force(at, line("dave"))

        assert claims(at) == []
