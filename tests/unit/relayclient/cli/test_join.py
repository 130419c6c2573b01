"""relay join."""

import pytest

from relayclient.cli import home
from support.scripted_relay import ScriptedRelay


def test_a_link_becomes_a_device_and_the_next_step_is_told(office):
    ran = office.run("alice", "join", stdin=office.relay.link("alice@office.example").encode())

    assert ran.status == 0
    assert ran.out == f"You are alice@office.example. Your keys are in {office.place / 'alice'}.\n"
    assert "relay listen" in ran.err
    assert (office.place / "alice").stat().st_mode & 0o077 == 0


def test_a_link_comes_on_standard_input_so_that_no_process_list_shows_it(office):
    ran = office.run("alice", "join", "--json", stdin=office.relay.link("alice@office.example").encode() + b"\n")

    assert ran.status == 0
    [joined] = ran.lines
    assert (joined["address"], joined["device"]) == ("alice@office.example", 1)


def test_a_person_is_asked_for_the_link(office):
    ran = office.run("alice", "join", stdin=office.relay.link("alice@office.example").encode(), tty={"stdin"})

    assert ran.status == 0
    assert ran.err.startswith("Invitation link: ")


def test_a_link_on_the_command_line_is_not_taken(office):
    ran = office.run("alice", "join", office.relay.link("alice@office.example"))

    assert ran.status == 64
    assert "relay join" in ran.err
    assert "relay://" not in ran.err
    assert not (office.place / "alice").exists()


def test_a_wrong_link_is_told_and_makes_nothing(office):
    ran = office.run("alice", "join", stdin=b"https://office.example/")

    assert ran.status == 65
    assert ran.err.startswith("relay: This is not an invitation link")
    assert ran.err.count("\n") == 1
    assert not (office.place / "alice").exists()


def test_a_link_that_was_cut_off_is_told(office):
    ran = office.run("alice", "join", stdin=office.relay.link("alice@office.example")[:-9].encode())

    assert ran.status == 65
    assert "not complete" in ran.err


def test_a_used_invitation_is_told(office):
    link = office.relay.link("alice@office.example")
    office.run("alice", "join", stdin=link.encode())
    office.relay.tickets.clear()

    ran = office.run("mallory", "join", stdin=link.encode())

    assert ran.status == 65
    assert "used already" in ran.err


def test_a_relay_that_is_away_is_told(office):
    link = office.relay.link("alice@office.example")
    office.stop()

    ran = office.run("alice", "join", stdin=link.encode())

    assert ran.status == 69
    assert "refuses connections" in ran.err


def test_a_relay_with_another_key_is_told(office):
    stranger = ScriptedRelay()
    stranger.port = office.relay.port

    ran = office.run("alice", "join", stdin=stranger.link("alice@office.example").encode())

    assert ran.status == 69
    assert "before it showed that it holds the relay key of the invitation" in ran.err


def test_joining_twice_is_told(office):
    office.join("alice")

    ran = office.run("alice", "join", stdin=office.relay.link("another@office.example").encode())

    assert ran.status == 73
    assert "already" in ran.err


def test_a_protected_store_asks_for_its_passphrase(office, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(home.getpass, "getpass", lambda prompt: asked.append(prompt) or "correct horse")

    joined = office.run(
        "alice", "join", "--protect", stdin=office.relay.link("alice@office.example").encode(), tty={"stdin"}
    )
    locked = office.run("alice", "whoami")
    opened = office.run("alice", "whoami", tty={"stdin"})

    assert (joined.status, locked.status, opened.status) == (0, 77, 0)
    assert "passphrase" in locked.err
    assert len(asked) == 3


def test_two_passphrases_that_differ_make_nothing(office, monkeypatch):
    answers = iter(["one", "two"])
    monkeypatch.setattr(home.getpass, "getpass", lambda prompt: next(answers))

    ran = office.run(
        "alice", "join", "--protect", stdin=office.relay.link("alice@office.example").encode(), tty={"stdin"}
    )

    assert ran.status == 77
    assert not (office.place / "alice").exists()


@pytest.mark.parametrize(("content", "status"), [(b"correct horse\nsecond line", 0), (b"wrong", 77)])
def test_a_passphrase_comes_from_a_files_first_line(office, tmp_path, content, status):
    right, given = tmp_path / "right", tmp_path / "given"
    right.write_text("correct horse")
    given.write_bytes(content)
    link = office.relay.link("alice@office.example")
    assert office.run("alice", "join", "--passphrase-file", str(right), stdin=link.encode()).status == 0

    ran = office.run("alice", "--passphrase-file", str(given), "whoami", tty={"stdin"})

    assert ran.status == status
