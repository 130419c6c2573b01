"""SIGKILL between every two steps from the receiver's acknowledgement to the outcome's, and while messages expire."""

import pytest

from relayproto.codes import Result
from support.kill_points import EXPIRE, RECEIVING
from support.kill_script import BURST, killed


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_step_from_acknowledgement_to_outcome_and_expiry_brings_anything_back(tmp_path) -> None:
    book = await killed(tmp_path / "relay", RECEIVING)

    assert book.complete()
    assert len(book.sent) == BURST * len(RECEIVING)
    became = [result for _, result in book.outcomes.values()]
    assert became.count(Result.EXPIRED) == BURST * len([point for point in RECEIVING if point.act == EXPIRE])
