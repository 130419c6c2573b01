"""The command line's border."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relayd import border, config, initialise, keyring, lifecycle, main, operate, restore
from relayd.domain import refusals
from relayd.exits import CannotGoOn, Exit
from relayproto.codes import Code


@pytest.mark.parametrize("arguments", [["--help"], ["check-config", "--sample"], ["init", "--help"]])
def test_an_output_that_cannot_be_written_is_one_line(arguments):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "relayd.main", *arguments], stdout=full, stderr=subprocess.PIPE, timeout=30,
            check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip

    assert done.returncode == Exit.CANNOT_CREATE
    assert done.stderr == b"relayd: standard output cannot be written: No space left on device\n"


def test_errors_are_json_for_who_asked_for_it(tmp_path, capsys):
    status = main.main(["status", "--state", str(tmp_path), "--json"])

    told = json.loads(capsys.readouterr().err)
    assert (status, told["exit_status"]) == (Exit.CONFIG, Exit.CONFIG)
    assert str(tmp_path) in told["error"]


def test_an_unknown_option_shows_the_usage_of_its_command(capsys):
    with pytest.raises(SystemExit) as left:
        main.main(["kick", "a@gad.example", "--reason", "r", "--hard"])

    told = capsys.readouterr().err
    assert left.value.code == 2
    assert told.startswith("usage: relayd kick ")
    assert "unrecognized arguments: --hard" in told


def test_what_is_expected_has_a_status_and_a_bug_has_none():
    expected = {
        CannotGoOn("so", Exit.LATER): Exit.LATER,
        config.BadConfig("so"): Exit.CONFIG,
        keyring.BadKeys("so"): Exit.CONFIG,
        initialise.CannotCreate("so"): Exit.CANNOT_CREATE,
        lifecycle.CannotStart("so"): Exit.CANNOT_CREATE,
        restore.CannotRenew("so"): Exit.CANNOT_CREATE,
        refusals.Fatal("so"): Exit.FATAL,
        operate.RelayAway("so"): Exit.UNAVAILABLE,
        operate.NotAllowed("so"): Exit.PERMISSION,
        operate.RelayRefused(Code.BUSY): Exit.LATER,
        operate.RelayRefused(Code.CONFLICT): Exit.REFUSED,
        ZeroDivisionError(): None,
    }

    assert {error: border.status_of(error) for error in expected} == expected
