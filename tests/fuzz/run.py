"""Fuzz the decoders: each target for its share of the time, from the corpora in the tree on.

Minutes and a seed enter; figures leave, a line a target, or what was found and how to repeat it. By hand as long as
somebody has patience for; what a longer run reaches is kept in ``var/fuzz`` and is where the next one begins::

    make fuzz MINUTES=120 SEED=1

``--keep`` then puts what reached something new into the corpora of the tree.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.catalogue import BROKEN, CORPORA, TARGETS, corpus
from support.changed import replace
from support.tree import ROOT

INPUT_S_MAX = 5
"""How long one input may take: a thousand times what the slowest does, so that a busy machine finds nothing."""
MEMORY_MB_MAX = 1_024
STARTING_S = 300
"""Beside its time: a start on a busy machine. What has not ended then is told as a finding."""
EXAMPLE_BYTES_MAX = 512
"""What goes into the tree is small: longer examples reach the same with more bytes."""
DICTIONARY = ROOT / "tests" / "fuzz" / "words.dict"


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run: inputs tried, edges and features reached, inputs kept, seconds, and a finding's text."""

    inputs: int
    edges: int
    features: int
    kept: int
    seconds: int
    finding: str


def fuzz(name: str, seconds: int, seed: int, kept: Path) -> Figures:
    """Fuzz one target in a process of its own; ``kept`` is where its inputs are and where new ones go."""
    lay_out(name, kept)
    octets_max = TARGETS.get(name, BROKEN).octets_max
    options = (
        f"-seed={seed}", f"-max_total_time={seconds}", f"-max_len={octets_max}", "-len_control=20",
        f"-timeout={INPUT_S_MAX}", f"-rss_limit_mb={MEMORY_MB_MAX}", f"-dict={DICTIONARY}", "-print_final_stats=1",
        f"-artifact_prefix={kept}-finding-",
    )  # fmt: skip
    command = [sys.executable, "-m", "fuzz.one", name, *options, str(kept)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), check=False, capture_output=True, text=True, errors="replace",
            timeout=seconds + STARTING_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        said = (error.stderr or b"").decode(errors="replace")
        return replace(figures(said, len(list(kept.iterdir())), failed=True), finding=f"{name} did not end\n{said}")
    return figures(done.stderr + done.stdout, len(list(kept.iterdir())), failed=done.returncode != 0)


def keep(name: str, kept: Path) -> int:
    """Write to the tree what of a long run reaches something that the tree's examples do not; return how many."""
    path = CORPORA / f"{name}.json"
    with TemporaryDirectory() as fresh:
        known = Path(fresh) / name
        lay_out(name, known)
        before = {each.name for each in known.iterdir()}
        subprocess.run(
            [sys.executable, "-m", "fuzz.one", name, "-merge=1", str(known), str(kept)], cwd=ROOT, env=environment(),
            check=True, capture_output=True,
        )  # fmt: skip
        added = sorted(each.read_bytes() for each in known.iterdir() if each.name not in before)
    small = [octets.hex() for octets in added if len(octets) <= EXAMPLE_BYTES_MAX]
    kept_already = json.loads(path.read_text(encoding="utf-8"))
    kept_already["found"] = sorted({*kept_already["found"], *small}, key=lambda each: (len(each), each))
    path.write_text(json.dumps(kept_already, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(small)


def lay_out(name: str, kept: Path) -> None:
    """Write the examples of the tree to where libFuzzer reads them."""
    kept.mkdir(parents=True, exist_ok=True)
    for octets in corpus(name):
        (kept / hashlib.sha256(octets).hexdigest()[:16]).write_bytes(octets)


def environment() -> dict[str, str]:
    path = os.pathsep.join((".", "proto", "client", "tests"))
    return os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def figures(said: str, kept: int, *, failed: bool) -> Figures:
    """Read what libFuzzer says at its end."""
    inputs = re.search(r"stat::number_of_executed_units:\s+(\d+)", said)
    reached = re.findall(r"cov: (\d+) ft: (\d+)", said) or [("0", "0")]
    seconds = re.search(r"Done \d+ runs in (\d+) second", said)
    shown = "\n".join(line for line in said.splitlines() if not line.startswith(("INFO:", "#", "\tNEW_FUNC")))
    return Figures(
        int(inputs[1]) if inputs else 0, int(reached[-1][0]), int(reached[-1][1]), kept,
        int(seconds[1]) if seconds else 0, shown[-6_000:] if failed else "",
    )  # fmt: skip


def main() -> int:
    """Fuzz all targets, or those named, one after the other."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, default=None, help="where inputs are kept")
    parser.add_argument(
        "--keep", action="store_true", help="fuzz nothing: put what was reached into the tree's corpora"
    )
    parser.add_argument("--target", choices=TARGETS, action="append", help="all where none is named")
    arguments = parser.parse_args()
    targets = arguments.target or list(TARGETS)
    if arguments.keep:
        for name in targets:
            print(f"{name:10} {keep(name, arguments.state.resolve() / name):>5} examples more")
        return 0
    share = max(1, round(arguments.minutes * 60 / len(targets)))
    found = 0
    with TemporaryDirectory() as fresh:
        for name in targets:
            came = fuzz(name, share, arguments.seed, (arguments.state or Path(fresh)).resolve() / name)
            print(f"{name:10} {came.inputs:>10,} inputs in {came.seconds:>5} s, {came.edges:>5} edges, "
                  f"{came.features:>5} features, {came.kept:>5} inputs kept", flush=True)  # fmt: skip
            if came.finding:
                found += 1
                print(came.finding, flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
