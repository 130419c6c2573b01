"""The device's own prekeys."""

from relayproto import notices
from relayproto.codes import PrekeyKind


def test_a_new_device_deposits_its_prekeys(relay, alice):
    held = relay.seat(alice).prekeys

    assert {kind.name: len(keys) for kind, keys in held.items()} == {
        "SIGNED": 1, "ONE_TIME": 100, "KEM_LAST_RESORT": 1, "KEM_ONE_TIME": 20,
    }  # fmt: skip


def test_prekeys_are_filled_up_when_few_are_left(relay, alice):
    line = relay.connect(alice)
    line.run()
    del relay.seat(alice).prekeys[PrekeyKind.ONE_TIME][5:]
    line.notice(notices.PrekeysLow(5, 20))

    line.run()

    assert len(relay.seat(alice).prekeys[PrekeyKind.ONE_TIME]) == 100
    assert len(relay.seat(alice).prekeys[PrekeyKind.KEM_ONE_TIME]) == 20
