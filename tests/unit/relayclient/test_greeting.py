"""HELLO and WELCOME."""

import shutil

import pytest

from relayclient.device import Device
from relayclient.errors import Cloned
from relayclient.greeting import AHEAD_MS
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


def latest(device: Device) -> int:
    with device._store.step() as step:
        return step.setting("latest_ms") or 0


def test_a_relays_time_far_ahead_of_ones_own_is_not_believed_and_one_that_was_is_forgotten(relay, alice):
    relay.connect(alice)
    lanes = (LaneState(0, 1),) * 3

    def says(relay_ms: int, now_ms: int) -> int:
        alice.welcomed(Welcome(1, 0, relay_ms, 1, lanes, 1, 0, 1, 9, 9, Standing.VERIFIED, 7, 41), now_ms)
        return latest(alice)

    near = says(NOW_MS + AHEAD_MS, NOW_MS)
    far = says(NOW_MS + AHEAD_MS + 1, NOW_MS)
    earlier = says(NOW_MS, NOW_MS)
    put_right = says(NOW_MS - 1, NOW_MS - 1)

    assert (near, far, earlier, put_right) == (NOW_MS + AHEAD_MS, NOW_MS + AHEAD_MS, NOW_MS + AHEAD_MS, NOW_MS - 1)
