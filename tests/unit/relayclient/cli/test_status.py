"""relay status."""

from relayclient.cli import status
from relayproto.codes import Code

BOB = "bob@office.example"


def test_a_message_has_its_history(office):
    office.join("alice", "bob")
    message = office.run("alice", "send", BOB, "hello").out.split()[0]
    office.run("bob", "listen", "--drain", "--read", "--timeout", "10")
    office.run("alice", "listen", "--drain", "--timeout", "10")
    office.stop()

    [shown] = office.run("alice", "status", message[:6], "--json").lines
    ran = office.run("alice", "status", message[:6])

    assert (shown["message"], shown["to"], shown["state"], shown["class"]) == (message, BOB, "read", "chat")
    assert [step["state"] for step in shown["history"]] == ["queued", "accepted", "delivered", "read"]
    times = [step["at_ms"] for step in shown["history"]]
    assert times == sorted(times)
    assert len(ran.out.splitlines()) == 5
    assert ran.out.splitlines()[0].endswith(f"{message}  {BOB}  read")


def test_without_a_message_the_last_ones_are_listed_oldest_first(office):
    office.join("alice", "bob")
    office.run("alice", "send", BOB, "one")
    office.run("alice", "send", "nobody@office.example", "two")

    lines = office.run("alice", "status").out.splitlines()

    assert lines[0].endswith(f"{BOB}  accepted")
    assert lines[1].endswith("nobody@office.example  refused (NOT_AVAILABLE)")
    assert len(office.run("alice", "status", "--limit", "1").out.splitlines()) == 1


def test_an_unknown_message_is_told(office):
    office.join("alice")

    ran = office.run("alice", "status", "abcd")

    assert ran.status == 65
    assert "no such message" in ran.err


def test_a_beginning_that_fits_several_is_told(office):
    office.join("alice", "bob")
    ran = office.run("alice", "send", BOB, "--lines", "-", stdin=b"x\n" * 17)
    ids = [line.split()[0] for line in ran.out.splitlines()]
    twice = next(first[0] for first in ids if sum(each[0] == first[0] for each in ids) > 1)

    many = office.run("alice", "status", twice)

    assert many.status == 65
    assert f"begin with {twice}" in many.err


def test_a_code_that_nobody_knows_yet_is_a_number():
    assert status.code_name(299) == "299"
    assert status.code_name(Code.TOO_LARGE) == "TOO_LARGE"
    assert status.code_name(None) is None
