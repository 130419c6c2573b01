"""relay lookup."""

import os

from relayclient import holder
from relayproto.codes import Code
from relayproto.commands import Lookup
from relayproto.replies import Refused


def test_an_address_is_looked_up_at_the_relay(office):
    office.join("alice", "bob")

    ran = office.run("alice", "lookup", "Bob@office.example")

    account = office.relay.addresses["bob@office.example"].hex()
    assert ran.status == 0
    first, second = ran.out.splitlines()
    assert first == f"Bob@office.example  account {account}  1 device  (not verified: relay verify)"
    assert second == "  No organisation attests anything of this account."
    [shown] = office.run("alice", "lookup", "bob@office.example", "--json").lines
    assert (shown["account"], shown["devices"], shown["verified"]) == (account, [1], False)
    assert (shown["attested"], shown["doubt"]) == (None, None)


def test_an_unknown_address_is_told(office):
    office.join("alice")

    ran = office.run("alice", "lookup", "nobody@office.example")

    assert ran.status == 65
    assert "No such address takes messages" in ran.err
    assert "nobody@office.example" in ran.err


def test_another_refusal_is_told_by_its_code(office):
    office.join("alice")
    office.relay.script[Lookup] = lambda peer, command, request: Refused(Code.RATE, 100)

    ran = office.run("alice", "lookup", "bob@office.example")

    assert ran.status == 69
    assert "101" in ran.err


def test_a_relay_that_is_away_is_told(office):
    office.join("alice")
    office.stop()

    ran = office.run("alice", "lookup", "bob@office.example")

    assert ran.status == 69
    assert "refuses connections" in ran.err


def test_beside_a_process_that_is_connected_only_what_is_known_is_shown(office):
    office.join("alice", "bob")
    office.run("alice", "lookup", "bob@office.example")
    held = holder.take(office.place / "alice")

    known = office.run("alice", "lookup", "bob@office.example")
    unknown = office.run("alice", "lookup", "carol@office.example")

    held.release()
    assert known.status == 0
    assert "what is known already" in known.err
    assert unknown.status == 75
    assert "Another process" in unknown.err


def test_an_address_that_names_another_account_now_is_shown(office):
    office.join("alice", "bob", "carol")
    office.run("alice", "lookup", "bob@office.example")
    office.relay.addresses["bob@office.example"] = office.relay.addresses["carol@office.example"]

    ran = office.run("alice", "lookup", "bob@office.example")

    assert ran.status == 0
    assert "another account" in ran.err
    assert office.relay.addresses["carol@office.example"].hex() in ran.err
    assert os.linesep in ran.err
