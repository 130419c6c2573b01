"""relay profile."""

import pytest

from relayproto import visibility
from relayproto.codes import Code
from relayproto.commands import GetDevices, PutProfile
from relayproto.replies import Devices, Done, Refused
from relayproto.standing import Field, Viewer


@pytest.fixture
def alice(office):
    office.join("alice")
    office.relay.script[PutProfile] = lambda *_: Done()
    return office.relay.addresses["alice@office.example"]


def hidden(command: PutProfile) -> set[tuple[Field, Viewer]]:
    return {
        (field, viewer) for field in Field for viewer in Viewer if command.hidden[visibility.cell(field, viewer)]
    }  # fmt: skip


def test_one_hides_field_by_field_and_says_a_line_and_each_keeps_the_other(office, alice):
    office.run("alice", "profile", "hide", "address:officers", "unit")
    office.run("alice", "profile", "set", "--about", " on leave ")
    office.run("alice", "profile", "hide", "unit:same-unit=show")
    reset = office.run("alice", "profile", "hide", "--reset")

    first, second, third, last = office.relay.got(PutProfile)
    both = {(Field.ADDRESS, Viewer.OFFICERS), *((Field.UNIT, each) for each in Viewer)}
    assert (first.about, hidden(first)) == ("", both)
    assert (second.about, hidden(second)) == ("on leave", both)
    assert (third.about, hidden(third)) == ("on leave", both - {(Field.UNIT, Viewer.SAME_UNIT)})
    assert (last.about, hidden(last)) == ("on leave", set())
    assert "You hide nothing" in reset.out


def test_what_one_says_and_hides_is_shown(office, alice):
    lists = office.relay.lists[alice]
    office.relay.script[GetDevices] = lambda *_: Devices(*lists, "alice@office.example", b"", "on \x1b[2J leave")
    office.run("alice", "profile", "hide", "address:public", "--json")

    shown = office.run("alice", "profile", "show")
    [fields] = office.run("alice", "profile", "show", "--json").lines

    assert shown.out.startswith("No organisation attests anything")
    assert "You say of yourself: on " in shown.out
    assert "\x1b" not in shown.out
    assert "address   public" in shown.out
    assert fields["hidden"] == [{"field": "address", "from": "public"}]
    assert fields["attested"] is None


def test_a_script_is_told_what_is_so_now(office, alice):
    [said] = office.run("alice", "profile", "set", "--about", "", "--json").lines
    [hides] = office.run("alice", "profile", "hide", "name:public", "--json").lines

    assert (said, hides) == ({"about": ""}, {"hidden": [{"field": "name", "from": "public"}]})
    assert "You say nothing" in office.run("alice", "profile", "show").out


def test_what_the_relay_refuses_is_not_kept(office, alice):
    office.relay.script[PutProfile] = lambda *_: Refused(Code.RATE, 0)

    assert office.run("alice", "profile", "hide", "name").status != 0
    assert "You hide nothing" in office.run("alice", "profile", "show").out


@pytest.mark.parametrize("cell", ["phone", "name:king", "name:public=perhaps", "name:public:officers"])
def test_a_cell_that_is_none_is_a_usage_error(office, alice, cell):
    assert office.run("alice", "profile", "hide", cell).status == 2


@pytest.mark.parametrize("about", ["x" * 121, "two\nlines", "\u202eturned"])
def test_a_line_that_is_none_is_a_usage_error(office, alice, about):
    assert office.run("alice", "profile", "set", "--about", about).status == 2
