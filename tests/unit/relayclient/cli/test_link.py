"""relay link."""

import pytest

from relayclient import linking
from relayproto.codes import Code
from relayproto.commands import PutDevices
from relayproto.packed import pack
from relayproto.primitives import box_seal
from relayproto.replies import Refused


@pytest.fixture
def alice(office):
    office.join("alice")
    return office


def code_of(office, name="alice2"):
    ran = office.run(name, "link", "new")
    assert ran.status == 0, ran.err
    return ran.out.strip()


def add(office, code):
    """Let a new device in, its digits compared."""
    return office.run("alice", "link", "add", "--json", "--yes", "--digits", linking.digits(code), stdin=code.encode())


def finish(office, answer, *arguments, name="alice2"):
    """Take an answer in, its digits compared."""
    [said] = answer.lines
    return office.run(
        name, *arguments, "link", "finish", "--yes", "--digits", said["digits"], stdin=said["answer"].encode()
    )  # fmt: skip


def link(office, name="alice2"):
    answer = add(office, code_of(office, name))
    assert answer.status == 0, answer.err
    return finish(office, answer, name=name)


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

    willing = alice.run("alice", "link", "add", stdin=f"{code}\nyes\n".encode(), tty=("stdin",))
    assert willing.status == 0


def test_finishing_shows_the_digits_of_the_answer_and_asks(alice):
    answer = add(alice, code_of(alice)).lines[0]

    alone = alice.run("alice2", "link", "finish", stdin=answer["answer"].encode())
    unwilling = alice.run("alice2", "link", "finish", stdin=f"{answer['answer']}\nno\n".encode(), tty=("stdin",))
    assert (alone.status, unwilling.status) == (64, 64)
    assert answer["digits"] in unwilling.err
    assert "You will be alice@office.example here." in unwilling.err
    assert alice.run("alice2", "whoami").status == 78

    willing = alice.run("alice2", "link", "finish", stdin=f"{answer['answer']}\nyes\n".encode(), tty=("stdin",))
    assert willing.status == 0


def test_the_old_device_shows_the_digits_of_its_answer(alice):
    code = code_of(alice)
    said = alice.run("alice", "link", "add", "--yes", "--digits", linking.digits(code), stdin=code.encode())
    again = add(alice, code)

    assert f"Digits to compare: {again.lines[0]['digits']}" in said.err
    assert again.lines[0]["digits"] != linking.digits(code)


def test_a_yes_without_the_digits_is_none(alice):
    code = code_of(alice)
    assert alice.run("alice", "link", "add", "--yes", stdin=code.encode()).status == 64
    answer = add(alice, code).lines[0]["answer"].encode()

    ran = alice.run("alice2", "link", "finish", "--yes", stdin=answer)

    assert ran.status == 64
    assert "--digits" in ran.err
    assert alice.run("alice2", "whoami").status == 78


def test_other_digits_end_it(alice):
    code = code_of(alice)
    wrong = ("--yes", "--digits", "00000 00000 00000 00000")
    assert alice.run("alice", "link", "add", *wrong, stdin=code.encode()).status == 77
    assert alice.relay.got(PutDevices) == []
    answer = add(alice, code).lines[0]["answer"].encode()

    assert alice.run("alice2", "link", "finish", *wrong, stdin=answer).status == 77
    assert alice.run("alice2", "link", "finish", "--digits", "0", stdin=answer).status == 77
    assert alice.run("alice2", "whoami").status == 78


def test_an_answer_that_somebody_else_sealed_has_other_digits(alice):
    code = code_of(alice)
    good = add(alice, code).lines[0]
    evil = pack(b"E" * 32, 1, "alice@office.example", "evil.example", 7443, 1, b"k" * 32, b"R" * 32, 7)
    forged = linking._code("relay-linked:", box_seal(linking.read_new(code).seal_key, evil))

    ran = alice.run("alice2", "link", "finish", "--yes", "--digits", good["digits"], stdin=forged.encode())

    assert ran.status == 77
    assert alice.run("alice2", "whoami").status == 78


def test_a_code_on_the_command_line_is_a_usage_error(alice):
    assert alice.run("alice", "link", "add", code_of(alice)).status == 2


def test_the_same_code_again_gets_an_answer_and_no_second_device(alice):
    code = code_of(alice)
    add(alice, code)

    again = add(alice, code)

    assert again.status == 0
    assert len(alice.relay.got(PutDevices)) == 1
    assert finish(alice, again).status == 0


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
    code = code_of(alice)
    alice.relay.script[PutDevices] = lambda *_: Refused(Code.LIMIT, 0)
    refused = add(alice, code)
    alice.relay.script[PutDevices] = lambda *_: Refused(Code.STALE_LIST, 0)
    endless = add(alice, code)

    assert refused.status == 65
    assert "LIMIT" in refused.err
    assert endless.status == 75


def test_an_answer_that_is_none_is_told(alice):
    code_of(alice)

    assert alice.run("alice2", "link", "finish", stdin=b"hello").status == 65
    assert alice.run("nobody", "link", "finish", stdin=b"hello").status == 78


def test_a_relay_that_is_away_does_not_undo_the_link(alice):
    answer = add(alice, code_of(alice))
    alice.stop()

    ran = finish(alice, answer, "--json")

    assert ran.status == 75
    assert ran.lines[0]["ready"] is False
    assert "relay listen" in ran.err


def test_a_new_device_may_have_a_passphrase(alice, monkeypatch, tmp_path):
    monkeypatch.setattr("relayclient.cli.home.ask_passphrase", lambda prompt: "correct horse")
    protected = alice.run("alice2", "link", "new", "--protect")
    answer = add(alice, protected.out.strip())
    (tmp_path / "word").write_text("correct horse\n")

    ran = finish(alice, answer, "--passphrase-file", str(tmp_path / "word"))

    assert ran.status == 0
