"""The store against the same model as in test_store.py, going deep: two devices, long lanes, many holes."""

import os

import pytest

from support.model_run import BATCH, STEPS, run

FIRST = int(os.environ.get("MODEL_SEED", "1"))
SEEDS = range(FIRST, FIRST + max(1, int(os.environ.get("HYPOTHESIS_EXAMPLES", "1100")) // BATCH))

# As in test_store.py.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", SEEDS)
def test_however_long_lanes_get_nothing_accepted_is_lost(seed: int) -> None:
    figures = run("deep", seed)

    assert figures["examples"] >= BATCH
    assert figures["steps"] >= BATCH * STEPS
    assert min(figures[name] for name in ("accepted", "acknowledged", "expired", "crashes", "restores")) > 0
    assert min(figures[name] for name in ("refused", "not taken", "commits broken off")) > 0
