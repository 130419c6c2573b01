"""A dishonest recipient: what an envelope tells it beside the message."""

import pytest

from relayproto import identity
from relayproto.codes import Lane
from support.small_relay import NOW_MS, SmallRelay, join_second
from support.talk import ALICE, BOB, introduce, texts

TEXT = "The files are ready."


@pytest.fixture
def relay():
    return SmallRelay()


def newest(relay, device):
    rows = relay.seat(device).boxes[Lane.NORMAL].rows
    return rows[max(rows)]


def test_an_envelope_has_the_same_shape_and_names_nobody_else_however_many_it_goes_to(relay, tmp_path):
    with relay.join(tmp_path / "alice", ALICE) as alice, relay.join(tmp_path / "bob", BOB) as bob:
        everybody = [alice, bob]
        introduce(relay, alice, bob)
        alice.queue(BOB, TEXT, now_ms=NOW_MS)
        relay.connect(alice).run()
        alone = newest(relay, bob)
        others = [join_second(relay, device, tmp_path / f"second {at}") for at, device in enumerate(everybody)]
        for device in [*everybody, *others]:
            relay.connect(device).run()
        bob.queue(ALICE, "Thank you.", now_ms=NOW_MS)
        for device in [bob, *everybody, *others]:
            relay.connect(device).run()

        alice.queue(BOB, TEXT, now_ms=NOW_MS)
        relay.connect(alice).run()
        among = newest(relay, bob)

        reached = [newest(relay, device).commitment for device in others]
        assert reached == [among.commitment] * len(others)
        assert texts(relay.connect(bob).run()) == [TEXT]
        lists = [relay.devices_of(device.identity.account) for device in everybody]
        shapes = [
            [len(each) if isinstance(each, bytes) else type(each) for each in _fields(row)] for row in (alone, among)
        ]
        assert shapes[0] == shapes[1]
        said = b"".join(each for each in _fields(among) if isinstance(each, bytes) and each != among.sender)
        for listed in lists:
            known = (listed.account, listed.identity_key, identity.list_hash(identity.encode(listed)))
            keys = [key for entry in listed.devices for key in (entry.sign_key, entry.dh_key)]
            assert [key for key in (*known, *keys) if key in said] == []
        for device in others:
            device.close()


def _fields(row):
    return [getattr(row, name) for name in row.__struct_fields__]
