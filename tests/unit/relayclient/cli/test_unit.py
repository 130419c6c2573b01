"""relay unit."""

import pytest

from relayproto.administration import (
    CloseUnit,
    CreateUnit,
    GetUnits,
    InviteMember,
    MoveUnit,
    PlaceMember,
    RenameUnit,
)
from relayproto.administration_replies import Acted
from relayproto.codes import Code
from relayproto.invitation import from_link
from relayproto.replies import Refused
from relayproto.standing import ActState, Standing, UnitState
from support.registrar import Registrar, unit


@pytest.fixture
def works(office):
    """Alice is an officer of unit 1, with a tree below."""
    office.join("alice", "bob")
    made = Registrar(units=[
        unit(1, 0, "Works", domain="works.example", root_key=b"k" * 32), unit(2, 1, "North"),
        unit(3, 1, "South", state=UnitState.SUSPENDED), unit(4, 2, "Depot 4"), unit(5, 2, "Twin"), unit(6, 2, "twin"),
    ])  # fmt: skip
    office.relay.belongs[office.relay.addresses["alice@office.example"]] = (Standing.VERIFIED, 1)
    return made.install(office.relay)


def test_the_tree_below_the_own_unit_is_shown(office, works):
    ran = office.run("alice", "unit", "list")

    assert (ran.status, ran.out) == (
        0,
        "1  (your own unit)\n  2  North\n    4  Depot 4\n    5  Twin\n    6  twin\n  3  South  (suspended)\n",
    )


def test_the_tree_is_shown_to_a_depth_and_as_a_table_and_as_json(office, works):
    shallow = office.run("alice", "unit", "list", "--depth", "1")
    flat = office.run("alice", "unit", "list", "0", "--flat", "--depth", "1")
    [said] = office.run("alice", "unit", "list", "2", "--json").lines[:1]

    assert shallow.out == "1  (your own unit)\n  2  North\n  3  South  (suspended)\n"
    assert flat.out.splitlines()[1].split() == ["1", "0", "Works", "active", "works.example", "6b" * 32]
    assert said == {"unit": 4, "under": 2, "name": "Depot 4", "state": "active", "domain": None, "root_key": None}


def test_a_relay_that_shows_a_circle_is_not_followed(office, works):
    works.units.append(unit(2, 4, "North"))

    assert office.run("alice", "unit", "list").status == 77


def test_a_unit_without_units_below_says_so(office, works):
    assert "nothing below" in office.run("alice", "unit", "list", "4").err


def test_a_unit_is_made_below_one_that_is_named_by_its_path(office, works):
    works.outcome = Acted(ActState.DONE, 9, 7, b"")

    ran = office.run("alice", "unit", "add", "north / Depot 4", "Gate", "--reason", "a new gate")

    assert works.changes == [CreateUnit(4, "Gate")]
    assert works.acts[0].reason == "a new gate"
    assert (ran.status, ran.out) == (0, "Unit 7 is made: Gate. (audit record 9)\n")


def test_what_was_done_is_told_as_json(office, works):
    works.outcome = Acted(ActState.DONE, 9, 7, b"")

    assert office.run("alice", "unit", "add", ".", "Gate", "--json").lines == [
        {"state": "done", "record": 9, "value": 7}
    ]


def test_a_rehearsal_changes_nothing_and_asks_nothing(office, works):
    ran = office.run("alice", "unit", "close", "4", "--dry-run")

    assert works.acts[0].rehearsal
    assert ran.out == "Nothing speaks against it, and nothing has changed.\n"


@pytest.mark.parametrize("path", ["East", "North/Gate", "North/Twin"])
def test_a_path_that_leads_nowhere_or_to_two_units_is_told(office, works, path):
    ran = office.run("alice", "unit", "rename", path, "x")

    assert ran.status == 65
    assert "no such unit, or more than one" in ran.err
    assert works.acts == []


def test_a_unit_is_renamed_moved_and_closed(office, works):
    ran = [
        office.run("alice", "unit", "rename", "North", "Far north"),
        office.run("alice", "unit", "move", "North/Depot 4", "South", "--yes"),
        office.run("alice", "unit", "close", "4", "--yes"),
    ]

    assert works.changes == [RenameUnit(2, "Far north"), MoveUnit(4, 3), CloseUnit(4)]
    assert [each.status for each in ran] == [0, 0, 0]


@pytest.mark.parametrize(
    "verb", [("move", "4", "3"), ("close", "4"), ("place", "4", "bob@office.example", "--standing", "public")]
)
def test_what_is_dangerous_is_asked_for(office, works, verb):
    alone = office.run("alice", "unit", *verb)
    unwilling = office.run("alice", "unit", *verb, stdin=b"no\n", tty=("stdin",))
    assert (alone.status, unwilling.status, works.acts) == (64, 64, [])

    willing = office.run("alice", "unit", *verb, stdin=b"yes\n", tty=("stdin",))

    assert willing.status == 0
    assert "Do it?" in willing.err
    assert len(works.acts) == 1


def test_an_invitation_is_a_link_alone_on_standard_output(office, works):
    works.outcome = Acted(ActState.DONE, 9, 0, b"t" * 16)

    ran = office.run("alice", "unit", "invite", "North", "Counter@office.example", "--as", "office", "--days", "2")

    invitation = from_link(ran.out)
    assert works.changes == [InviteMember(2, "counter@office.example", Standing.OFFICE, 172_800)]
    assert (invitation.address, invitation.ticket) == ("counter@office.example", b"t" * 16)
    assert (invitation.port, invitation.root_fingerprint) == (office.relay.port, office.relay.root_fingerprint)
    assert "good as a password" in ran.err
    [said] = office.run("alice", "unit", "invite", "2", "c@office.example", "--json").lines
    assert said["link"].startswith("relay://")


def test_an_invitation_that_is_rehearsed_has_no_link(office, works):
    ran = office.run("alice", "unit", "invite", "North", "c@office.example", "--dry-run")

    assert ran.out == "Nothing speaks against it, and nothing has changed.\n"


def test_somebody_is_placed_by_address_or_by_account(office, works):
    bob = office.relay.addresses["bob@office.example"]

    office.run("alice", "unit", "place", "North", "bob@office.example")
    office.run("alice", "unit", "place", "North", bob.hex(), "--standing", "office")
    verified = office.run("alice", "unit", "place", "North", bob.hex(), "--standing", "verified")
    gone = office.run("alice", "unit", "place", "1", "bob@office.example", "--standing", "public", "--yes")

    assert works.changes == [PlaceMember(2, bob, Standing.INVITED), PlaceMember(2, bob, Standing.OFFICE),
                             PlaceMember(1, bob, Standing.PUBLIC)]  # fmt: skip
    assert "belongs to the organisation no longer" in gone.out
    assert verified.status == 2, "an attestation does that"


def test_an_address_that_nobody_has_is_told(office, works):
    ran = office.run("alice", "unit", "place", "North", "nobody@office.example")

    assert ran.status == 65
    assert "64 digits" in ran.err


@pytest.mark.parametrize(
    ("code", "status"), [(Code.NOT_PERMITTED, 77), (Code.CONFLICT, 65), (Code.REPLAYED, 65), (Code.EXPIRED, 65)]
)
def test_a_denial_is_told_in_words_with_its_code(office, works, code, status):
    works.outcome = Refused(code, 0)

    ran = office.run("alice", "unit", "add", ".", "Gate")

    assert ran.status == status
    assert code.name in ran.err
    assert "nothing has changed" in ran.err


def test_a_name_that_is_too_long_is_told_before_it_is_sent(office, works):
    ran = office.run("alice", "unit", "add", ".", "x" * 121)

    assert ran.status == 65
    assert works.acts == []


@pytest.fixture
def closed(office, works):
    """Unit 7 is closed, and its name is unit 8's now; nobody may ask for what is below it, as at a relay."""
    works.units += [unit(7, 1, "Gate", state=UnitState.CLOSED), unit(8, 1, "Gate")]
    found = office.relay.script[GetUnits]
    office.relay.script[GetUnits] = lambda peer, asked, request: (
        Refused(Code.NOT_PERMITTED, 0) if asked.unit == 7 else found(peer, asked, request)
    )
    return works


def test_a_closed_unit_hides_nothing_else_and_is_shown_with_all(office, closed):
    ran = office.run("alice", "unit", "list")
    everything = office.run("alice", "unit", "list", "--all")

    assert (ran.status, everything.status) == (0, 0)
    assert "8  Gate" in ran.out
    assert "7  Gate" not in ran.out
    assert "7  Gate  (closed)" in everything.out


def test_a_name_that_a_closed_unit_had_means_the_unit_that_has_it_now(office, closed):
    assert office.run("alice", "unit", "rename", "Gate", "Door").status == 0
    assert closed.changes == [RenameUnit(8, "Door")]


@pytest.mark.parametrize("name", ["North/Gate", "17", ".", " "])
def test_a_name_that_would_be_read_as_a_number_or_a_path_is_refused_here(office, works, name):
    made, renamed = (office.run("alice", "unit", verb, "2", name) for verb in ("add", "rename"))

    assert (made.status, renamed.status, works.acts) == (2, 2, [])
    assert ("/ separates units" in made.err) == ("/" in name)


@pytest.mark.parametrize("days", ["0", "91", "-1", "x"])
def test_an_invitation_is_good_for_1_to_90_days(office, works, days):
    ran = office.run("alice", "unit", "invite", "2", "c@works.example", f"--days={days}")

    assert (ran.status, works.acts) == (2, [])
    assert "1 to 90 days" in ran.err


def test_an_address_of_another_domain_is_told(office, works):
    works.outcome = Refused(Code.BAD_ADDRESS, 0)

    assert (
        "not an address of your organisation's domain" in office.run("alice", "unit", "invite", "2", "c@d.example").err
    )
