"""Running tests in a throw-away copy of the tree, sound or with a bug in it.

A mutant enters; which tests failed, and how, leaves. The rule of this file: killed is only what a test has found - one
that failed while it ran. A copy that cannot be imported or collected has shown nothing.
"""

import compileall
import contextlib
import functools
import json
import os
import py_compile
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mutants.mutant import Mutant
from support.tree import ROOT

LEFT_OUT = (".*", "__pycache__", "build", "dist", "var", "*.egg-info")
MUTABLE = ("relayd", "proto", "client")
"""Where bugs are put."""
TIMEOUT_S = 120.0
WHOLE_TIMEOUT_S = 3_600.0
SEED = 1
"""Of Hypothesis: a mutant is killed today and tomorrow by the same example."""
PLAIN = ("-q", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", f"--hypothesis-seed={SEED}")
NOTHING_SHOWN = (
    "ImportError", "ModuleNotFoundError", "SyntaxError", "NameError", "UnboundLocalError", "AttributeError",
    "TypeError", "ValueError", "KeyError", "IndexError",
)  # fmt: skip
"""What a clumsy mutant fails with, and a bug that is any good does not."""
NOT_ASKED = ("tests/arch", "tests/mutants")
"""What is no test of behaviour: that a source was changed shows in its shape, whatever the change is."""
_FAILED = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of pytest came to; ``hung``: it was cut off, and has shown nothing."""

    status: int
    passed: int
    failed: tuple[str, ...]
    """Tests that failed while they ran, by node id."""
    broken: tuple[str, ...]
    """What says nothing about the bug: errors of collection and fixtures, and failures in NOTHING_SHOWN."""
    seconds: float
    said: str
    hung: bool = False

    @property
    def killed(self) -> bool:
        """Whether a test found a bug; what broke beside it takes nothing from that."""
        return self.status == _FAILED and bool(self.failed) and not self.hung


def copy_of_the_tree(place: Path) -> Path:
    """Copy what tests need to a folder beside a link to what is shared, and return it."""
    root = place / "tree"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
    # Compiled code that is known by the source's hash: by time and size, a bug that was there for less than a second
    # would be what the next run gets.
    for room in MUTABLE:
        compileall.compile_dir(root / room, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (place / "shared").symlink_to(shared, target_is_directory=True)
    return root


def run_tests(root: Path, tests: Iterable[str], *options: str, timeout_s: float = TIMEOUT_S) -> Run:
    """Run tests of a copy, and return what they came to."""
    report = root.parent / "report.xml"
    report.unlink(missing_ok=True)
    arguments = [*PLAIN, f"--junitxml={report}", "-o", "junit_family=xunit1", *options, *tests]
    began = time.monotonic()
    ended = runner(os.getpid()).run(root, arguments, runner_environment(), timeout_s)
    return _read(report, ended.status, time.monotonic() - began, ended.said, hung=ended.hung)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run of pytest that is over: its status, what it said, whether it was cut off."""

    status: int
    said: str
    hung: bool


class Runner:
    """The process that runs are forked from (runner.py). It ends when this one does, and its run with it."""

    def __init__(self) -> None:
        # In a session of its own: Ctrl-C is for this process, which then says what is to end.
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("runner.py")], env=runner_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, root: Path, arguments: list[str], environment: dict[str, str], timeout_s: float) -> Ended:
        """Run pytest in a folder. Whatever breaks it off ends the run with everything that it has started."""
        said = root.parent / "said.txt"
        asked = {
            "root": str(root), "arguments": arguments, "environment": environment, "timeout_s": timeout_s,
            "said": str(said),
        }  # fmt: skip
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            # No line at all is no JSON: the process has ended, and has said why on stderr.
            ended = json.loads(self._process.stdout.readline())
        except BaseException:
            self.end()
            raise
        return Ended(ended["status"], said.read_text("utf-8", "replace"), ended["hung"])

    def end(self) -> None:
        """End the process and what it runs; the next run has another."""
        runner.cache_clear()
        # What it could not be told it will not do.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@functools.cache
def runner(_: int) -> Runner:
    """Return the runner of the process of this number, started at its first run: a fork has none yet."""
    return Runner()


def end_runner() -> None:
    """End this process's runner, if it has one."""
    if runner.cache_info().currsize:
        runner(os.getpid()).end()


def runner_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to the pytest that may have started it."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV", "PYTHON"))}
    # Plug-ins that a test does not need cost half of the time that a killer takes.
    return ours | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _read(report: Path, status: int, seconds: float, said: str, *, hung: bool) -> Run:
    """Read pytest's report."""
    passed, failed, broken = 0, [], []
    # A test that failed may fail in its teardown again, over what it left: that is the same finding.
    for case in ET.parse(report).iter("testcase") if report.is_file() else ():
        name = f"{case.get('file')}::{case.get('name')}"
        failure = case.find("failure")
        if failure is not None:
            shown = not (failure.get("message") or "").startswith(NOTHING_SHOWN)
            (failed if shown else broken).append(name)
        elif case.find("error") is not None:
            broken.append(name)
        elif case.find("skipped") is None:
            passed += 1
    broken = [name for name in broken if name not in failed]
    return Run(status, passed, tuple(failed), tuple(broken), seconds, said, hung)


def killed_by(mutant: Mutant, root: Path) -> Run:
    """Run a mutant's killers against it in a copy of the tree. Raises Outgrown."""
    with mutant.applied(root):
        return run_tests(root, mutant.killers, "-x")


def killers_of(mutants: Iterable[Mutant]) -> list[str]:
    """Return the tests that mutants name, each once."""
    return sorted({killer for mutant in mutants for killer in mutant.killers})


def whole_suite(mutant: Mutant | None, root: Path) -> Run:
    """Run every test against a mutant, or against none, until one fails: the files of its killers first, then the rest.

    Raises Outgrown.
    """
    if mutant is None:
        return _rest(root, [])
    first = sorted({killer.partition("::")[0] for killer in mutant.killers})
    with mutant.applied(root):
        run = run_tests(root, first, "--maxfail=5", timeout_s=WHOLE_TIMEOUT_S)
        return run if run.killed else _rest(root, first)


def _rest(root: Path, done: Iterable[str]) -> Run:
    ignored = [f"--ignore={path}" for path in (*done, *NOT_ASKED)]
    return run_tests(root, ["tests"], "-x", *ignored, timeout_s=WHOLE_TIMEOUT_S)


def assert_killed(mutant: Mutant, root: Path) -> None:
    """Fail where a mutant outlives its killers."""
    run = killed_by(mutant, root)

    assert run.killed, f"{mutant.name} is alive: {mutant.story}\n{run.said}"


def assert_sound(mutants: Iterable[Mutant], root: Path) -> None:
    """Fail where the killers of mutants also fail without any of them."""
    killers = killers_of(mutants)

    run = run_tests(root, killers)

    assert (run.status, run.failed, run.broken) == (0, (), ()), run.said
    assert run.passed >= len(killers)
