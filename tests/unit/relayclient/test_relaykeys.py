"""The relay's keys under its root."""

import pytest

from relayclient.errors import RelayUntrusted
from relayclient.events import RelayKeyChanged
from support.small_relay import NOW_MS, SmallRelay


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


def test_a_key_that_the_root_did_not_sign_is_refused(alice):
    other = SmallRelay("mallory")

    with pytest.raises(RelayUntrusted):
        alice.descriptor(other.descriptor, NOW_MS)
    with pytest.raises(RelayUntrusted):
        alice.descriptor(b"nonsense", NOW_MS)
