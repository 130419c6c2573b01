"""relay member import, roster and strike."""

import pytest

from relayclient.cli import roster
from relayproto import acts, rosters
from relayproto.acts import Instruction
from relayproto.administration_replies import Acted, Proposal
from relayproto.codes import Code
from relayproto.replies import Refused
from relayproto.rosters import Expected, Fault, ImportRoster, PutRoster, Rostered, RosterLine, StrikeLine
from relayproto.standing import ActState, ProposalState
from support.registrar import Registrar

BOB, CAROL = RosterLine("bob@office.example", "Bob Roy", "Registrar"), RosterLine("carol@office.example", "", "")


@pytest.fixture
def works(office):
    office.join("vera", "bob")
    return Registrar().install(office.relay)


@pytest.fixture
def parts(office, works):
    """Return the parts that the relay was handed; it keeps all but what ``faults`` says."""
    said: list[PutRoster] = []

    def take(_, command, __):
        said.append(command)
        return Rostered(command.position + len(command.lines), ())

    office.relay.script[PutRoster] = take
    return said


def sheet(office, *rows):
    path = office.place / "officers.csv"
    path.write_text("\n".join(["E-Mail;Name;Post", *rows]))
    return str(path)


def test_a_list_is_handed_in_and_comes_in_force_and_what_is_wrong_is_named_by_its_line(office, works, parts):
    path = sheet(office, "bob@office.example;Bob Roy;Registrar", "nobody;Nobody;", "b0b@office.example;Mallory;",
                 "carol@office.example;;", "bob@office.example;Bob again;")  # fmt: skip
    office.relay.script[PutRoster] = lambda _, command, __: (
        parts.append(command) or Rostered(3, (Fault(1, Code.ADDRESS_TAKEN),))
    )

    ran = office.run("vera", "member", "import", "7", path, "--reason", "the new list")

    assert [(part.unit, part.position) for part in parts] == [(7, 0)]
    assert [line.address for line in parts[0].lines] == [BOB.address, "b0b@office.example", CAROL.address]
    assert works.changes == [ImportRoster(7, parts[0].roster, 2, rosters.digest([BOB, CAROL]))]
    assert works.acts[0].reason == "the new list"
    assert ran.status == 65
    assert [line.partition(":")[0] for line in ran.out.splitlines()] == [
        "line 3", "line 6", "line 4", "2 people are expected in unit 7. (audit record 5)",
    ]  # fmt: skip
    assert "looks like another address, ADDRESS_TAKEN" in ran.out
    assert "2 were taken, 3 were not." in ran.err
    assert "(3, 4, 6)" in ran.err


def test_a_preview_asks_nobody(office, works):
    office.stop()
    good = sheet(office, "bob@office.example;Bob;")

    ran = office.run("vera", "member", "import", "7", good, "--preview")
    [bad] = office.run("vera", "member", "import", "7", sheet(office, "bob;Bob;"), "--preview", "--json").lines

    assert (ran.status, ran.out) == (0, "")
    assert "1 can be taken, 0 were not." in ran.err
    assert bad == {"line": 2, "address": "bob", "came": "that is no address"}


def test_a_script_is_told_of_every_line_and_of_the_act(office, works, parts):
    line, act = office.run("vera", "member", "import", "7", sheet(office, "bob@office.example;Bob;"), "--json").lines

    assert line == {"line": 2, "address": "bob@office.example", "came": "taken"}
    assert (act["state"], act["lines"], act["roster"]) == ("done", 1, parts[0].roster.hex())


def test_where_nothing_is_good_nothing_comes_in_force(office, works, parts):
    office.relay.script[PutRoster] = lambda *_: Rostered(1, (Fault(0, Code.BAD_ADDRESS),))

    ran = office.run("vera", "member", "import", "7", sheet(office, "bob@else.example;Bob;"))

    assert (ran.status, works.acts) == (65, [])
    assert "no address of your organisation's domain, BAD_ADDRESS" in ran.out


def test_more_than_one_may_do_alone_waits_for_a_second_person(office, works, parts):
    works.outcome = Acted(ActState.PROPOSED, 5, 3, b"")

    ran = office.run("vera", "member", "import", "7", sheet(office, "bob@office.example;Bob;"))

    assert ran.status == 0
    assert "Proposal 3 waits for a second person" in ran.out
    assert "verifier" in ran.err


def test_what_the_relay_lost_on_the_way_is_said_again(office, works, parts, monkeypatch):
    answers = [Rostered(0, ()), Rostered(0, ()), Rostered(1, ())]
    office.relay.script[PutRoster] = lambda *_: answers.pop(0)

    ran = office.run("vera", "member", "import", "7", sheet(office, "bob@office.example;Bob;"))

    assert (ran.status, answers, len(works.acts)) == (0, [], 1)


def test_a_part_that_overtook_another_is_handed_in_once_more(office, works):
    came: list[int] = []

    def take(_, part, __):
        came.append(part.position)
        if came.count(0) == 1 and part.position == 0:
            return Refused(Code.RATE, 1)
        have = 0 if came.count(0) == 1 else 100 if came.count(100) == 1 else 101
        return Rostered(have, ())

    office.relay.script[PutRoster] = take
    rows = [f"p{number}@office.example;;" for number in range(101)]

    ran = office.run("vera", "member", "import", "7", sheet(office, *rows))

    assert (ran.status, came) == (0, [0, 100, 0, 100])
    lines = [RosterLine(f"p{number}@office.example", "", "") for number in range(101)]
    assert [(change.lines, change.digest) for change in works.changes] == [(101, rosters.digest(lines))]


def test_a_relay_that_has_no_room_for_the_list_is_asked_again_and_not_for_ever(office, works, monkeypatch):
    monkeypatch.setattr(roster, "_WAIT_S", 0)
    answers = [Refused(Code.BUSY, 1), Rostered(1, ())]
    office.relay.script[PutRoster] = lambda *_: answers.pop(0)
    path = sheet(office, "bob@office.example;Bob;")

    later = office.run("vera", "member", "import", "7", path)
    office.relay.script[PutRoster] = lambda *_: Refused(Code.BUSY, 1)
    never = office.run("vera", "member", "import", "7", path)

    assert (later.status, never.status, len(works.acts)) == (0, 75, 1)


def test_who_may_not_is_told_so(office, works):
    office.relay.script[PutRoster] = lambda *_: Refused(Code.NOT_PERMITTED, 0)

    ran = office.run("vera", "member", "import", "7", sheet(office, "bob@office.example;Bob;"))

    assert (ran.status, works.acts) == (77, [])


def test_who_is_expected_is_listed(office, works):
    works.lines = [Expected(9, 7, *BOB.fields()), Expected(10, 8, *CAROL.fields())]

    ran = office.run("vera", "member", "roster", "7")
    fields = office.run("vera", "member", "roster", "7", "--roster", "ab" * 16, "--json").lines

    assert "bob@office.example" in ran.out
    assert "2 lines" in ran.err
    assert fields[1] == {"line": 10, "unit": 8, "address": CAROL.address, "name": "", "title": ""}
    assert office.run("vera", "member", "roster", "7", "--roster", "ab").status == 2


@pytest.mark.parametrize(("lines", "good"), [(2, True), (1, False)])
def test_a_second_person_reads_how_a_roster_begins_and_whether_it_is_what_was_signed(office, works, lines, good):
    works.lines = [Expected(9, 7, *BOB.fields()), Expected(10, 7, *CAROL.fields())][:lines]
    change = ImportRoster(7, b"n" * 16, 2, rosters.digest([BOB, CAROL]))
    act = acts.encode(Instruction(bytes(32), bytes(32), 1, 1, 1, 2, "", False, change))
    works.proposals = [Proposal(3, ProposalState.WAITING, 7, "x@office.example", 1 << 41, act)]

    ran = office.run("vera", "proposal", "show", "3", "--unit", "7")

    assert ran.status == 0, ran.err
    assert f"expect the 2 people of the roster {(b'n' * 16).hex()}" in ran.out
    assert ("bob@office.example, Bob Roy, Registrar" in ran.out) is good
    assert ("cannot be approved" in ran.out) is not good


def test_somebody_is_struck(office, works):
    ran = office.run("vera", "member", "strike", "7", "bob@office.example", "--reason", "left")

    assert works.changes == [StrikeLine(7, "bob@office.example")]
    assert ran.out.startswith("bob@office.example is expected no longer.")
