"""relay send."""

import subprocess
import sys
import time
from argparse import ArgumentTypeError

import pytest

from relayclient import holder
from relayclient.cli import send
from relayproto.codes import Class, Code, Lane
from relayproto.commands import Submit
from relayproto.limits import TEXT_BYTES_MAX
from relayproto.replies import NotTaken, Submitted
from support.shared import shared_bytes

BOB = "bob@office.example"


def texts(office, name="bob"):
    ran = office.run(name, "listen", "--drain", "--json", "--timeout", "10")
    assert ran.status == 0, ran.err
    return [line["text"] for line in ran.lines]


def test_a_text_is_accepted_and_its_id_printed(office):
    office.join("alice", "bob")

    ran = office.run("alice", "send", BOB, "The files are ready.")

    assert ran.status == 0
    message, state = ran.out.split()
    assert (len(message), state, ran.err) == (32, "accepted", "")
    assert texts(office) == ["The files are ready."]


def test_whoever_is_shown_no_address_answers_by_the_account(office):
    office.join("alice", "bob")
    account = office.run("bob", "whoami", "--json").lines[0]["account"]

    ran = office.run("alice", "send", account, "Thank you!")

    assert (ran.status, ran.err) == (0, "")
    assert texts(office) == ["Thank you!"]


def test_a_file_comes_out_byte_for_byte(office, tmp_path):
    office.join("alice", "bob")
    path = tmp_path / "odd.txt"
    path.write_bytes("\ufeffline\r\n\x1b[2J\x00 तैयार\n\n".encode())

    sent = office.run("alice", "send", BOB, "--file", str(path))
    received = texts(office)
    raw = office.raw("bob", "inbox", sent.out.split()[0][:6], "--raw")

    assert received == [path.read_bytes().decode()]
    assert raw == path.read_bytes()


def test_the_circular_is_one_message(office):
    office.join("alice", "bob")
    circular = shared_bytes("data/circular-mr.txt")

    ran = office.run("alice", "send", BOB, "-", stdin=circular)

    assert ran.status == 0
    assert texts(office) == [circular.decode()]


def test_standard_input_and_lines(office):
    office.join("alice", "bob")

    whole = office.run("alice", "send", BOB, "-", stdin=b"one\ntwo\n")
    lines = office.run("alice", "send", BOB, "--lines", "-", stdin=b"one\n\ntwo\nthree", tty={"stderr"})

    assert (whole.status, lines.status) == (0, 0)
    assert len(lines.out.splitlines()) == 3
    assert "accepted 3 of 3" in lines.err
    assert texts(office) == ["one\ntwo\n", "one", "two", "three"]


def test_json_names_each_message_and_its_state(office):
    office.join("alice", "bob")

    [line] = office.run("alice", "send", BOB, "hello", "--json").lines

    assert (line["to"], line["state"], line["code"]) == (BOB, "accepted", None)


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "told"),
    [
        (["x" * (TEXT_BYTES_MAX + 1)], b"", 65, f"{TEXT_BYTES_MAX:,}"),
        (["--lines", "-"], b"short\n" + b"x" * (TEXT_BYTES_MAX + 1), 65, "line 2"),
        (["-"], b"ok \xff no", 65, "standard input, byte 4"),
        (["\udcff"], b"", 65, "not UTF-8"),
        ([""], b"", 65, "no text"),
        (["--lines", "-"], b"\n\n", 65, "no text"),
        ([], b"", 65, "give TEXT"),
        (["text", "--file", "x"], b"", 65, "give TEXT"),
        (["--file", "/nowhere/x"], b"", 66, "No such file"),
        (["text", "--timeout", "soon"], b"", 2, "'soon' is not a number of seconds"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is_queued(office, arguments, stdin, status, told):
    office.join("alice", "bob")

    ran = office.run("alice", "send", BOB, *arguments, stdin=stdin)

    assert ran.status == status
    assert told in ran.err
    assert office.run("alice", "status").out == ""


def test_something_that_is_no_address_is_refused(office):
    office.join("alice")

    ran = office.run("alice", "send", "bob", "hello")

    assert ran.status == 65
    assert "not an address" in ran.err


def test_an_unknown_address_is_told_after_the_state(office):
    office.join("alice")

    ran = office.run("alice", "send", "nobody@office.example", "hello")

    assert ran.status == 65
    assert ran.out.endswith(" refused\n")
    assert "nobody@office.example" in ran.err


def test_another_refusal_is_told_by_its_name(office):
    office.join("alice", "bob")
    office.relay.script[Submit] = lambda peer, command, request: Submitted(
        command.submission, (Code.BAD_LIFETIME,), (), 0
    )

    ran = office.run("alice", "send", BOB, "hello")

    assert ran.status == 65
    assert "BAD_LIFETIME" in ran.err


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda number: Submitted(number, (Code.OVER_QUOTA,), (), 60_000), "the recipient's mailbox is full"),
        (lambda number: NotTaken(number, Code.RATE, 60_000), "too many messages in a short time"),
        (lambda number: NotTaken(number, Code.DISK, 60_000), "the relay's disk is full"),
    ],
)
def test_what_has_to_wait_says_why_and_is_queued(office, answer, told):
    office.join("alice", "bob")
    office.relay.script[Submit] = lambda peer, command, request: answer(command.submission)

    ran = office.run("alice", "send", BOB, "hello", "--timeout", "0.7")
    [line] = office.run("alice", "status", "--json").lines

    assert ran.status == 75
    assert told in ran.err
    assert "is queued and will go" in ran.err
    assert (line["state"], line["code"]) in {("queued", "OVER_QUOTA"), ("queued", "RATE"), ("queued", "DISK")}


def test_a_message_stays_queued_while_the_relay_is_away_and_goes_later(office):
    office.join("alice", "bob")
    office.stop()

    away = office.run("alice", "send", BOB, "later", "--timeout", "0.5", tty={"stderr"})
    office.thread.do(office.relay.start)
    office.run("alice", "listen", "--drain", "--timeout", "10")

    assert away.status == 75
    assert away.out.endswith(" queued\n")
    assert "is queued" in away.err
    assert "refuses connections" in away.err
    assert texts(office) == ["later"]


def test_queued_is_enough_where_it_is_asked_for(office):
    office.join("alice")
    office.stop()

    ran = office.run("alice", "send", BOB, "later", "--wait", "queued")

    assert (ran.status, ran.out.split()[1]) == (0, "queued")


def test_waiting_for_delivery_ends_with_the_time(office):
    office.join("alice", "bob")

    ran = office.run("alice", "send", BOB, "hello", "--wait", "delivered", "--timeout", "0.5")

    assert ran.status == 75
    assert ran.out.endswith(" accepted\n")
    assert "--timeout" in ran.err


def test_an_address_that_names_another_account_gets_nothing(office):
    office.join("alice", "bob", "carol")
    office.run("alice", "lookup", BOB)
    office.relay.addresses[BOB] = office.relay.addresses["carol@office.example"]
    office.run("alice", "lookup", BOB)

    ran = office.run("alice", "send", BOB, "secret", "--timeout", "1")

    assert ran.status == 77
    assert "compare numbers in person" in ran.err
    assert office.run("alice", "status").out == ""
    assert not office.relay.mailboxes[office.relay.addresses[BOB], 1].waiting[Lane.NORMAL]


def test_beside_a_listening_process_a_message_is_queued_and_the_other_one_sends_it(office):
    office.join("alice", "bob")
    listening = subprocess.Popen(
        [sys.executable, "-m", "relayclient.cli.main", "--home", str(office.place / "alice"), "listen"],
        env={"PYTHONPATH": ":".join(sys.path)}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(1500):
            if (office.place / "alice" / holder.WAKE_NAME).exists():
                break
            time.sleep(0.02)

        ran = office.run("alice", "send", BOB, "through the other", "--timeout", "10")
    finally:
        listening.terminate()
        listening.wait(30)

    assert ran.status == 0, ran.err
    assert listening.returncode == 130
    assert texts(office) == ["through the other"]


def test_where_the_process_beside_it_ends_the_message_is_sent_here(office):
    office.join("alice", "bob")
    held = holder.take(office.place / "alice")
    office.thread.loop.call_soon_threadsafe(office.thread.loop.call_later, 0.5, held.release)

    ran = office.run("alice", "send", BOB, "taken over", "--timeout", "10")

    assert ran.status == 0, ran.err
    assert texts(office) == ["taken over"]


def test_chat_is_the_class(office):
    office.join("alice", "bob")
    office.run("alice", "send", BOB, "hello")

    [submit] = office.relay.got(Submit)

    assert submit.class_ is Class.CHAT


@pytest.mark.parametrize("text", ["-1", "nan", "1e9", "x"])
def test_a_time_limit_is_a_sensible_number(text):
    with pytest.raises(ArgumentTypeError):
        send.seconds(text)
