"""The other five hundred seeds of ``make test``, in a file of their own so that both halves run at the same time."""

import pytest

from sim import run

TOGETHER = 20
FEW_STEPS = 10
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("first", range(101, 601, TOGETHER))
def test_whatever_goes_wrong_everybody_gets_everything_once(first: int) -> None:
    figures = run.run(range(first, first + TOGETHER), FEW_STEPS)

    assert figures["runs"] == TOGETHER
    assert min(figures[name] for name in ("accepted", "acknowledged", "deliveries", "texts shown", "connections")) > 20
