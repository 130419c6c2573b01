"""The simulator by the number: so many seeds from one on, the same runs each time.

Seeds enter; figures leave, or the failure with how to repeat it. ``make test`` runs two hundred; by hand as many as
somebody has patience for, and a run that was stopped goes on where it was::

    make sim RUNS=10000 SEED=1
"""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import relayd
from sim.checkers import Broken
from sim.story import STEPS, Told, live

SAY_EVERY_S = 10.0
ROOMS = (
    "relayd/**/*",
    "proto/relayproto/**/*",
    "client/relayclient/**/*",
    "tests/sim/*",
    "tests/support/inline_store.py",
)


def run(seeds: Iterable[int], steps: int = STEPS) -> Counter[str]:
    """Live through the seeds and return what happened in them. Raises Broken."""
    return sum((live(seed, steps).figures for seed in seeds), Counter())


def main() -> int:
    """Live through the seeds that the state file does not have yet; say how it goes.

    What breaks is printed with the command that repeats it, the other seeds are gone through all the same, and the
    status is 1; the seed that broke stays to be done.
    """
    parser = argparse.ArgumentParser(prog="make sim", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run")
    parser.add_argument("--state", type=Path, help="a file of JSON lines, one for each seed that is done")
    asked = parser.parse_args()
    tree = _tree()
    done = _done(asked.state, tree, asked.steps)
    wanted = range(asked.seed, asked.seed + asked.runs)
    left = [seed for seed in wanted if seed not in done]
    total = sum((done[seed] for seed in wanted if seed in done), Counter())
    broken: list[int] = []
    began = said = time.monotonic()
    for at, seed in enumerate(left, start=1):
        try:
            told = live(seed, asked.steps)
        except Broken as error:
            broken.append(seed)
            print(error, flush=True)
        else:
            total += told.figures
            _keep(asked.state, tree, asked.steps, told)
        now = time.monotonic()
        if now - said >= SAY_EVERY_S or at == len(left):
            said, spent = now, now - began
            to_go = spent / at * (len(left) - at)
            print(f"{len(wanted) - len(left) + at} of {len(wanted)} runs, {len(broken)} broken,"
                  f" {spent:.0f} s, {to_go:.0f} s to go", flush=True)  # fmt: skip
    print("\n".join(f"{count:>10,} {name}" for name, count in sorted(total.items())))
    print(f"broken: {', '.join(map(str, broken)) or 'none'}")
    return 1 if broken else 0


def _tree() -> str:
    """Return what tells this source from another: what was tried on another is to be tried again."""
    root = Path(relayd.__file__).parents[1]
    found = (file for room in ROOMS for file in root.glob(room) if not file.name.startswith("test_"))
    files = sorted(file for file in found if file.suffix in {".py", ".sql", ".toml"})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _done(state: Path | None, tree: str, steps: int) -> dict[int, Counter[str]]:
    lines = state.read_text("utf-8").splitlines() if state and state.exists() else []
    found = [line for line in map(json.loads, lines) if (line["tree"], line["steps"]) == (tree, steps)]
    return {line["seed"]: Counter(line["figures"]) for line in found}


def _keep(state: Path | None, tree: str, steps: int, told: Told) -> None:
    if state is not None:
        line = {"tree": tree, "steps": steps, "seed": told.seed, "digest": told.digest, "figures": told.figures}
        with state.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main())
