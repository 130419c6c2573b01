"""HELLO and WELCOME."""

import shutil

import pytest

from relayclient.device import Device
from relayclient.errors import Cloned
from support.small_relay import NOW_MS
from support.talk import BOB, introduce


def test_an_old_copy_of_the_store_is_noticed_and_stops(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    alice.close()
    shutil.copytree(tmp_path / "alice", tmp_path / "copy")
    with Device.open(tmp_path / "alice") as original:
        original.queue(BOB, "text", now_ms=NOW_MS)
        relay.connect(original).run()

    with Device.open(tmp_path / "copy") as copy:
        with pytest.raises(Cloned):
            relay.connect(copy)
        with pytest.raises(Cloned):
            copy.hello()
