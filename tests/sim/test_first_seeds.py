"""The first seeds by themselves: what deliberate bugs are tried against (tests/mutants/of_connections.py)."""

import pytest

from sim.run import run

FEW = 8


@pytest.mark.slow
def test_the_first_seeds_hold() -> None:
    assert run(range(1, 1 + FEW))["runs"] == FEW
