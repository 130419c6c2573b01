"""What one connection remembers: which commands are under way, and which must wait."""

from relayclient.link import Asking
from relayproto.commands import GetRelayKeys, Lookup


def test_a_command_is_asked_once_until_it_is_answered():
    asking = Asking()

    asked = [asking.ask(GetRelayKeys(), 0), asking.ask(GetRelayKeys(), 0)]
    under_way = asking.under_way(GetRelayKeys)
    asking.answered(GetRelayKeys())

    assert asked == [True, False]
    assert under_way
    assert not asking.under_way(GetRelayKeys)
    assert asking.ask(GetRelayKeys(), 0)


def test_a_paused_command_waits_and_others_do_not():
    asking = Asking()
    asking.pause(Lookup("a@b.example"), 500)

    assert not asking.ask(Lookup("a@b.example"), 499)
    assert asking.ask(Lookup("c@b.example"), 499)
    assert asking.next_ms(499) == 500
    assert asking.ask(Lookup("a@b.example"), 500)
    assert asking.next_ms(0) is None


def test_a_pause_that_has_passed_wakes_nobody():
    asking = Asking()
    asking.pause(Lookup("a@b.example"), 500)

    assert asking.next_ms(500) is None
