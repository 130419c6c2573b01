"""relay inbox."""

import json

from relayclient import holder
from relayclient.cli.inbox import show
from relayclient.events import MessageReceived
from relayproto.attestation import Attested
from relayproto.codes import Class
from relayproto.ids import AccountId, DeviceId, MessageId
from support.attesting import attested

BOB = "bob@office.example"


def filled(office, *texts):
    office.join("alice", "bob")
    for text in texts:
        assert office.run("alice", "send", BOB, text).status == 0
    office.run("bob", "listen", "--drain", "--timeout", "10")
    office.stop()


def test_what_has_come_is_shown_oldest_first_also_offline(office):
    filled(office, "one", "two")

    ran = office.run("bob", "inbox")

    assert ran.status == 0
    assert [line.rsplit(" ", 1)[1] for line in ran.out.splitlines()] == ["one", "two"]
    assert office.run("bob", "inbox", "--limit", "1").out.endswith("two\n")
    assert office.run("bob", "inbox", "--limit", "-1").out == ""


def test_one_message_is_named_by_the_beginning_of_its_id(office):
    filled(office, "one", "two")
    ids = [line["message"] for line in office.run("bob", "inbox", "--json").lines]

    [line] = office.run("bob", "inbox", ids[0][:8], "--json").lines

    assert line["text"] == "one"


def test_an_unknown_id_and_one_that_is_not_unique_are_told(office):
    filled(office, *(str(number) for number in range(17)))
    ids = [line["message"] for line in office.run("bob", "inbox", "--json").lines]
    twice = next(first[0] for first in ids if sum(each[0] == first[0] for each in ids) > 1)

    unknown, many, empty = (office.run("bob", "inbox", prefix) for prefix in ("zz", twice, ""))

    assert (unknown.status, many.status, empty.status) == (65, 65, 65)
    assert "no such message" in unknown.err
    assert f"begin with {twice}" in many.err


def test_raw_needs_one_message_and_commands_no_terminal(office):
    filled(office, "\x1b[2J")
    [line] = office.run("bob", "inbox", "--json").lines

    without = office.run("bob", "inbox", "--raw")
    on_a_terminal = office.run("bob", "inbox", line["message"], "--raw", tty={"stdout"})
    in_a_pipe = office.raw("bob", "inbox", line["message"], "--raw")

    assert (without.status, on_a_terminal.status) == (65, 65)
    assert "needs the id" in without.err
    assert "into a file" in on_a_terminal.err
    assert "\x1b" not in on_a_terminal.out
    assert in_a_pipe == b"\x1b[2J"


def test_marked_as_read_is_not_unread_and_the_senders_are_told_later(office):
    filled(office, "one", "two")

    first = office.run("bob", "inbox", "--unread", "--mark-read", "--json", tty={"stderr"})
    second = office.run("bob", "inbox", "--unread", "--mark-read", "--json")

    assert [line["text"] for line in first.lines] == ["one", "two"]
    assert "told with the next" in first.err
    assert (second.status, second.out) == (0, "")
    office.thread.do(office.relay.start)
    office.run("bob", "listen", "--drain", "--timeout", "10")
    office.run("alice", "listen", "--drain", "--timeout", "10")
    assert [line["state"] for line in office.run("alice", "status", "--json").lines] == ["read", "read"]


def test_a_process_that_is_connected_is_poked_to_tell_the_senders(office):
    filled(office, "one")
    held = holder.take(office.place / "bob")

    ran = office.run("bob", "inbox", "--mark-read", tty={"stderr"})

    assert ran.err == ""
    assert held.wake.recv(1) == b"\0"
    held.release()


def test_a_sender_without_an_address_and_marks_are_shown(office):
    filled(office, "one")

    message = MessageReceived(
        message=MessageId(b"m" * 16), sender=AccountId(b"\xab" * 32), address=None, device=DeviceId(1), peer=None,
        text="text\n", sent_ms=0, number=1, class_=Class.CHAT, verified=True, forwarded=True,
    )  # fmt: skip

    attests = Attested(attested(), "Works", None, None)
    show(message, attests, as_json=False)
    assert office._capsys.readouterr().out.endswith(f"account {'ab' * 32} (verified) [Works] forwarded: text\n")

    show(message, None, as_json=False)
    assert office._capsys.readouterr().out.endswith(f"account {'ab' * 32} (verified) forwarded: text\n")
    show(message, attests, as_json=True)
    assert json.loads(office._capsys.readouterr().out)["attested"]["organisation"] == "Works"
