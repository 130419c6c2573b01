"""The Promela model of spec 50, searched by spin: built in a directory of its own, run, and read.

Bounds and deliberate bugs enter as defines; figures leave. ``make test`` searches small bounds; by hand larger ones,
which take minutes and gigabytes::

    make spin NUMBERS=3 TROUBLES=2
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support.tree import ROOT

MODEL = ROOT / "tests" / "model" / "delivery.pml"
DEPTH_MAX = 1_000_000
SECONDS_MAX = 3_600.0


def missing() -> str:
    """Return what is missing here to search a model, empty where nothing is."""
    lacking = [what for what in ("spin", "cc") if shutil.which(what) is None]
    return f"{' and '.join(lacking)}: not here; a Debian has them as spin, gcc and libc6-dev" if lacking else ""


def bugs() -> list[str]:
    """Return the names of the deliberate bugs in the model."""
    return sorted(set(re.findall(r"BUG_[A-Z_]*[A-Z]", MODEL.read_text(encoding="utf-8"))))


@dataclass(frozen=True, slots=True)
class Search:
    """What a search came to: states, transitions, depth and seconds; its error, if any, and what it never reached."""

    states: int
    transitions: int
    depth: int
    seconds: float
    whole: bool
    error: str
    unreached: tuple[str, ...]


def search(*defines: str, cycles: bool = False, how: str = "-O2", seconds_max: float = SECONDS_MAX) -> Search:
    """Search all states for a broken assertion, or for a cycle; ``how`` is told the compiler.

    ``-O0`` is for what is found at once, ``-DCOLLAPSE`` takes a third of the memory and twice the time.

    Raises CalledProcessError where the model can't be built, TimeoutExpired where it takes too long.
    """
    with TemporaryDirectory() as name:
        place = Path(name)
        shutil.copy(MODEL, place)
        _run(place, "spin", "-a", *(f"-D{each}" for each in defines), MODEL.name)
        kind = ("-DNP",) if cycles else ("-DSAFETY",)
        _run(place, "cc", "-O2", how, "-w", "-DNOFAIR", *kind, "-o", "pan", "pan.c")
        options = ("-l",) if cycles else ()
        said = _run(place, "./pan", *options, f"-m{DEPTH_MAX}", seconds_max=seconds_max)
    return read(said)


def read(said: str) -> Search:
    """Read what the search prints at its end."""
    unreached = [line.strip() for line in said.splitlines() if re.match(r"\t\S+:\d+, state \d+", line)]
    error = re.search(r"^pan:\d+: (.*)$", said, re.MULTILINE)
    return Search(
        states=int(float(_one(r"(\S+) states, stored", said))),
        transitions=int(float(_one(r"(\S+) transitions", said))),
        depth=int(_one(r"depth reached (\d+)", said)),
        seconds=float(_one(r"elapsed time (\S+) seconds", said)),
        whole="Search not completed" not in said and "errors: 0" in said,
        error=error[1] if error else "",
        unreached=tuple(line for line in unreached if "-end-" not in line),
    )


def _one(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise ValueError(f"no {pattern} in what the search said: {said[-2_000:]}")
    return found[1]


def _run(place: Path, *command: str, seconds_max: float = 600.0) -> str:
    done = subprocess.run(
        command, cwd=place, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds_max
    )
    return done.stdout


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stdout}")


def main() -> int:
    """Search the model for broken assertions and for cycles, by hand."""
    parser = argparse.ArgumentParser(prog="make spin")
    parser.add_argument("--numbers", type=int, default=2, choices=(1, 2, 3, 4))
    parser.add_argument("--troubles", type=int, default=3)
    parser.add_argument("--cycles", action="store_true", help="search for cycles as well: three times as long")
    arguments = parser.parse_args()
    if missing():
        sys.exit(missing())
    found = False
    for cycles in (False, True) if arguments.cycles else (False,):
        with _told():
            came = search(
                f"NUMBERS={arguments.numbers}", f"TROUBLES={arguments.troubles}", cycles=cycles, how="-DCOLLAPSE"
            )
        what = "cycles" if cycles else "assertions"
        print(f"{what}: {came.states:,} states, {came.transitions:,} transitions, depth {came.depth:,}, "
              f"{came.seconds:.0f} s, {came.error or ('none broken' if came.whole else 'not completed')}")  # fmt: skip
        found = found or not came.whole
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
