"""The demo plays to its end, on one screen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).with_name("demo.py")


@pytest.mark.slow
def test_the_demo_plays_to_its_end_on_one_screen():
    played = subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip

    assert (played.returncode, played.stderr) == (0, "")
    assert "queued > accepted > delivered > read" in played.stdout
    assert 24 <= len(played.stdout.splitlines()) <= 40
