"""What officers' verbs share: the connection, and how its loss is told."""

import pytest

from relayclient import holder
from relayproto.administration import GetUnits
from relayproto.codes import Code, GoawayCode
from relayproto.commands import Act, GetDevices, Lookup
from relayproto.replies import Refused
from support.registrar import Registrar


@pytest.fixture
def works(office):
    office.join("alice", "bob")
    return Registrar().install(office.relay)


def test_a_relay_that_is_away_is_told(office, works):
    office.stop()

    ran = office.run("alice", "unit", "list")

    assert ran.status == 69
    assert "refuses connections" in ran.err


def test_another_process_that_is_connected_is_told(office, works):
    held = holder.take(office.place / "alice")

    ran = office.run("alice", "unit", "list")

    held.release()
    assert ran.status == 75


def test_a_device_that_was_removed_is_told(office, works):
    office.relay.mailboxes.clear()

    ran = [office.run("alice", "unit", "list"), office.run("alice", "lookup", "bob@office.example")]

    assert [each.status for each in ran] == [78, 78]
    assert all("it was removed" in each.err for each in ran)


def test_an_act_that_had_come_through_before_its_answer_was_lost_is_told(office, works):
    def lose(peer, command, request):
        office.relay.script[Act] = lambda *_: Refused(Code.REPLAYED, 0)
        peer.transport.abort()

    office.relay.script[Act] = lose

    ran = office.run("alice", "unit", "add", "2", "North")

    assert ran.status == 75
    assert "it was done, or denied" in ran.err


def test_a_look_up_that_is_refused_for_now_is_told_by_its_code(office, works):
    office.relay.script[Lookup] = lambda *_: Refused(Code.RATE, 0)

    ran = office.run("alice", "unit", "place", "2", "bob@office.example")

    assert ran.status == 75
    assert "RATE" in ran.err


def test_an_address_that_names_another_account_now_is_not_acted_on(office, works):
    office.run("alice", "lookup", "bob@office.example")
    office.relay.addresses["bob@office.example"] = office.relay.addresses["alice@office.example"]
    office.run("alice", "lookup", "bob@office.example")

    ran = office.run("alice", "unit", "place", "2", "bob@office.example")

    assert ran.status == 77
    assert works.acts == []


def test_the_time_given_to_a_question_passes(office, works):
    calls = []

    def later(peer, command, request):
        calls.append(command)
        return Refused(Code.RATE, 1) if len(calls) == 1 else works._units(peer, command, request)

    office.relay.script[GetUnits] = later

    assert office.run("alice", "unit", "list").status == 0
    assert len(calls) == 2


def test_an_orderly_end_during_a_verb_is_followed_by_another_connection(office, works):
    def leave(peer, command, request):
        del office.relay.script[GetDevices]
        peer.goaway(GoawayCode.RESTART, reconnect=True)

    office.relay.script[GetDevices] = leave

    ran = office.run("alice", "unit", "list")

    assert ran.status in {0, 69}
