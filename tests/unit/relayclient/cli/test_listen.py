"""relay listen."""

import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentTypeError

import pytest

from relayclient.cli import listen, wording
from relayclient.cli.terminal import commands_a_terminal
from relayclient.events import (
    BlockSettled,
    ContentUnknown,
    DevicesRefused,
    Drained,
    EnvelopeFailed,
    Failure,
    GapSeen,
    IdentityChanged,
    MessageState,
    QuotaRefused,
    RelayKeyChanged,
    RelayRestored,
    ReportHeldUp,
    ReportSettled,
    RolledBack,
    SessionBegunAnew,
    StateChanged,
    TypingSeen,
)
from relayproto.codes import Code, GapReason, GoawayCode, Lane
from relayproto.ids import AccountId, Address, DeviceId, KeyId, MessageId

BOB = "bob@office.example"
ACCOUNT = AccountId(b"\xab" * 32)
MESSAGE = MessageId(b"\xcd" * 16)


def sent(office, *texts):
    for text in texts:
        assert office.run("alice", "send", BOB, text).status == 0


def test_what_is_waiting_is_printed_for_people_and_then_it_ends(office):
    office.join("alice", "bob")
    sent(office, "one", "two\nthree\x1b[2J")

    ran = office.run("bob", "listen", "--drain", "--timeout", "10")

    assert ran.status == 0
    first, second, third = ran.out.splitlines()
    assert first.endswith("  alice@office.example: one")
    assert second.endswith("  alice@office.example: two")
    assert third == "    three\u241b[2J"
    assert ran.err == ""


def test_a_script_gets_every_field_and_the_exact_text(office):
    office.join("alice", "bob")
    sent(office, "\x1b]0;owned\x07 and \x9b, \u202e, \r\n")

    ran = office.run("bob", "listen", "--once", "--json", "--timeout", "10")

    [line] = ran.lines
    assert line["text"] == "\x1b]0;owned\x07 and \x9b, \u202e, \r\n"
    assert (line["address"], line["device"], line["number"], line["class"]) == ("alice@office.example", 1, 1, "chat")
    assert (line["verified"], line["forwarded"]) == (False, False)
    assert not commands_a_terminal(ran.out)


def test_it_ends_after_as_many_as_were_asked_for_and_the_rest_is_in_the_inbox(office):
    office.join("alice", "bob")
    sent(office, "one", "two", "three")

    ran = office.run("bob", "listen", "--count", "2", "--json", "--timeout", "10")
    rest = office.run("bob", "listen", "--unread", "--drain", "--json", "--timeout", "10")

    assert [line["text"] for line in ran.lines] == ["one", "two"]
    assert [line["text"] for line in rest.lines] == ["one", "two", "three"]


def test_unread_and_read_together_print_every_message_once(office):
    office.join("alice", "bob")
    sent(office, "one", "two")

    first = office.run("bob", "listen", "--unread", "--read", "--once", "--json", "--timeout", "10")
    second = office.run("bob", "listen", "--unread", "--read", "--drain", "--json", "--timeout", "10")
    third = office.run("bob", "listen", "--unread", "--once", "--json", "--timeout", "0.5")

    assert [line["text"] for line in first.lines + second.lines] == ["one", "two"]
    assert (third.status, third.out) == (75, "")


def test_unread_ones_may_be_enough(office):
    office.join("alice", "bob")
    sent(office, "one")
    office.run("bob", "listen", "--drain", "--timeout", "10")

    ran = office.run("bob", "listen", "--unread", "--once", "--json", "--timeout", "10")

    assert [line["text"] for line in ran.lines] == ["one"]


def test_the_sender_learns_that_it_was_read(office):
    office.join("alice", "bob")
    sent(office, "one")

    office.run("bob", "listen", "--drain", "--read", "--timeout", "10")
    office.run("alice", "listen", "--drain", "--timeout", "10")

    [status] = office.run("alice", "status", "--json").lines
    assert status["state"] == "read"


def test_a_relay_that_is_away_is_told_and_then_it_is_given_up(office):
    office.join("bob")
    office.stop()

    ran = office.run("bob", "listen", "--drain", "--timeout", "0.3")

    assert ran.status == 69
    assert "trying again in" in ran.err


def test_the_time_is_over_without_a_message(office):
    office.join("bob")

    once = office.run("bob", "listen", "--once", "--timeout", "0.3", tty={"stderr"})
    until = office.run("bob", "listen", "--timeout", "0.3")

    assert once.status == 75
    assert "Connected" in once.err
    assert until.status == 0


def test_a_restart_of_the_relay_is_told_and_survived(office):
    office.join("bob")

    def restart():
        for peer in list(office.relay.peers):
            peer.goaway(GoawayCode.RESTART, reconnect=True)

    threading.Timer(0.3, lambda: office.thread.loop.call_soon_threadsafe(restart)).start()

    ran = office.run("bob", "listen", "--timeout", "2")

    assert ran.status == 0
    assert ran.err.startswith("relay: the relay restarts; trying again in ")


def test_a_device_that_the_relay_does_not_let_in_is_told_and_not_tried_again(office):
    office.join("bob")
    office.relay.mailboxes.clear()

    ran = office.run("bob", "listen", "--timeout", "10")

    assert ran.status == 78
    assert "was removed, or a restore lost it" in ran.err


def test_signals_end_it_without_a_word(office):
    office.join("bob")
    # What a shell puts in the background has SIGINT ignored, and everything that it starts inherits that.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "relayclient.cli.main"]
    for number in (signal.SIGINT, signal.SIGTERM):
        listening = subprocess.Popen(
            [*command, "--home", str(office.place / "bob"), "listen"],
            env={"PYTHONPATH": ":".join(sys.path)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        until = time.monotonic() + 30
        while not office.relay.peers and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.1)

        listening.send_signal(number)
        try:
            out, err = listening.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            listening.kill()
            out, err = listening.communicate()

        assert (listening.returncode, out, err) == (130, b"", b"")
        while office.relay.peers and time.monotonic() < until:
            time.sleep(0.02)


def test_a_reader_that_ends_does_not_end_in_a_traceback(office):
    office.join("alice", "bob")
    sent(office, "one", "two")
    reading, writing = __import__("os").pipe()
    __import__("os").close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "relayclient.cli.main", "--home", str(office.place / "bob"), "listen", "--drain"],
        env={"PYTHONPATH": ":".join(sys.path)}, stderr=subprocess.PIPE, stdout=writing, timeout=30, check=False,
    )  # fmt: skip

    __import__("os").close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("text", ["0", "-1", "x", "²", str(1 << 31)])
def test_a_count_is_a_number_of_messages(text):
    with pytest.raises(ArgumentTypeError):
        listen._count(text)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (GapSeen(Lane.NORMAL, 3, 5, GapReason.EXPIRED), "3 message(s) will not come: expired (normal 3 to 5)"),
        (GapSeen(Lane.URGENT, 3, 3, None), "1 message(s) will not come: nobody says why (urgent 3 to 3)"),
        (EnvelopeFailed(ACCOUNT, DeviceId(2), Failure.STAMP),
         "a message of account abababababababab, device 2, is not shown: its origin stamp does not check"),
        (ContentUnknown(ACCOUNT, DeviceId(2), MESSAGE),
         "a message of account abababababababab needs a newer version of this program"),
        (IdentityChanged(Address(BOB), ACCOUNT, AccountId(b"\xcd" * 32)),
         "bob@office.example now names another account, cdcdcdcdcdcdcdcd: compare numbers (relay verify)"),
        (DevicesRefused(ACCOUNT, "older"),
         "the relay showed a false device list of account abababababababab: older"),
        (RelayKeyChanged(KeyId(2)), "the relay has a new key, 2, signed by its root"),
        (RolledBack(Lane.NORMAL, 9),
         "this store is an old copy: what came after it was made is not in it; ask its senders for it"),
        (RelayRestored(), "the relay came back from a backup; what it may have lost is sent again"),
        (StateChanged(MESSAGE, MessageState.REFUSED, Code.TOO_LARGE),
         f"message {'cd' * 16} is refused: it is too large, TOO_LARGE"),
        (StateChanged(MESSAGE, MessageState.QUEUED, Code.OVER_QUOTA),
         f"message {'cd' * 16} is queued: {wording.of(Code.OVER_QUOTA)}"),
        (QuotaRefused(3), "your mailbox was full: the relay refused 3 message(s) to you; their senders try again"),
        (ReportSettled(MESSAGE, None), "the report of message cdcdcdcd is handed in"),
        (ReportSettled(MESSAGE, Code.UNSUPPORTED),
         "the report of message cdcdcdcd is refused: the relay does not offer that, UNSUPPORTED"),
        (ReportHeldUp(MESSAGE, Code.LIMIT),
         "the report of message cdcdcdcd waits: the relay takes no more of these for now, LIMIT"),
        (BlockSettled(ACCOUNT, True, None), None),
        (BlockSettled(ACCOUNT, True, Code.LIMIT),
         f"account abababababababab is hidden here, but not refused by the relay: {wording.of(Code.LIMIT)}"),
        (SessionBegunAnew(ACCOUNT, DeviceId(2), 5),
         ("device 2 of account abababababababab began a new session: it could not open something, was restored, or"
          " somebody else has its key; where nothing explains it, ask its owner")),
        (TypingSeen(ACCOUNT, None, DeviceId(1)), None),
        (StateChanged(MESSAGE, MessageState.READ), None),
        (Drained(), None),
    ],
)  # fmt: skip
def test_what_a_person_should_know_of_is_one_sentence(event, line):
    assert listen.worth_telling(event) == line


def test_it_tells_that_sentence_on_standard_error(office, capsys):
    office.join("bob")
    arguments = type("A", (), dict.fromkeys(("count", "drain", "timeout", "read", "unread", "json")))
    listener = listen.Listener(None, arguments)

    listener._note(RelayRestored())
    listener._note(Drained())

    assert capsys.readouterr().err == (
        "relay: the relay came back from a backup; what it may have lost is sent again\n"
    )
