"""What a device tells a relay again that came back from a copy."""

import pytest

from relayproto.codes import Code
from relayproto.commands import GetDevices, PutDevices, PutPolicy, PutProfile
from relayproto.replies import Devices, Done, Refused
from support.small_relay import NOW_MS, drop_device, join_second
from support.talk import BOB, introduce, texts

ROW, HIDDEN = b"\x01" * 30, b"\x01" * 25
RETOLD = (PutDevices, PutPolicy, PutProfile)


@pytest.fixture
def told(relay):
    """Note what is put, and take a list as a relay does."""
    said = []

    def take(command):
        said.append(command)
        return Done()

    def take_list(command):
        said.append(command)
        relay.accounts[owner_of(command)] = (command.devices, command.signature)
        return Devices(command.devices, command.signature, "")

    def owner_of(command):
        return next(account for account in relay.accounts if account in command.devices)

    relay.answers = {PutPolicy: take, PutProfile: take, PutDevices: take_list}
    return said


def say(device, command, at_ms=NOW_MS):
    device.answered(Done(), command, at_ms)


def test_nothing_is_told_where_the_relay_was_not_restored(relay, alice, told):
    say(alice, PutPolicy(ROW))
    say(alice, PutProfile("on leave", HIDDEN))

    relay.connect(alice).run()

    assert told == []


def test_policy_and_profile_are_told_with_the_time_at_which_they_were_said_and_once(relay, alice, told):
    say(alice, PutPolicy(ROW), NOW_MS + 7)
    say(alice, PutProfile("on leave", HIDDEN), NOW_MS + 9)
    relay.restore()

    relay.connect(alice).run()
    relay.connect(alice).run()

    assert told == [PutPolicy(ROW, NOW_MS + 7), PutProfile("on leave", HIDDEN, NOW_MS + 9)]


def test_they_are_told_at_the_next_connection_where_this_one_broke(relay, alice, told):
    say(alice, PutPolicy(ROW))
    relay.restore()
    line = relay.connect(alice)
    line.deaf = True
    line.run()
    assert told == [PutPolicy(ROW, NOW_MS)]

    relay.connect(alice).run()

    assert told == [PutPolicy(ROW, NOW_MS)] * 2


def test_what_was_said_meanwhile_stays_the_newer(relay, alice, told):
    say(alice, PutPolicy(ROW), NOW_MS)
    again = PutPolicy(ROW, NOW_MS)
    say(alice, PutPolicy(bytes(30)), NOW_MS + 1)

    say(alice, again, NOW_MS + 2)
    relay.restore()
    relay.connect(alice).run()

    assert told == [PutPolicy(bytes(30), NOW_MS + 1)]


def test_a_relay_with_an_older_list_gets_the_newest_that_the_device_knows(relay, alice, tmp_path, told):
    copy = relay.accounts[alice.identity.account]
    with join_second(relay, alice, tmp_path / "second"):
        drop_device(relay, alice, 2)
    newest = relay.accounts[alice.identity.account]
    relay.connect(alice).run()
    assert told == []

    relay.accounts[alice.identity.account] = copy
    relay.connect(alice).run()
    relay.connect(alice).run()

    assert told == [PutDevices(*newest)]
    assert relay.devices_of(alice.identity.account).version == 3


def test_where_the_relay_never_takes_the_list_its_own_is_asked_for(relay, alice, tmp_path, told):
    copy = relay.accounts[alice.identity.account]
    with join_second(relay, alice, tmp_path / "second"):
        relay.connect(alice).run()
    relay.accounts[alice.identity.account] = copy
    asked = []
    relay.answers[PutDevices] = Refused(Code.STALE_LIST, 0)
    relay.answers[GetDevices] = lambda command: asked.append(command) or Devices(*copy, "")

    relay.connect(alice).run()

    assert asked == [GetDevices(alice.identity.account)]


@pytest.mark.parametrize("command", RETOLD[1:])
def test_what_the_relay_never_takes_is_given_up_and_what_it_takes_later_is_not(relay, alice, told, command):
    say(alice, PutPolicy(ROW) if command is PutPolicy else PutProfile("on leave", HIDDEN))
    relay.restore()
    refusals = [Refused(Code.RATE, 0), Refused(Code.NOT_AVAILABLE, 0)]
    relay.answers[command] = lambda said: told.append(said) or refusals.pop(0)

    for _ in range(4):
        relay.connect(alice).run()

    assert len(told) == 2


def test_people_write_to_each_other_after_it(relay, alice, bob, told):
    introduce(relay, alice, bob)
    say(alice, PutPolicy(ROW))
    relay.restore()
    relay.connect(alice).run()
    relay.connect(bob).run()

    alice.queue(BOB, "after", now_ms=NOW_MS)
    relay.connect(alice).run()

    assert "after" in texts(relay.connect(bob).run())
