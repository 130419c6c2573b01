"""The store against a model of protocol.md §2, §3, §5 and §7, going wide: all that devices may do to one another.

MODEL_SEED sets the first seed, HYPOTHESIS_EXAMPLES how many examples there are, by the hundred.
"""

import os

import pytest

from support.model_run import BATCH, STEPS, run

FIRST = int(os.environ.get("MODEL_SEED", "1"))
# With test_store_deep.py 2,000. The two files run at the same time, and an example here takes longer than one there.
SEEDS = range(FIRST, FIRST + max(1, int(os.environ.get("HYPOTHESIS_EXAMPLES", "900")) // BATCH))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_devices_do_to_each_other_nothing_accepted_is_lost(seed: int) -> None:
    figures = run("wide", seed)

    assert figures["examples"] >= BATCH
    assert figures["steps"] >= BATCH * STEPS
    assert min(figures[name] for name in ("accepted", "acknowledged", "expired", "crashes", "restores")) > 0
    assert min(figures[name] for name in ("refused", "not taken", "commits broken off", "devices removed")) > 0
