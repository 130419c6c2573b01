"""relay claim, and relay member attest-all."""

import json
import time

import pytest

from relayclient.cli import statements
from relayclient.device import Device
from relayproto import attestation
from relayproto.administration_replies import Acted
from relayproto.attestation import Warrant
from relayproto.codes import Code
from relayproto.replies import Refused
from relayproto.rosters import Claim, Claimant, Claimed, GetClaim, RefuseClaim
from relayproto.standing import ActState, ClaimState, Field
from support.changed import replace
from support.registrar import Registrar

DAY_MS = 86_400_000
UNTIL_MS = 1_790_000_000_000


@pytest.fixture
def works(office):
    office.join("vera", "bob", "carol")
    return Registrar().install(office.relay)


@pytest.fixture
def warranted(office):
    with Device.open(office.place / "vera") as device:
        own = device.administration.sign_key()
    now_ms = int(time.time() * 1000)
    said = Warrant(b"w" * 16, 3, 7, office.relay.addresses["vera@office.example"], own, now_ms - DAY_MS,
                   now_ms + 300 * DAY_MS)  # fmt: skip
    path = office.place / "vera" / "warrant.json"
    path.write_text(
        json.dumps(statements.warrant(b"k" * 32, office.relay.root_fingerprint, attestation.encode_warrant(said)))
    )


def claim(office, number, who, name="", title="", *, rostered=True):
    address = f"{who}@office.example"
    return Claimant(number, 7, office.relay.addresses[address], address, name, title, rostered, 1)


def test_somebody_claims_asks_and_takes_it_back(office, works):
    said: list[object] = []
    states = iter((ClaimState.WAITING, ClaimState.REFUSED, ClaimState.NONE))

    def answer(_, command, __):
        said.append(command)
        return Claimed(next(states), "Bob Roy", "Registrar", UNTIL_MS)

    office.relay.script |= {Claim: answer, GetClaim: answer}

    made = office.run("bob", "claim", "make", "--name", "Bob Roy", "--title", "Registrar")
    asked = office.run("bob", "claim", "status")
    [gone] = office.run("bob", "claim", "withdraw", "--json").lines

    assert said == [Claim("Bob Roy", "Registrar"), GetClaim(), Claim("", "")]
    assert made.out.startswith("Your claim waits until ")
    assert "Bob Roy, Registrar" in made.out
    assert asked.out.startswith("Your claim was refused")
    assert gone["state"] == "none"
    assert office.run("bob", "claim", "make").status == 2


def test_who_may_not_claim_is_told_why(office, works):
    office.relay.script[Claim] = lambda *_: Refused(Code.CONFLICT, 0)

    ran = office.run("bob", "claim", "make", "--name", "Bob Roy")

    assert ran.status == 65
    assert "CONFLICT" in ran.err


def test_claims_are_listed(office, works):
    works.claims = [claim(office, 1, "bob", "Bob Roy", "Registrar"), claim(office, 2, "carol", rostered=False)]

    ran = office.run("vera", "claim", "list", "7")
    fields = office.run("vera", "claim", "list", "7", "--json").lines

    assert "a roster" in ran.out
    assert "himself" in ran.out
    assert (fields[0]["address"], fields[0]["rostered"], fields[1]["rostered"]) == ("bob@office.example", True, False)


def test_a_claim_is_approved_by_an_attestation_of_what_it_says(office, works, warranted):
    works.claims = [claim(office, 1, "carol"), claim(office, 2, "bob", "Bob Roy", "Registrar", rostered=False)]

    ran = office.run("vera", "claim", "approve", "7", "bob@office.example", "--reason", "badge seen")

    assert ran.status == 0, ran.err
    [change] = works.changes
    assert (change.unit, change.account) == (7, office.relay.addresses["bob@office.example"])
    assert attestation.texts(change.statements) == {
        Field.NAME: "Bob Roy", Field.TITLE: "Registrar", Field.UNIT: "7", Field.ADDRESS: "bob@office.example",
    }  # fmt: skip
    assert office.run("vera", "claim", "approve", "7", "vera@office.example").status == 65


def test_a_claim_is_refused(office, works):
    ran = office.run("vera", "claim", "refuse", "7", "bob@office.example")

    assert works.changes == [RefuseClaim(7, office.relay.addresses["bob@office.example"])]
    assert ran.out.startswith("The claim of bob@office.example is refused.")


def test_all_whom_a_roster_names_are_attested_and_nobody_else(office, works, warranted):
    works.claims = [claim(office, 1, "bob", "Bob Roy"), claim(office, 2, "vera", rostered=False),
                    claim(office, 3, "carol")]  # fmt: skip

    ran = office.run("vera", "member", "attest-all", "7")
    said = office.run("vera", "member", "attest-all", "7", "--json").lines

    assert (ran.status, ran.out) == (0, "")
    assert "2 were attested, 0 were not." in ran.err
    who = [office.relay.addresses[f"{name}@office.example"] for name in ("bob", "carol")]
    assert [change.account for change in works.changes] == who * 2
    assert said == [{"address": f"{name}@office.example", "came": "attested"} for name in ("bob", "carol")]


def test_what_the_relay_refuses_is_told_one_by_one(office, works, warranted):
    works.claims = [claim(office, 1, "bob"), claim(office, 2, "carol")]
    works.outcome = Refused(Code.CONFLICT, 0)

    ran = office.run("vera", "member", "attest-all", "7")

    assert (ran.status, len(works.acts)) == (65, 2)
    assert ran.out.startswith("bob@office.example: ")
    assert "0 were attested, 2 were not." in ran.err


def test_what_a_second_person_has_to_approve_is_no_failure(office, works, warranted):
    works.claims = [claim(office, 1, "bob")]
    works.outcome = Acted(ActState.PROPOSED, 5, 3, b"")

    ran = office.run("vera", "member", "attest-all", "7", "--json")
    tried = office.run("vera", "member", "attest-all", "7", "--dry-run")

    assert ran.lines == [{"address": "bob@office.example", "came": "proposed"}]
    assert "0 were attested, 1 wait for a second person, 0 were not." in ran.err
    assert "0 were attested, 1 were only rehearsed, 0 were not." in tried.err


def test_who_is_refused_for_now_is_told_when_he_may_ask_again(office, works):
    office.relay.script[Claim] = lambda *_: Refused(Code.BUSY, 61_000)

    ran = office.run("vera", "claim", "make", "--name", "Vera Rao")

    assert ran.status == 75
    assert "; ask again in 61 seconds" in ran.err


def test_an_address_that_this_device_knows_as_another_account_is_not_attested(office, works, warranted):
    office.run("vera", "lookup", "bob@office.example")
    works.claims = [replace(claim(office, 1, "bob"), account=office.relay.addresses["carol@office.example"])]

    ran = office.run("vera", "member", "attest-all", "7")

    assert (ran.status, works.acts) == (65, [])
