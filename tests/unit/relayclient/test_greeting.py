"""HELLO and WELCOME."""

import shutil

import pytest

from relayclient.device import Device
from relayclient.errors import Cloned
from relayproto.replies import LaneState, Welcome
from relayproto.standing import Standing
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


def test_welcome_says_what_the_account_is_and_how_far_its_acts_have_come(relay, alice):
    relay.connect(alice)
    lanes = (LaneState(0, 1),) * 3

    alice.welcomed(Welcome(1, 0, NOW_MS, 1, lanes, 1, 0, 1, 9, 9, Standing.VERIFIED, 7, 41), NOW_MS)

    assert (alice._link.standing, alice._link.unit, alice._link.act) == (Standing.VERIFIED, 7, 41)
