"""relay register."""

import pytest

from relayproto.codes import Code
from relayproto.commands import Enrol, GetCode, Register
from relayproto.replies import Done, Refused
from support.scripted_relay import enrol

TICKET = b"t" * 16
MAIL = "alice@mail.example"


def registered(peer, command, _request):
    peer.relay.tickets[TICKET] = command.address
    return enrol(peer, Enrol(TICKET, command.devices, command.signature, command.prekeys))


@pytest.fixture
def where(office):
    """What names the relay."""
    office.relay.script[GetCode], office.relay.script[Register] = (lambda *_: Done()), registered
    known = office.relay.invite("anybody@office.example")
    return "--relay", f"{known.host}:{known.port}", "--root", known.root_fingerprint.hex()


def test_a_code_is_sent_and_asked_for_and_makes_a_member(office, where):
    ran = office.run(
        "alice", "register", MAIL, "--address", "Alice@city.example", *where, stdin=b"1234 5678\n", tty={"stdin"}
    )

    assert ran.status == 0
    assert ran.out == f"You are alice@city.example. Your keys are in {office.place / 'alice'}.\n"
    assert "If alice@mail.example may register here, a code comes there" in ran.err
    assert "Code: " in ran.err
    assert "1234" not in ran.out + ran.err
    assert [each.code for each in office.relay.got(Register)] == ["12345678"]


def test_a_code_that_has_come_is_not_sent_again(office, where):
    ran = office.run("alice", "register", MAIL, "--have-code", "--json", *where, stdin=b"12345678\n")

    assert ran.status == 0
    [joined] = ran.lines
    assert (joined["address"], joined["device"]) == (MAIL, 1)
    assert office.relay.got(GetCode) == []


def test_a_wrong_code_is_told_in_one_line(office, where):
    office.relay.script[Register] = lambda *_: Refused(Code.BAD_TICKET, 0)

    ran = office.run("alice", "register", MAIL, "--have-code", *where, stdin=b"12345678\n")

    assert ran.status == 65
    assert ran.err.startswith("relay: That code is wrong, used up or too old")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--relay", "nowhere"), "is not HOST:PORT"),
        (("--relay", "h:0"), "is not HOST:PORT"),
        (("--root", "00"), "64 digits"),
    ],
)
def test_what_names_no_relay_is_a_mistake_of_usage(office, where, changed, said):
    ran = office.run("alice", "register", MAIL, *where, *changed)

    assert ran.status == 2
    assert said in ran.err
    assert not (office.place / "alice").exists()


def test_what_is_no_mail_address_makes_nothing(office, where):
    ran = office.run("alice", "register", "alice", *where)

    assert ran.status == 65
    assert not (office.place / "alice").exists()


def test_too_many_codes_are_told_with_when_there_may_be_another(office, where):
    office.relay.script[GetCode] = lambda *_: Refused(Code.RATE, 7_100_000)
    soon = office.run("alice", "register", MAIL, *where)
    office.relay.script[GetCode] = lambda *_: Refused(Code.RATE, 0)
    some_time = office.run("alice", "register", MAIL, *where)

    assert (soon.status, some_time.status) == (75, 75)
    assert soon.err.endswith("Try again later. (in 119 minutes)\n")
    assert some_time.err.endswith("Try again later.\n")


def test_another_root_may_be_a_mistyped_one_and_is_told_so(office, where):
    *place, root = where
    wrong = "0" * 64 if root != "0" * 64 else "1" * 64

    ran = office.run("alice", "register", MAIL, *place, wrong)

    assert ran.status == 77
    assert "see whether you mistyped it; if not, do not go on" in ran.err
    assert office.relay.got(GetCode) == []
