"""The command line's border."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relayd import border, main
from relayd.exits import CannotGoOn, Exit


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
    assert border.status_of(CannotGoOn("so", Exit.LATER)) is Exit.LATER
    assert border.status_of(ZeroDivisionError()) is None
