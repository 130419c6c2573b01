"""relay link."""

import pytest

from relayclient import linking
from relayproto.codes import Code
from relayproto.commands import PutDevices
from relayproto.replies import Refused


@pytest.fixture
def alice(office):
    office.join("alice")
    return office


def code_of(office, name="alice2"):
    ran = office.run(name, "link", "new")
    assert ran.status == 0, ran.err
    return ran.out.strip()


def link(office, name="alice2"):
    answer = office.run("alice", "link", "add", "--yes", stdin=code_of(office, name).encode())
    assert answer.status == 0, answer.err
    return office.run(name, "link", "finish", stdin=answer.out.encode())


def test_a_second_device_is_let_in_and_ready(alice):
    ran = link(alice)

    assert (ran.status, ran.out) == (0, "You are alice@office.example, on device 2.\n")
    assert len(alice.relay.mailboxes) == 2
    account = alice.relay.addresses["alice@office.example"]
    assert alice.relay.mailboxes[account, 2].prekeys


def test_devices_are_listed(alice):
    link(alice)

    rows = alice.run("alice2", "link", "list").out.splitlines()
    said = alice.run("alice", "link", "list", "--json").lines

    assert [row.split()[0] for row in rows[1:]] == ["1", "2"]
    assert rows[2].endswith("this one")
    assert [(line["device"], line["this"]) for line in said] == [(1, True), (2, False)]
    assert alice.run("nobody", "link", "list").status == 78


def test_letting_in_shows_the_digits_and_asks(alice):
    code = code_of(alice)
    shown = alice.run("alice2", "link", "new", "--json").lines[0]

    alone = alice.run("alice", "link", "add", stdin=code.encode())
    unwilling = alice.run("alice", "link", "add", stdin=f"{code}\nno\n".encode(), tty=("stdin",))
    assert (alone.status, unwilling.status, alice.relay.got(PutDevices)) == (64, 64, [])
    assert linking.digits(code) == shown["digits"]
    assert shown["digits"] in unwilling.err

    willing = alice.run("alice", "link", "add", "--json", stdin=f"{code}\nyes\n".encode(), tty=("stdin",))
    assert willing.status == 0
    assert willing.lines[0]["digits"] == shown["digits"]


def test_a_code_on_the_command_line_is_a_usage_error(alice):
    assert alice.run("alice", "link", "add", code_of(alice)).status == 2


def test_the_same_code_again_gets_an_answer_and_no_second_device(alice):
    code = code_of(alice).encode()
    alice.run("alice", "link", "add", "--yes", stdin=code)

    again = alice.run("alice", "link", "add", "--yes", stdin=code)

    assert again.status == 0
    assert len(alice.relay.got(PutDevices)) == 1
    assert alice.run("alice2", "link", "finish", stdin=again.out.encode()).status == 0


def test_a_removed_device_is_gone(alice):
    link(alice)

    assert alice.run("alice", "link", "remove", "2").status == 64
    ran = alice.run("alice", "link", "remove", "2", "--yes")
    again = alice.run("alice", "link", "remove", "2", "--yes", "--json")

    assert (ran.status, ran.out) == (0, "Device 2 is removed.\n")
    assert again.lines == [{"removed": 2}]
    assert alice.run("alice2", "listen", "--drain").status == 78
    assert alice.run("alice", "link", "remove", "1", "--yes").status == 65


def test_a_list_that_is_not_the_next_is_put_again_after_the_newest_was_fetched(alice):
    refused = []

    def stale_once(peer, command, request):
        refused.append(command)
        del alice.relay.script[PutDevices]
        return Refused(Code.STALE_LIST, 0)

    alice.relay.script[PutDevices] = stale_once

    assert link(alice).status == 0
    assert len(refused) == 1


def test_a_refusal_is_told_by_its_code_and_without_end_it_ends(alice):
    code = code_of(alice).encode()
    alice.relay.script[PutDevices] = lambda *_: Refused(Code.LIMIT, 0)
    refused = alice.run("alice", "link", "add", "--yes", stdin=code)
    alice.relay.script[PutDevices] = lambda *_: Refused(Code.STALE_LIST, 0)
    endless = alice.run("alice", "link", "add", "--yes", stdin=code)

    assert refused.status == 65
    assert "LIMIT" in refused.err
    assert endless.status == 75


def test_an_answer_that_is_none_is_told(alice):
    code_of(alice)

    assert alice.run("alice2", "link", "finish", stdin=b"hello").status == 65
    assert alice.run("nobody", "link", "finish", stdin=b"hello").status == 78


def test_a_relay_that_is_away_does_not_undo_the_link(alice):
    answer = alice.run("alice", "link", "add", "--yes", stdin=code_of(alice).encode())
    alice.stop()

    ran = alice.run("alice2", "link", "finish", "--json", stdin=answer.out.encode())

    assert ran.status == 75
    assert ran.lines[0]["ready"] is False
    assert "relay listen" in ran.err


def test_a_new_device_may_have_a_passphrase(alice, monkeypatch, tmp_path):
    monkeypatch.setattr("relayclient.cli.home.ask_passphrase", lambda prompt: "correct horse")
    protected = alice.run("alice2", "link", "new", "--protect")
    answer = alice.run("alice", "link", "add", "--yes", stdin=protected.out.encode())
    (tmp_path / "word").write_text("correct horse\n")

    ran = alice.run("alice2", "--passphrase-file", str(tmp_path / "word"), "link", "finish", stdin=answer.out.encode())

    assert ran.status == 0
