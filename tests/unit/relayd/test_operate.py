import io
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relayd import operate
from relayd.exits import CannotGoOn, Exit
from relayd.operate import NotAllowed, RelayAway, RelayRefused
from relayproto import frame, message
from relayproto.codes import Code
from relayproto.commands import GetStatus, Invite
from relayproto.invitation import from_link
from relayproto.replies import Invited, Refused, Status
from support.relay_keys import made_keys

STATUS = Status("1.2.3", (("connections open", 7),))


@contextmanager
def answering(path: Path, octets: bytes) -> Iterator[list[bytes]]:
    """Let one connection say something and answer it with ``octets``; the list has what it said."""
    said: list[bytes] = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    listening.settimeout(30)

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            said.append(connection.recv(4096))
            connection.sendall(octets)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield said
    finally:
        thread.join(5)
        listening.close()


def framed(octets: bytes) -> bytes:
    return len(octets).to_bytes(2) + octets


def test_a_command_gets_its_reply(tmp_path: Path) -> None:
    path = tmp_path / "s"

    with answering(path, framed(message.encode(STATUS, 1))) as said:
        reply = operate.ask(path, GetStatus(), Status)

    assert reply == STATUS
    assert said == [framed(message.encode(GetStatus(), 1))]


@pytest.mark.parametrize(
    ("code", "words", "later"),
    [
        (Code.BAD_ADDRESS, "one looks like officer@office.example", False),
        (Code.ADDRESS_TAKEN, "somebody has that address", False),
        (Code.DISK, "nearly full", True),
        (Code.INTERNAL, "code 900; see its log", False),
        (199, "code 199", True),
    ],
)
def test_a_refusal_is_told_in_words(tmp_path: Path, code: int, words: str, later: bool) -> None:
    path = tmp_path / "s"

    with answering(path, framed(message.encode(Refused(code, 0), 1))), pytest.raises(RelayRefused) as caught:
        operate.ask(path, Invite("x", 60), Invited)

    assert words in str(caught.value)
    assert caught.value.later is later


@pytest.mark.parametrize(
    "octets", [framed(b"\xc0"), framed(frame.encode(200, 1, [])), framed(frame.encode(140, 1, []))]
)
def test_what_answers_otherwise_is_no_relay_of_this_version(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "s"

    with answering(path, octets), pytest.raises(RelayAway, match="not a relay of this version"):
        operate.ask(path, GetStatus(), Status)


@pytest.mark.parametrize("octets", [b"", b"\x00", b"\x00\x09abc"])
def test_a_connection_that_ends_early_is_told(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "s"

    with answering(path, octets), pytest.raises(RelayAway, match="closed the connection"):
        operate.ask(path, GetStatus(), Status)


def test_where_no_relay_runs_the_next_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(RelayAway, match=r"no relay is running here .*; start it with relayd serve"):
        operate.ask(tmp_path / "s", GetStatus(), Status)


def test_a_socket_that_a_dead_relay_left_is_no_relay(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))

    with pytest.raises(RelayAway, match="no relay is running here"):
        operate.ask(tmp_path / "s", GetStatus(), Status)


def test_a_relay_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(operate, "TIMEOUT_S", 0.05)

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(RelayAway, match="did not answer within"):
            operate.ask(tmp_path / "s", GetStatus(), Status)


def test_who_may_not_open_the_socket_is_told(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(os.strerror(13))

    monkeypatch.setattr(socket.socket, "connect", refuse)

    with pytest.raises(NotAllowed, match="only root and the relay's own user"):
        operate.ask(tmp_path / "s", GetStatus(), Status)


def test_the_link_has_the_keys_that_the_root_signed(tmp_path: Path) -> None:
    root_fingerprint = made_keys(tmp_path)
    described = (tmp_path / "keys" / "descriptor-1").read_bytes()

    link = operate.link(Invited("alice@office.example", b"t" * 16, 5, "[::1]:7443", described))

    invitation = from_link(link)
    assert (invitation.address, invitation.host, invitation.port) == ("alice@office.example", "::1", 7443)
    assert (invitation.key_id, invitation.root_fingerprint, invitation.ticket) == (1, root_fingerprint, b"t" * 16)


def test_a_moment_is_written_for_people() -> None:
    assert operate.moment(1_800_000_000_000) == "2027-01-15 08:00 UTC"


class Terminal(io.StringIO):
    """A stream that somebody types into."""

    def isatty(self) -> bool:
        return True


def test_a_reason_is_what_was_said_or_what_comes_on_a_stream() -> None:
    assert operate.reason(" because ", io.StringIO("else")) == "because"
    assert operate.reason("-", io.StringIO("because\n")) == "because"
    for said, read in (("", ""), ("-", " \n"), ("-", "x" * 481), ("x" * 481, "")):
        with pytest.raises(CannotGoOn) as caught:
            operate.reason(said, io.StringIO(read))
        assert caught.value.status is Exit.REFUSED


def test_what_is_dangerous_is_confirmed_by_a_person() -> None:
    terminal = io.StringIO()

    operate.confirm("Sure? ", "yes", Terminal("yes\n"), terminal)

    assert terminal.getvalue() == "Sure? "
    for source in (Terminal("no\n"), Terminal(""), io.StringIO("yes\n")):
        with pytest.raises(CannotGoOn) as caught:
            operate.confirm("Sure? ", "yes", source, terminal)
        assert caught.value.status is Exit.REFUSED
