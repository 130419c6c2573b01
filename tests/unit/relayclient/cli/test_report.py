"""relay report."""

import time

import pytest

from relayclient.cli.online import ANSWER_TIMEOUT_S
from relayproto.codes import Code
from relayproto.commands import Report
from relayproto.e2e.report import open_report
from relayproto.primitives import x25519_public
from relayproto.replies import Refused

BOB = "bob@office.example"
FIRST, SECOND = b"m" * 32, b"n" * 32


@pytest.fixture
def message(office):
    """Return the id of what mallory wrote to bob, at a relay with moderators."""
    office.relay.moderators = (x25519_public(FIRST), x25519_public(SECOND))
    office.relay.descriptor = office.relay.describe()
    office.join("bob", "mallory")
    office.run("mallory", "send", BOB, "a threat")
    office.run("bob", "listen", "--drain", "--timeout", "10")
    return office.run("bob", "inbox", "--json").lines[0]["message"]


def test_who_says_yes_is_shown_what_is_revealed_and_the_report_is_handed_in(office, message):
    ran = office.run("bob", "report", message[:6], stdin=b"yes\n", tty={"stdin"})

    [handed_in] = office.relay.got(Report)
    assert ran.status == 0, ran.err
    assert "a threat" in ran.out
    assert "two moderators of your relay" in ran.err
    assert ran.out.endswith(f"The relay keeps your report of message {message[:8]} for the moderators.\n")
    assert b"a threat" in open_report(handed_in.sealed, FIRST, SECOND).content


def test_a_script_says_yes_beforehand(office, message):
    [line] = office.run("bob", "report", message, "--yes", "--json").lines

    assert line == {"message": message, "handed_in": True, "code": None}


@pytest.mark.parametrize(("stdin", "tty"), [(b"no\n", {"stdin"}), (b"", {"stdin"}), (b"yes\n", set())])
def test_nothing_is_reported_that_nobody_has_confirmed(office, message, stdin, tty):
    ran = office.run("bob", "report", message, stdin=stdin, tty=tty)

    assert ran.status == 64
    assert "Nothing was reported" in ran.err
    assert office.relay.got(Report) == []


def test_a_relay_without_moderators_is_told_before_anything_is_asked(office):
    office.join("bob", "mallory")
    office.run("mallory", "send", BOB, "a threat")
    office.run("bob", "listen", "--drain", "--timeout", "10")
    [line] = office.run("bob", "inbox", "--json").lines

    ran = office.run("bob", "report", line["message"], stdin=b"yes\n", tty={"stdin"})

    assert (ran.status, ran.out) == (69, "")
    assert "no moderators" in ran.err


@pytest.mark.parametrize(
    ("refused", "status", "told"),
    [
        (Refused(Code.LIMIT, 3_600_000), 75, "takes no more of these for now, LIMIT"),
        (Refused(Code.UNSUPPORTED, 0), 69, "does not offer that, UNSUPPORTED"),
    ],
)
def test_what_the_relay_answers_is_told(office, message, refused, status, told):
    office.relay.script[Report] = lambda peer, command, request: refused

    began = time.monotonic()
    ran = office.run("bob", "report", message, "--yes")

    assert ran.status == status
    assert told in ran.err
    assert time.monotonic() - began < ANSWER_TIMEOUT_S / 2


def test_a_relay_that_is_away_gets_it_later(office, message):
    office.stop()

    away = office.run("bob", "report", message, "--yes", "--json")
    office.thread.do(office.relay.start)
    office.run("bob", "listen", "--drain", "--timeout", "10")

    assert (away.status, away.lines[0]["handed_in"]) == (75, False)
    assert "refuses connections" in away.err
    assert len(office.relay.got(Report)) == 1


def test_an_unknown_message_is_told(office, message):
    assert office.run("bob", "report", "zz", "--yes").status == 65
