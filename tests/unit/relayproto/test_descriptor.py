import msgpack
import pytest

from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import DESCRIPTOR_BYTES_MAX
from relayproto.primitives import ed25519_public, sign
from support.changed import replace

ROOT = bytes(range(32))
PUBLIC = ed25519_public(ROOT)
FINGERPRINT = descriptor.fingerprint(PUBLIC)
KEYS = KeyDescriptor(7, 1, b"x" * 32, b"s" * 32, 1_000, 2_000, 500)


def signed(head, packed):
    octets = head + packed + PUBLIC
    return octets + sign(ROOT, b"relayd/relay-key/1" + octets)


def test_what_the_root_signed_is_read_as_it_was_written():
    described = descriptor.make(ROOT, KEYS)

    assert described.startswith(b"RLYK\x01")
    assert descriptor.read(described, FINGERPRINT) == KEYS


def test_the_moderators_are_what_the_root_signed():
    watched = replace(KEYS, moderators=(b"1" * 32, b"2" * 32))

    assert descriptor.read(descriptor.make(ROOT, watched), FINGERPRINT) == watched


@pytest.mark.parametrize(
    "moderators", [(b"1" * 32,), (b"1" * 32,) * 2, (b"1" * 32, b"2" * 32, b"3" * 32), (b"1", b"2")]
)
def test_moderators_are_two_different_keys_or_none(moderators):
    with pytest.raises(Malformed):
        descriptor.read(descriptor.make(ROOT, replace(KEYS, moderators=moderators)), FINGERPRINT)


def test_the_largest_descriptor_fits_its_bound():
    largest = replace(
        KEYS, relay_id=(1 << 32) - 1, key_id=(1 << 32) - 1, not_after_ms=(1 << 63) - 1,
        moderators=(b"1" * 32, b"2" * 32),
    )  # fmt: skip

    assert len(descriptor.make(ROOT, largest)) <= DESCRIPTOR_BYTES_MAX


def test_another_relays_root_is_not_believed():
    with pytest.raises(CryptoFailure):
        descriptor.read(descriptor.make(b"m" * 32, KEYS), FINGERPRINT)


@pytest.mark.parametrize("at", [8, 60, -1, -64])
def test_a_changed_descriptor_is_not_believed(at):
    described = bytearray(descriptor.make(ROOT, KEYS))
    described[at] ^= 1

    with pytest.raises((CryptoFailure, Malformed)):
        descriptor.read(bytes(described), FINGERPRINT)


@pytest.mark.parametrize(
    "described",
    [
        b"",
        b"RLYK\x01",
        b"RLYK\x02" + bytes(200),
        b"RLYK\x01" + bytes(DESCRIPTOR_BYTES_MAX),
        signed(b"RLYK\x01", b"\xc1"),
        signed(b"RLYK\x01", msgpack.packb([7, 1, b"x" * 32, b"s" * 32, 1_000, 2_000, 500, [], "more"])),
        signed(b"RLYK\x01", msgpack.packb([7, 1, b"x" * 31, b"s" * 32, 1_000, 2_000, 500, []])),
        signed(b"RLYK\x01", msgpack.packb([7, 0, b"x" * 32, b"s" * 32, 1_000, 2_000, 500, []])),
    ],
)
def test_what_is_no_canonical_descriptor_is_malformed(described):
    with pytest.raises(Malformed):
        descriptor.read(described, FINGERPRINT)


@pytest.mark.parametrize(("now_ms", "good"), [(999, False), (1_000, True), (2_000, True), (2_001, False)])
def test_a_key_is_good_between_its_dates(now_ms, good):
    assert KEYS.good_at(now_ms) is good


def test_a_descriptor_names_its_root():
    assert descriptor.root_fingerprint(descriptor.make(ROOT, KEYS)) == FINGERPRINT
