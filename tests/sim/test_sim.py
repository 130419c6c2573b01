"""Two hundred seeds of the simulator, here and in test_later_seeds.py; ``make sim`` goes through as many as one likes.

What a seed shows is in ``sim.story``; that it sees what it must is shown in tests/mutants/of_connections.py, whose bugs
it finds.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from sim import run
from sim.checkers import Broken
from sim.story import STEPS, Story, live
from support.tree import ROOT

TOGETHER = 20
FEW_STEPS = 10
"""Fewer than by hand: two hundred runs are to take a minute of a core."""
# Measuring coverage would double its time, and what covers a line is the unit test.
pytestmark = pytest.mark.slow

_DIGESTS = "from sim.story import live; print([live(seed).digest for seed in (3, 8, 14)])"


@pytest.mark.parametrize("first", range(1, 101, TOGETHER))
def test_whatever_goes_wrong_everybody_gets_everything_once(first: int) -> None:
    figures = run.run(range(first, first + TOGETHER), FEW_STEPS)

    assert figures["runs"] == TOGETHER
    assert min(figures[name] for name in ("accepted", "acknowledged", "deliveries", "texts shown", "connections")) > 20


def test_a_seed_gives_one_run_in_every_process() -> None:
    path = os.pathsep.join((".", "proto", "client", "tests"))

    said = {
        subprocess.run(
            [sys.executable, "-c", _DIGESTS], cwd=ROOT, check=True, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("0", "77")
    }  # fmt: skip

    assert said == {f"{[live(seed).digest for seed in (3, 8, 14)]}\n"}


def test_another_seed_is_another_run() -> None:
    assert live(1, steps=3).digest != live(2, steps=3).digest


def test_what_breaks_comes_with_all_that_repeats_it(monkeypatch) -> None:
    def deed(_: Story) -> None:
        raise Broken("invariant 1: made to break")

    for name in [name for name in vars(Story) if name.startswith(("deed_", "trouble_"))]:
        monkeypatch.setattr(Story, name, deed)

    with pytest.raises(Broken) as broken:
        live(5)

    said = str(broken.value)
    assert said.startswith(f"invariant 1: made to break\nseed 5, step 1 of {STEPS}; ")
    assert "relay 1 starts" in said
    assert said.endswith(f"to repeat it: make sim SEED=5 RUNS=1 STEPS={STEPS}")


def test_what_was_done_is_not_done_again_unless_the_source_is_another(monkeypatch, tmp_path, capsys) -> None:
    state = tmp_path / "sim.jsonl"
    lived: list[int] = []

    def lives(seed: int, steps: int) -> run.Told:
        lived.append(seed)
        if seed == 2 and lived.count(2) == 1:
            raise Broken("invariant 7: made to break")
        return run.Told(seed, "digest", Counter(runs=1, cuts=steps))

    monkeypatch.setattr(run, "live", lives)
    statuses = []
    for tree in ("one", "one", "other"):
        monkeypatch.setattr(run, "_tree", lambda tree=tree: tree)
        monkeypatch.setattr(sys, "argv", ["sim", "--runs", "3", "--steps", "4", "--state", str(state)])
        statuses.append(run.main())

    said = capsys.readouterr().out
    assert lived == [1, 2, 3, 2, 1, 2, 3]
    assert statuses == [1, 0, 0]
    assert "invariant 7: made to break" in said
    assert "12 cuts" in said
    assert "broken: 2\n" in said
