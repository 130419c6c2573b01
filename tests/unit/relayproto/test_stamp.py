import pytest

from relayproto import stamp
from relayproto.codes import Scope
from relayproto.errors import CryptoFailure, LocalProtocolError
from relayproto.limits import STAMP_BYTES_MAX, STAMPED_TOGETHER_MAX
from relayproto.primitives import Aead, SigningKey, ed25519_public, x25519_public
from relayproto.stamp import Author
from support.changed import replace
from support.kem import stream
from support.people import NOW_MS, Stamping

SEED = b"s" * 32
STAMPING = SigningKey(SEED)
KEY = ed25519_public(SEED)
HOUR_KEY = Aead(b"h" * 32)
KEY_ID = stamp.key_id_at(7, NOW_MS)
ALICE = Author(b"a" * 32, 1, Scope.PERSON, NOW_MS)


def commitment(number=0):
    return b"\x01" + number.to_bytes(32)


def sealed(count, entropy=None):
    entropy = entropy or stream("stamp")
    return [
        (stamp.seal_author(HOUR_KEY, KEY_ID, entropy(12), commitment(n), replace(ALICE, device=n + 1)), commitment(n))
        for n in range(count)
    ]


def test_a_key_id_is_the_relay_and_the_hour():
    assert stamp.key_id_at(7, 3_600_000 * 5 + 1) == bytes.fromhex("0000000700000005")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33])
def test_every_message_of_a_commit_has_a_stamp_that_holds_for_it_alone(count):
    stamps = stamp.stamp_all(sealed(count), STAMPING)

    for number, made in enumerate(stamps):
        stamp.check(made, commitment(number), KEY)
        assert stamp.open_author(made, commitment(number), HOUR_KEY) == replace(ALICE, device=number + 1)
        with pytest.raises(CryptoFailure):
            stamp.check(made, commitment(number + 1), KEY)


def test_the_stamps_of_the_largest_commit_hold_and_fit_their_bound():
    stamps = stamp.stamp_all(sealed(STAMPED_TOGETHER_MAX), STAMPING)

    for number in (0, 511, 512, 1023):
        stamp.check(stamps[number], commitment(number), KEY)
    assert {len(made) for made in stamps} == {470}
    assert STAMP_BYTES_MAX >= 470


def test_a_stamp_names_the_key_of_its_hour():
    made = stamp.stamp_all(sealed(1), STAMPING)[0]

    assert len(made) == 150
    assert stamp.key_id(made) == KEY_ID


@pytest.mark.parametrize("count", [0, STAMPED_TOGETHER_MAX + 1])
def test_none_and_too_many_are_not_stamped_together(count):
    with pytest.raises(LocalProtocolError):
        stamp.stamp_all(sealed(1) * count, STAMPING)


def test_messages_of_two_hours_are_not_stamped_together():
    later = stamp.seal_author(HOUR_KEY, stamp.key_id_at(7, NOW_MS + stamp.HOUR_MS), bytes(12), commitment(), ALICE)

    with pytest.raises(LocalProtocolError):
        stamp.stamp_all([*sealed(1), (later, commitment())], STAMPING)


@pytest.mark.parametrize("at", range(278))
def test_a_stamp_with_any_changed_byte_does_not_hold(at):
    made = bytearray(stamp.stamp_all(sealed(9), STAMPING)[4])
    made[at] ^= 1

    with pytest.raises(CryptoFailure):
        stamp.check(bytes(made), commitment(4), KEY)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: b"",
        lambda s: s[:149],
        lambda s: s + bytes(32),
        lambda s: s[:-96],
        lambda s: s[:-64] + bytes(32) + s[-64:],
    ],
)
def test_a_stamp_of_another_length_does_not_hold(change):
    made = stamp.stamp_all(sealed(3), STAMPING)[0]

    with pytest.raises(CryptoFailure):
        stamp.check(change(made), commitment(), KEY)


def test_a_commitment_of_another_length_does_not_hold():
    made = stamp.stamp_all(sealed(1), STAMPING)[0]

    with pytest.raises(CryptoFailure):
        stamp.check(made, b"\x01", KEY)


def test_a_stamp_holds_under_the_key_that_its_relay_had_in_its_hour():
    relay, other = Stamping(7), Stamping(7, name="other key")
    elsewhere = Stamping(8, name="elsewhere")
    made = stamp.stamp_all(sealed(1), SigningKey(relay.stamp_seed))[0]
    hour_ms = NOW_MS // stamp.HOUR_MS * stamp.HOUR_MS
    early = replace(relay.descriptor, not_before_ms=0, not_after_ms=hour_ms - 1)
    late = replace(relay.descriptor, not_before_ms=hour_ms + stamp.HOUR_MS, not_after_ms=1 << 60)

    stamp.check_known(made, commitment(), [elsewhere.descriptor, other.descriptor, relay.descriptor])

    foreign = replace(relay.descriptor, relay_id=8)
    for known in ([], [elsewhere.descriptor], [other.descriptor], [early], [late], [foreign]):
        with pytest.raises(CryptoFailure):
            stamp.check_known(made, commitment(), known)


def test_the_author_is_not_opened_without_the_hours_key_and_the_commitment():
    made = stamp.stamp_all(sealed(1), STAMPING)[0]

    with pytest.raises(CryptoFailure):
        stamp.open_author(made, commitment(), Aead(b"w" * 32))
    with pytest.raises(CryptoFailure):
        stamp.open_author(made, commitment(1), HOUR_KEY)


def test_a_seal_with_a_scope_that_is_none_does_not_open():
    odd = stamp.seal_author(HOUR_KEY, KEY_ID, bytes(12), commitment(), replace(ALICE, scope=9))
    made = stamp.stamp_all([(odd, commitment())], STAMPING)[0]

    with pytest.raises(CryptoFailure):
        stamp.open_author(made, commitment(), HOUR_KEY)


def test_the_hours_key_takes_both_moderators():
    first, second = b"1" * 32, b"2" * 32
    kept = stamp.seal_hour_key(b"h" * 32, x25519_public(first), x25519_public(second))

    assert stamp.open_hour_key(kept, first, second) == b"h" * 32
    with pytest.raises(CryptoFailure):
        stamp.open_hour_key(kept, first, first)
    with pytest.raises(CryptoFailure):
        stamp.open_hour_key(kept, second, second)
