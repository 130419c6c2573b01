"""What somebody gets wrong who uses relayd for the first time, at a real prompt.

Each mistake ends with one line that names the cause and the next step, with its exit status, and without a traceback.
"""

import contextlib
import re
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.processes import Ended, RelayProcess, a_relay, relay, relayd, succeed

pytestmark = pytest.mark.slow

BAD_INPUT, UNAVAILABLE, CANNOT_CREATE, LATER, PERMISSION, CONFIG = 65, 69, 73, 75, 77, 78
ALICE, BOB = "alice@office.example", "bob@office.example"


@dataclass
class Office:
    """A relay that runs, and alice's home."""

    server: RelayProcess
    alice: Path
    used_link: str


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    place = tmp_path_factory.mktemp("office")
    with a_relay(place / "relay") as server:
        link = server.invite(ALICE)
        succeed(relay(place / "alice", "join", stdin=link.encode()))
        yield Office(server, place / "alice", link)


def one_line(ended: Ended, status: int, *words: str) -> None:
    assert ended.status == status, ended
    assert len(ended.lines) == 1, ended.lines
    [line] = ended.lines
    assert re.match(r"relayd?: ", line)
    assert "Traceback" not in line
    for word in words:
        assert word in line, line


# --- an invitation ------------------------------------------------------------------------------


def test_a_link_that_is_none(office, tmp_path):
    ended = relay(tmp_path / "home", "join", stdin=b"https://office.example/welcome\n")

    one_line(ended, BAD_INPUT, "not an invitation link", "begins with relay://")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_link_that_was_cut_off(office, tmp_path, kept):
    link = office.server.invite(BOB)

    ended = relay(tmp_path / "home", "join", stdin=link[: int(len(link) * kept)].encode())

    one_line(ended, BAD_INPUT, "not complete", "Copy the whole link again")


def test_a_link_with_a_letter_changed(office, tmp_path):
    link = office.server.invite(BOB)
    changed = link[:-9] + ("A" if link[-9] != "A" else "B") + link[-8:]

    one_line(relay(tmp_path / "home", "join", stdin=changed.encode()), BAD_INPUT, "changed", "Copy the whole link")


def test_the_link_on_the_command_line(office, tmp_path):
    ended = relay(tmp_path / "home", "join", office.server.invite(BOB))

    one_line(ended, 64, "relay join alone", "others can read a command line")


def test_an_invitation_that_was_used(office, tmp_path):
    ended = relay(tmp_path / "home", "join", stdin=office.used_link.encode())

    one_line(ended, BAD_INPUT, "used already or is too old", "ask for a new one")


def test_the_same_invitation_twice_in_one_home(office):
    ended = relay(office.alice, "join", stdin=office.used_link.encode())

    one_line(ended, CANNOT_CREATE, "holds a device already", "choose another home")


def test_an_invitation_that_has_expired(office, tmp_path):
    link = office.server.invite("eve@office.example")
    # The shortest lifetime is a minute; the ticket is aged instead.
    with contextlib.closing(sqlite3.connect(office.server.state / "relay.db", timeout=10)) as store, store:
        aged = store.execute("UPDATE ticket SET expires_ms = 1 WHERE address = 'eve@office.example'").rowcount

    ended = relay(tmp_path / "home", "join", stdin=link.encode())

    assert aged == 1
    one_line(ended, BAD_INPUT, "used already or is too old", "ask for a new one")


def test_after_each_failed_join_the_same_home_can_still_join(office, tmp_path):
    home = tmp_path / "home"
    relay(home, "join", stdin=b"hello")
    relay(home, "join", stdin=office.used_link.encode())

    ended = relay(home, "join", stdin=office.server.invite("carol@office.example").encode())

    assert b"You are carol@office.example" in succeed(ended).out


# --- sending ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [("send", BOB, "hello"), ("listen",), ("inbox",), ("status",), ("whoami",)])
def test_not_joined(tmp_path, verb):
    one_line(relay(tmp_path / "home", *verb), CONFIG, "no device yet", "join with an invitation link")


def test_an_address_that_nobody_has(office):
    ended = relay(office.alice, "send", "nobody@office.example", "hello")

    one_line(ended, BAD_INPUT, "No such address", "check how it is written", "nobody@office.example")


def test_what_is_no_address(office):
    one_line(relay(office.alice, "send", "bob", "hello"), BAD_INPUT, "not an address", "name@office.example")


def test_ones_own_address(office):
    one_line(relay(office.alice, "send", ALICE, "hello"), BAD_INPUT, "your own account")


def test_the_relay_is_away(office, tmp_path):
    with a_relay(tmp_path / "relay") as server:
        home, link = server.join(tmp_path / "alice", ALICE), server.invite(BOB)
        server.stop()

        sent = relay(home, "send", BOB, "hello", "--timeout", 1)
        joined = relay(tmp_path / "bob", "join", stdin=link.encode())
        looked_up = relay(home, "lookup", BOB)
        invited = relayd(server.state, "invite", BOB)

    one_line(sent, LATER, "is queued", "relay send or relay listen", "no relay runs there now")
    assert b"queued" in sent.out
    one_line(joined, UNAVAILABLE, "cannot be reached", "try again")
    one_line(looked_up, UNAVAILABLE, "cannot be reached", "try again")
    one_line(invited, UNAVAILABLE, "no relay is running here", "relayd serve")


def test_the_wrong_passphrase(office, tmp_path):
    home, right, wrong = tmp_path / "home", tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    link = office.server.invite("dave@office.example")
    succeed(relay(home, "join", "--passphrase-file", right, stdin=link.encode()))

    one_line(relay(home, "inbox", "--passphrase-file", wrong), PERMISSION, "not the passphrase", "try again")
    one_line(relay(home, "inbox"), PERMISSION, "locked", "--passphrase-file")
    one_line(relay(home, "inbox", "--passphrase-file", tmp_path / "none"), 66, "cannot be read", str(tmp_path / "none"))
    succeed(relay(home, "inbox", "--passphrase-file", right))


# --- running a relay ----------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path):
    """A relay's directory that is made and does not run; its ports are free."""
    return RelayProcess(tmp_path / "second")


@pytest.mark.parametrize("which", ["devices", "operations"])
def test_a_port_that_another_process_has(state, which):
    port = getattr(state, which)
    with contextlib.closing(socket.create_server(("127.0.0.1", port))):
        ended = relayd(state.state, "serve")

    one_line(ended, CANNOT_CREATE, f"127.0.0.1:{port}", "Address already in use", "change [listen]")


def test_a_second_relay_in_the_same_directory(office):
    one_line(relayd(office.server.state, "serve"), CANNOT_CREATE, "another relayd is running here", "relayd status")


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("mailbox_messages = 5000", "mailbox_mesages = 5000", "limits.mailbox_mesages: there is no such setting"),
        ("[limits]", "[limit]", "limit: there is no such setting"),
        ("mailbox_messages = 5000", 'mailbox_messages = "many"', "limits.mailbox_messages: expected `int`, got `str`"),
        ("mailbox_messages = 5000", "mailbox_messages = 0", "limits.mailbox_messages: expected `int` >= 1"),
        ("mailbox_messages = 5000", "mailbox_messages = ", "not TOML"),
    ],
)
def test_a_setting_that_is_wrong(state, old, new, path):
    state.set(old, new)

    served, checked = relayd(state.state, "serve"), relayd(state.state, "check-config")

    for ended in (served, checked):
        one_line(ended, CONFIG, str(state.config), path)


def test_no_configuration(tmp_path):
    one_line(relayd(tmp_path / "none", "serve"), CONFIG, str(tmp_path / "none" / "relayd.toml"), "relayd init")


def gone(path: Path) -> None:
    path.unlink()


def unreadable(path: Path) -> None:
    """Make a file that not even root can read."""
    path.unlink()
    path.mkdir(0o700)


def readable_by_all(path: Path) -> None:
    path.chmod(0o644)


@pytest.mark.parametrize("name", ["master.key", "stamp.key", "relay-1.key"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (gone, "No such file or directory; put its copy back"),
        (unreadable, "Is a directory"),
        (readable_by_all, "chmod 600"),
    ],
)
def test_a_key_file_that_cannot_be_used(state, name, spoil, words):
    path = state.state / "keys" / name
    spoil(path)

    one_line(relayd(state.state, "serve"), CONFIG, str(path), words)


def test_making_a_relay_where_there_is_one(state):
    before = {path: path.read_bytes() for path in (state.state / "keys").iterdir()}

    one_line(relayd(state.state, "init"), CANNOT_CREATE, "there is a configuration already")
    assert {path: path.read_bytes() for path in (state.state / "keys").iterdir()} == before


def test_inviting_to_what_is_no_address(office):
    one_line(relayd(office.server.state, "invite", "bob"), BAD_INPUT, "not an address", "officer@office.example")


def test_inviting_somebody_who_is_there(office):
    one_line(relayd(office.server.state, "invite", ALICE), BAD_INPUT, "somebody has that address already")
