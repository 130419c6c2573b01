"""The store's model by the number: so many examples of 50 steps from a seed on, the same ones each time.

A machine, seeds and a number of examples enter; figures leave, or the failure with how to repeat it. ``make test`` runs
a few seeds; by hand as many as somebody has patience for, and a run that was stopped goes on where it was::

    make model EXAMPLES=20000 SEED=1
"""

import argparse
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

import relayd
from support.model_machines import STEPS, DeepStore, StoreMachine, WideStore

BATCH = 100
PHASES = (Phase.generate,)
"""A failure is told as it was found: making it smaller takes minutes, and ``--shrink`` asks for it."""
PART_MIN = 10
PARTS_MAX = 20
MACHINES: dict[str, type[StoreMachine]] = {"wide": WideStore, "deep": DeepStore}


def run(machine: str, first: int, examples: int = BATCH, phases: tuple[Phase, ...] = PHASES) -> Counter[str]:
    """Run at least so many examples of STEPS steps each, and return what came of them.

    Hypothesis ends an example early now and then. Such a one is tried as well, but counts as cut short; others make up
    for it, from seeds made of the first.
    """
    figures: Counter[str] = Counter()
    for part in range(PARTS_MAX):
        missing = examples - figures["examples"]
        if missing <= 0:
            return figures
        figures += _batch(machine, first * 1000 + part, max(missing, PART_MIN), phases)
    raise AssertionError(f"only {figures['examples']} of {examples} examples had {STEPS} steps")


def _batch(machine: str, seed_: int, examples: int, phases: tuple[Phase, ...]) -> Counter[str]:
    chosen = type(MACHINES[machine].__name__, (MACHINES[machine],), {"figures": Counter()})
    # One step more than STEPS: the first makes the store.
    bounds = settings(
        max_examples=examples, stateful_step_count=1 + STEPS, database=None, deadline=None, phases=phases,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(seed_)(chosen), settings=bounds)
    except BaseException as error:
        command = f"make model EXAMPLES={BATCH} SEED={seed_ // 1000} MACHINE={machine}"
        error.add_note(f"To repeat it: {command}; SHRINK=--shrink makes it smaller first")
        raise
    return chosen.figures


def main() -> None:
    """Run the seeds that the state file does not have yet, the machines in turn; say how it goes.

    What is found is raised, so the status is not 0; the seed that found it stays to be done.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--examples", type=int, default=2_000, help=f"of {STEPS} steps each")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--machine", choices=[*MACHINES, "both"], default="both")
    parser.add_argument("--state", type=Path, help="a file of JSON lines, one for each seed that is done")
    parser.add_argument("--shrink", action="store_true", help="make what is found smaller before telling it")
    asked = parser.parse_args()
    structlog.configure(processors=[_say_nothing])
    phases = (*PHASES, Phase.shrink) if asked.shrink else PHASES
    names = list(MACHINES) if asked.machine == "both" else [asked.machine]
    seeds = range(asked.seed, asked.seed + -(-asked.examples // (BATCH * len(names))))
    wanted = [(name, first) for first in seeds for name in names]
    tree = _tree()
    done = _done(asked.state, tree)
    left = [one for one in wanted if one not in done]
    total = sum((done[one] for one in wanted if one in done), Counter())
    began = time.monotonic()
    for at, (name, first) in enumerate(left, start=1):
        figures = run(name, first, phases=phases)
        total += figures
        if asked.state:
            with asked.state.open("a") as file:
                file.write(json.dumps({"tree": tree, "machine": name, "seed": first, "figures": figures}) + "\n")
        spent = time.monotonic() - began
        to_go = spent / at * (len(left) - at)
        print(f"{len(wanted) - len(left) + at} of {len(wanted)} seeds, {spent:.0f} s, {to_go:.0f} s to go", flush=True)
    print(told(total))


def _tree() -> str:
    """Return what tells this source from another: what was tried on another is to be tried again."""
    root = Path(relayd.__file__).parents[1]
    rooms = (
        "relayd/store/**/*",
        "relayd/domain/*",
        "proto/relayproto/*",
        "tests/support/*model*",
        "tests/support/*store*",
    )
    files = sorted(file for room in rooms for file in root.glob(room) if file.suffix in {".py", ".sql"})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _done(state: Path | None, tree: str) -> dict[tuple[str, int], Counter[str]]:
    lines = state.read_text().splitlines() if state and state.exists() else []
    of_tree = [line for line in map(json.loads, lines) if line["tree"] == tree]
    return {(line["machine"], line["seed"]): Counter(line["figures"]) for line in of_tree}


def _say_nothing(*_):
    raise structlog.DropEvent


def told(total: Counter[str]) -> str:
    """Return the figures of runs in which everything held; where something does not, ``run`` raises.

    What was acknowledged and what expired counts outcomes as well, and again what an older copy has brought back.
    """
    counted = "\n".join(f"{count:>10,} {name}" for name, count in sorted(total.items()))
    return f"{counted}\nlost 0, again 0, reused 0, falsely stored 0"


if __name__ == "__main__":
    main()
