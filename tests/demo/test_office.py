"""The demo of a department plays to its end: founded by two, run by its people, followed by an auditor (issue 5, 4)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).with_name("office.py")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_department_is_let_in_run_and_audited():
    played = subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, timeout=360, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip

    said = played.stdout
    assert (played.returncode, played.stderr) == (0, "")
    for reason in (
        "NOT_PROVEN",
        "NOT_PERMITTED",
        "LOCKED",
        "No such address takes messages",
        "checkpoint says otherwise",
    ):
        assert f"refused: {reason}" in said or reason in said
    assert "The relay has signed for all up to record" in said
    assert "is whole: records" in said
    assert "nobody outside has signed for records" in said
    assert said.count("refused: ") == 9
    assert said.count("     line ") == 13
    assert "gone after" in said
    assert len(said.splitlines()) < 240
