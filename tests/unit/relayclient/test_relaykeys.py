"""The relay's keys under its root."""

import pytest

from relayclient import relaykeys
from relayclient.errors import RelayUntrusted
from relayclient.events import RelayKeyChanged
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.primitives import x25519_public
from support.small_relay import DAY_MS, NOW_MS, SmallRelay


def test_another_relay_key_that_the_root_signed_is_used_next(relay, alice):
    relay.key_id, relay.static = 2, relay.entropy(32)

    told = alice.descriptor(relay.descriptor, NOW_MS)
    again = alice.descriptor(relay.descriptor, NOW_MS)

    assert (told, again) == ([RelayKeyChanged(2)], [])
    assert alice.endpoint().key_id == 2


def test_an_older_relay_key_is_not_gone_back_to(relay, alice):
    older = relay.descriptor
    relay.key_id, relay.static = 2, relay.entropy(32)
    alice.descriptor(relay.descriptor, NOW_MS)

    assert alice.descriptor(older, NOW_MS) == []
    assert alice.endpoint().key_id == 2


def test_of_two_descriptors_of_one_key_the_later_stays(relay, alice):
    later = KeyDescriptor(7, 1, x25519_public(relay.static), bytes(32), NOW_MS, NOW_MS + DAY_MS, NOW_MS + 9)
    alice.descriptor(descriptor.make(relay.root_seed, later), NOW_MS)

    alice.descriptor(relay.descriptor, NOW_MS)

    with alice._store.step() as step:
        assert relaykeys.known(step) == [later]


def test_a_key_is_over_after_its_date(relay, alice):
    with alice._store.step() as step:
        [key] = relaykeys.known(step)

    assert not alice.relay_key_is_over(key.not_after_ms)
    assert alice.relay_key_is_over(key.not_after_ms + 1)


def test_a_key_of_another_relay_under_the_same_root_is_refused(relay, alice):
    other = KeyDescriptor(8, 2, bytes(32), bytes(32), NOW_MS, NOW_MS + DAY_MS, NOW_MS + 9)

    with pytest.raises(RelayUntrusted):
        alice.descriptor(descriptor.make(relay.root_seed, other), NOW_MS)
    assert alice.endpoint().key_id == 1


def test_a_key_that_the_root_did_not_sign_is_refused(alice):
    other = SmallRelay("mallory")

    with pytest.raises(RelayUntrusted):
        alice.descriptor(other.descriptor, NOW_MS)
    with pytest.raises(RelayUntrusted):
        alice.descriptor(b"nonsense", NOW_MS)
