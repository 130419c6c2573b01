"""A run that is forked is what ``python -m pytest`` would be in the copy, and outlives nobody."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mutants.bench import PLAIN, run_tests, runner_environment
from support.processes import environment, until
from support.tree import ROOT

PROBE = "tests/test_probe.py"
SURROUNDINGS = """
import json, os, sys
from pathlib import Path
import relayclient, relayd, relayproto, support.tree

def test_it():
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    own = [module.__file__ for module in (relayclient, relayd, relayproto, support.tree)]
    around = sys.path, sys.argv[0], os.getcwd(), dict(os.environ)
    Path(PLACE).write_text(json.dumps([[each for each in files if each], own, *around]))
"""
SLEEPER = """
import json, os, subprocess, time
from pathlib import Path

def test_it():
    asleep = subprocess.Popen(["sleep", "600"])
    Path(PLACE + ".new").write_text(json.dumps([os.getpid(), asleep.pid]))
    Path(PLACE + ".new").rename(PLACE)
    time.sleep(600)
"""
ASKING = """
import signal, sys
from pathlib import Path
from mutants.bench import run_tests

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it starts in the background ignore it
run_tests(Path(sys.argv[1]), [sys.argv[2]])
"""


@contextlib.contextmanager
def probe(tree: Path, text: str, place: Path):
    """Put a test into the copy for the block, that writes to a place."""
    file = tree / PROBE
    file.write_text(f"PLACE = {str(place)!r}\n{text}")
    try:
        yield
    finally:
        file.unlink()


def runs(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_run_finds_what_pytest_would_find_in_the_copy_and_imports_nothing_of_the_tree(tree, tmp_path) -> None:
    place = tmp_path / "found.json"

    with probe(tree, SURROUNDINGS, place):
        run = run_tests(tree, [PROBE])
        files, own, *forked = json.loads(place.read_text())
        subprocess.run([sys.executable, "-m", "pytest", *PLAIN, PROBE], cwd=tree, env=runner_environment(), check=True)
    _, _, *plain = json.loads(place.read_text())

    assert run.passed == 1, run.said
    assert all(Path(each).is_relative_to(tree) for each in own)
    here = [Path(each) for each in files if Path(each).is_relative_to(ROOT) and ".venv" not in Path(each).parts]
    assert set(here) <= {ROOT / "tests" / "mutants" / "runner.py"}
    assert forked == plain


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_a_run_has_started_ends_with_whoever_asked_for_it(tree, tmp_path, how: signal.Signals) -> None:
    place = tmp_path / "pids.json"

    with probe(tree, SLEEPER, place):
        asking = subprocess.Popen(
            [sys.executable, "-c", ASKING, tree, PROBE], env=environment(tmp_path), stderr=subprocess.DEVNULL
        )
        try:
            until(place.exists, 60)
            started = json.loads(place.read_text())
            before = [runs(pid) for pid in started]
            asking.send_signal(how)
            status = asking.wait(20)
        finally:
            asking.kill()
            asking.wait()

    assert before == [True, True]
    assert status == -how
    until(lambda: not any(runs(pid) for pid in started), 20)
