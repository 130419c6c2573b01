"""relay block."""

from relayclient import holder
from relayproto.codes import Code
from relayproto.commands import Block, Submit
from relayproto.replies import Refused

BOB = "bob@office.example"
MALLORY = "mallory@office.example"


def test_the_relay_is_told_and_nothing_more_is_shown(office):
    office.join("bob", "mallory")
    office.run("bob", "lookup", MALLORY)
    office.run("mallory", "send", BOB, "before")

    blocked = office.run("bob", "block", MALLORY)
    drained = office.run("bob", "listen", "--drain", "--timeout", "10")

    assert (blocked.status, blocked.out) == (0, f"{MALLORY} is blocked.\n")
    assert [command.blocked for command in office.relay.got(Block)] == [True]
    assert (drained.status, drained.out) == (0, "")
    assert office.run("bob", "inbox").out == ""


def test_whom_somebody_has_blocked_is_listed(office):
    office.join("bob", "mallory", "alice")
    office.run("bob", "lookup", "alice@office.example")
    office.run("bob", "block", MALLORY)

    listed = office.run("bob", "block")
    [line] = office.run("bob", "block", "--json").lines
    shown = office.run("bob", "lookup", MALLORY)

    assert listed.out.startswith(f"{MALLORY}  account ")
    assert listed.out.count("\n") == 1
    assert (line["address"], line["blocked"]) == (MALLORY, True)
    assert "blocked: relay unblock" in shown.out


def test_a_script_learns_whether_the_relay_knows(office):
    office.join("bob", "mallory")

    [line] = office.run("bob", "block", MALLORY, "--json").lines

    assert (line["address"], line["blocked"], line["relay_told"], line["code"]) == (MALLORY, True, True, None)


def test_a_relay_that_is_away_is_told_later(office):
    office.join("bob", "mallory")
    office.run("bob", "lookup", MALLORY)
    office.stop()

    away = office.run("bob", "block", MALLORY)
    office.thread.do(office.relay.start)
    office.run("bob", "listen", "--drain", "--timeout", "10")

    assert away.status == 75
    assert away.out == f"{MALLORY} is blocked.\n"
    assert "the relay is told with the next" in away.err
    assert "refuses connections" in away.err
    assert [command.blocked for command in office.relay.got(Block)] == [True]


def test_beside_a_process_that_is_connected_it_is_left_to_that_one(office, monkeypatch):
    office.join("bob", "mallory")
    office.run("bob", "lookup", MALLORY)
    monkeypatch.setattr("relayclient.cli.online.ANSWER_TIMEOUT_S", 0.3)
    held = holder.take(office.place / "bob")
    try:
        ran = office.run("bob", "block", MALLORY)
        poked = held.wake.recv(1)
    finally:
        held.release()

    assert ran.status == 75
    assert poked


def test_a_relay_that_refuses_no_more_is_told(office):
    office.join("bob", "mallory")
    office.relay.script[Block] = lambda peer, command, request: Refused(Code.LIMIT, 0)

    ran = office.run("bob", "block", MALLORY)

    assert ran.status == 69
    assert "takes no more of these for now, LIMIT" in ran.err


def test_nobody_blocks_themselves_or_somebody_who_is_not_there(office):
    office.join("bob")

    themselves = office.run("bob", "block", BOB)
    nobody = office.run("bob", "block", MALLORY)

    assert (themselves.status, nobody.status) == (65, 65)
    assert "your own account" in themselves.err
    assert "No such address" in nobody.err
    assert office.relay.got(Submit) == []
