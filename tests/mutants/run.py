"""Every mutant against the tests that it names, or against the whole suite: what `make mutants` runs.

A table leaves, a line as each is done. Killed is what a test found; whatever else there is to say of a mutant - alive,
outgrown by the source, hung, broken without showing a thing - ends in a status that is not zero. What was found out by
the whole suite is kept in a file, so that a run that was interrupted goes on; another tree begins anew.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from mutants.bench import Run, copy_of_the_tree, killed_by, killers_of, run_tests, whole_suite
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant, Outgrown
from support.tree import ROOT

STATE = ROOT / "build" / "mutants.jsonl"
TESTED = ("relayd", "proto", "client", "tests", "setup.cfg")
"""What the whole suite's result depends on."""
NONE = "(no mutant)"
GOOD = ("killed", "sound")
INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a mutant, or of NONE: ``by`` is what found it, or what went wrong."""

    mutant: str
    by: str
    seconds: float
    verdict: str


def tried(mutant: Mutant | None, *, whole: bool) -> Row:
    """Try a mutant, or the sound tree, in a copy of its own."""
    with tempfile.TemporaryDirectory(prefix="relayd-mutant-") as directory:
        root = copy_of_the_tree(Path(directory))
        if mutant is None:
            run = whole_suite(None, root) if whole else run_tests(root, killers_of(MUTANTS))
            sound = run.status == 0 and not run.failed and not run.broken
            return Row(NONE, _first(run), run.seconds, "sound" if sound else "FAILS")
        try:
            run = whole_suite(mutant, root) if whole else killed_by(mutant, root)
        except Outgrown:
            return Row(mutant.name, mutant.file, 0.0, "OUTGROWN")
    return Row(mutant.name, _first(run), run.seconds, "killed" if run.killed else _why_not(run))


def _first(run: Run) -> str:
    return next(iter((*run.failed, *run.broken)), f"{run.passed} tests pass")


def _why_not(run: Run) -> str:
    if run.hung:
        return "HUNG"
    return "BROKEN" if run.broken else "ALIVE"


def _in_a_worker(mutant: Mutant | None, *, whole: bool) -> Row:
    """Try a mutant; a worker that is interrupted takes no other."""
    try:
        return tried(mutant, whole=whole)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def digest() -> str:
    """Return a hash of everything that the whole suite tests and of its tests."""
    found = hashlib.sha256()
    for name in TESTED:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else (top,):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()


def known(state: Path, tree: str) -> list[Row]:
    """Return what the state file says of this tree; what an interrupted run has half written counts for nothing."""
    rows = []
    for line in state.read_text(encoding="utf-8").splitlines() if state.is_file() else ():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if said.pop("tree") == tree and said["verdict"] in GOOD:
            rows.append(Row(**said))
    return rows


def remember(state: Path, tree: str, row: Row) -> None:
    """Add a row to the state file."""
    state.parent.mkdir(exist_ok=True)
    with state.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"tree": tree, **asdict(row)}) + "\n")


def told(number: int, of: int, row: Row) -> str:
    """Return a line of the table."""
    by = row.by.removeprefix("tests/").replace(".py::", " ")
    return f"{number:3}/{of}  {row.verdict:8} {row.seconds:6.1f} s  {row.mutant:47} {by}"


def main() -> int:
    """Try all mutants and say what became of each; the status is 0 only where every one is killed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--suite", choices=("killers", "whole"), default="killers")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--state", type=Path, default=STATE, help="where the whole suite's results are kept")
    asked = parser.parse_args()
    whole = asked.suite == "whole"
    tree = digest()
    rows = known(asked.state, tree) if whole else []
    done = {row.mutant for row in rows}
    left = [mutant for mutant in (None, *MUTANTS) if (mutant.name if mutant else NONE) not in done]
    if done:
        print(f"{len(done)} are known from {asked.state} already")
    began, of = time.monotonic(), len(MUTANTS) + 1
    # What is under way is ended as by Ctrl-C, and nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pool = ProcessPoolExecutor(asked.jobs)
    try:
        for future in as_completed([pool.submit(_in_a_worker, mutant, whole=whole) for mutant in left]):
            rows.append(future.result())
            if whole:
                remember(asked.state, tree, rows[-1])
            print(told(len(rows), of, rows[-1]), flush=True)
    except KeyboardInterrupt:
        # Once is enough: what is said again must not break off the clearing up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in multiprocessing.active_children():
            process.terminate()
        return INTERRUPTED
    finally:
        pool.shutdown(cancel_futures=True)
    bad = [row for row in rows if row.verdict not in GOOD]
    killed = sum(row.verdict == "killed" for row in rows)
    print(f"{len(MUTANTS)} mutants, {killed} killed by {_suite(asked.suite)}; {time.monotonic() - began:.0f} s")
    for row in bad:
        print(f"{row.verdict}: {row.mutant}, {row.by}", file=sys.stderr)
    return 1 if bad else 0


def _suite(name: str) -> str:
    return "the whole suite" if name == "whole" else "the tests that they name"


if __name__ == "__main__":
    sys.exit(main())
