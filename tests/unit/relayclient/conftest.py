"""A small relay, and Alice and Bob who have joined it and deposited their prekeys."""

import pytest

from support.small_relay import SmallRelay
from support.talk import ALICE, BOB


@pytest.fixture
def relay():
    return SmallRelay()


@pytest.fixture
def alice(relay, tmp_path):
    with relay.join(tmp_path / "alice", ALICE) as device:
        relay.connect(device).run()
        yield device


@pytest.fixture
def bob(relay, tmp_path):
    with relay.join(tmp_path / "bob", BOB) as device:
        relay.connect(device).run()
        yield device
