"""main.py: the parser, and the border where an error becomes one line and an exit status."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from relayclient.cli import main, whoami

VERBS = ("join", "whoami", "lookup", "send", "listen", "inbox", "status", "verify")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(office, verb):
    ran = office.run("alice", verb, "--help")

    assert ran.status == 0
    assert "examples:" in ran.out
    assert f"relay {verb}" in ran.out or f"{verb} --json" in ran.out


def test_the_help_names_every_verb_and_every_exit_status(office):
    ran = office.run("alice", "--help")

    assert all(f"    {verb} " in ran.out for verb in VERBS)
    assert all(f" {status}" in ran.out.replace("(", " ") for status in (2, 64, 65, 66, 69, 73, 75, 77, 78))


def test_a_usage_error_is_two(office):
    assert office.run("alice").status == 2
    assert office.run("alice", "dance").status == 2


def test_options_may_stand_before_and_after_the_verb_and_between_its_arguments(office):
    before = office.run("alice", "--json", "whoami")
    after = office.run("alice", "whoami", "--json")

    assert json.loads(before.err) == json.loads(after.err)
    assert json.loads(before.err)["exit_status"] == 78
    parsed = main.parser().parse_args(["send", "bob@office.example", "--lines", "-"])
    assert (parsed.text, parsed.lines) == ("-", True)


def test_the_home_is_named_or_its_default(monkeypatch):
    monkeypatch.setenv("RELAY_HOME", "/srv/desk")
    assert main.default_home() == Path("/srv/desk")

    monkeypatch.delenv("RELAY_HOME")
    monkeypatch.setenv("HOME", "/home/alice")

    assert main.default_home() == Path("/home/alice/.local/share/relay")


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        (sqlite3.OperationalError("disk I/O error"), 74, "disk I/O error"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_the_world_does_is_one_line(office, monkeypatch, raised, status, told):
    def fails(arguments):
        raise raised

    monkeypatch.setattr(whoami, "run", fails)

    ran = office.run("alice", "whoami")

    assert ran.status == status
    assert told in ran.err
    assert ran.err.count("\n") <= 1


def test_what_an_error_names_cannot_command_the_terminal(office):
    office.join("alice")

    ran = office.run("alice", "send", "\x1b[2J@", "hello")

    assert ran.status == 65
    assert "\x1b" not in ran.err


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "relayclient.cli.main", "--help"],
        stdout=writing, stderr=subprocess.PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)}, timeout=30, check=False,
    )  # fmt: skip

    os.close(writing)
    assert b"Traceback" not in done.stderr


def test_an_error_that_nobody_reads_is_no_error(office, monkeypatch):
    def gone(*_):
        raise BrokenPipeError

    monkeypatch.setattr(main.terminal, "note", gone)

    assert office.run("alice", "whoami").status == 78


@pytest.mark.parametrize("verb", [["--help"], ["whoami"], ["whoami", "--json"], ["unit", "list", "--help"]])
def test_an_output_that_cannot_be_written_is_one_line(office, verb):
    office.join("alice")
    command = [sys.executable, "-m", "relayclient.cli.main", "--home", str(office.place / "alice"), *verb]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False,
                              env={"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip

    assert done.returncode == 73
    assert done.stderr.count(b"\n") == 1
    assert b"cannot be written" in done.stderr


@pytest.mark.parametrize("verb", [("whoami",), ("unit", "list"), ("role", "list")])
def test_an_unknown_option_shows_the_usage_of_its_verb(office, verb):
    ran = office.run("alice", *verb, "--nonsense")

    assert ran.status == 2
    assert ran.err.startswith(f"usage: relay {' '.join(verb)} ")
    assert "--nonsense" in ran.err
