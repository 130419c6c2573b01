"""SIGKILL between every two steps on the way of a message from its sender's bytes to its receiver's."""

import pytest

from support.kill_points import SENDING
from support.kill_script import BURST, killed


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_step_from_receive_to_deliver_loses_doubles_or_reorders_what_was_accepted(tmp_path) -> None:
    book = await killed(tmp_path / "relay", SENDING)

    assert book.complete()
    assert len(book.sent) == BURST * len(SENDING)
    assert sorted(book.delivered.values()) == sorted(book.sent)
