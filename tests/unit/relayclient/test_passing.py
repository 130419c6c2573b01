"""What passes by: heard by who is there, and nothing of it is kept."""

import pytest

from relayclient import passing, safety
from relayclient.events import TypingSeen
from relayproto import notices
from relayproto.codes import PassingKind
from relayproto.e2e.passing import Passed
from relayproto.ids import Address
from relayproto.limits import PASSING_AGE_MS_MAX
from relayproto.notices import Passing
from support.small_relay import NOW_MS, join_second
from support.talk import ALICE, BOB, CAROL, introduce


def passed(command, sender):
    """Return what the relay makes of an EPHEMERAL for the first of its devices."""
    who = sender.identity
    return Passing(who.account, who.device, command.target.wraps[0].sealed)


@pytest.fixture
def lines(relay, alice, bob):
    introduce(relay, alice, bob)
    open_lines = relay.connect(alice), relay.connect(bob)
    for line in open_lines:
        line.run()
    return open_lines


def test_somebody_who_is_there_sees_that_the_other_types(lines, alice, bob):
    command = alice.typing(BOB, NOW_MS)

    told = bob.noticed(passed(command, alice), NOW_MS + 10)

    assert (command.target.account, command.target.list_version) == (bob.identity.account, 1)
    assert told == [TypingSeen(alice.identity.account, ALICE, 1)]


def test_an_account_is_as_good_as_an_address(lines, alice, bob):
    assert alice.typing(bob.identity.account, NOW_MS) is not None
    assert alice.typing(Address(" Bob@Office.example "), NOW_MS + passing.TYPING_EVERY_MS) is not None


def test_it_is_said_once_in_a_while_however_fast_somebody_types(lines, alice):
    at_ms = [NOW_MS, NOW_MS + 1, NOW_MS + passing.TYPING_EVERY_MS - 1, NOW_MS + passing.TYPING_EVERY_MS]

    assert [alice.typing(BOB, now_ms) is not None for now_ms in at_ms] == [True, False, False, True]


def test_nothing_of_it_changes_the_store(lines, alice, bob, tmp_path):
    def kept(device):
        with device._store.step() as step:
            return step.rows("SELECT * FROM session"), step.rows("SELECT * FROM seen"), step.rows("SELECT * FROM lane")

    before = kept(alice), kept(bob)

    bob.noticed(passed(alice.typing(BOB, NOW_MS), alice), NOW_MS)

    assert (kept(alice), kept(bob)) == before


def test_nothing_is_said_where_nobody_could_hear_it(relay, alice, bob):
    assert alice.typing(BOB, NOW_MS) is None
    alice.queue(BOB, "first", now_ms=NOW_MS)
    relay.connect(alice).run()

    assert alice.typing(CAROL, NOW_MS) is None
    assert alice.typing(BOB, NOW_MS) is None
    assert alice.typing(bytes(32), NOW_MS) is None


def test_nothing_is_said_before_a_connection_is_open(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.hello()

    assert alice.typing(BOB, NOW_MS) is None


def test_nothing_is_said_to_devices_that_are_out_of_date(lines, alice, bob):
    with alice._store.step() as step:
        step.run("UPDATE contact SET stale = 1")

    assert alice.typing(BOB, NOW_MS) is None


def test_only_the_devices_with_a_session_hear_it(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        alice.queue(BOB, "to both", now_ms=NOW_MS)
        with alice._store.step() as step:
            step.run("UPDATE contact SET stale = 1 WHERE account = ?", bob.identity.account)
        relay.connect(alice).run()

        command = alice.typing(BOB, NOW_MS)

    assert [wrap.device for wrap in command.target.wraps] == [1]


@pytest.mark.parametrize("late_ms", [PASSING_AGE_MS_MAX + 1, -PASSING_AGE_MS_MAX - 1])
def test_what_is_late_or_early_is_dropped(lines, alice, bob, late_ms):
    notice = passed(alice.typing(BOB, NOW_MS), alice)

    assert bob.noticed(notice, NOW_MS + late_ms) == []


def test_what_comes_twice_is_dropped(lines, alice, bob):
    notice = passed(alice.typing(BOB, NOW_MS), alice)

    assert len(bob.noticed(notice, NOW_MS)) == 1
    assert bob.noticed(notice, NOW_MS + 1) == []


def test_what_does_not_open_or_is_from_nobody_known_is_dropped(lines, alice, bob):
    notice = passed(alice.typing(BOB, NOW_MS), alice)

    for false in (
        notices.Passing(notice.sender, 1, notice.wrap[:-1] + b"x"),
        notices.Passing(notice.sender, 2, notice.wrap),
        notices.Passing(bytes(32), 1, notice.wrap),
    ):
        assert bob.noticed(false, NOW_MS) == []


def test_somebody_blocked_is_not_heard(lines, alice, bob):
    notice = passed(alice.typing(BOB, NOW_MS), alice)
    with bob._store.step() as step:
        safety.block(step, alice.identity.account, blocked=True)

    assert bob.noticed(notice, NOW_MS) == []


def test_a_kind_of_a_newer_program_and_an_own_device_tell_nothing(lines, alice, bob, monkeypatch):
    notice = passed(alice.typing(BOB, NOW_MS), alice)

    monkeypatch.setattr(passing.sessions, "passed_by", lambda *_: Passed(PassingKind.TYPING + 1, NOW_MS))
    assert bob.noticed(notice, NOW_MS) == []

    monkeypatch.setattr(passing.sessions, "passed_by", lambda *_: Passed(PassingKind.TYPING, NOW_MS + 1))
    own = notices.Passing(bob.identity.account, 1, notice.wrap)
    assert bob.noticed(own, NOW_MS) == []
