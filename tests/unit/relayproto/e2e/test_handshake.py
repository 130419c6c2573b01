import pytest

from relayproto.e2e import handshake
from relayproto.e2e.handshake import Claim, NewerList, Secrets, vouch
from relayproto.errors import CryptoFailure
from relayproto.identity import SplitView
from support.changed import replace
from support.people import Person

LOW_ORDER = bytes(32)


@pytest.fixture(scope="module")
def alice():
    return Person("alice")


@pytest.fixture(scope="module")
def bob():
    return Person("bob")


def first_message(alice, bob, *, one_time=True, recipient=None):
    recipient = recipient or bob.recipient(one_time=one_time)
    return handshake.initiate(alice.own, recipient, order=3, entropy=alice.entropy)


def secrets_of(bob, message):
    head = handshake.head_of(message)
    return Secrets(bob.secrets[head.signed], bob.secrets.get(head.one_time), bob.secrets[head.kem])


def answer(bob, message, **changes):
    secrets = changes.pop("secrets", None) or secrets_of(bob, message)
    arguments = {"own": bob.own, "list_hashes": {1: bob.list_hash}} | changes
    return handshake.respond(message=message, secrets=secrets, **arguments)


@pytest.mark.parametrize("one_time", [True, False])
def test_both_sides_agree_and_the_recipient_learns_who_it_is(alice, bob, one_time):
    message, ours = first_message(alice, bob, one_time=one_time)

    claim, theirs = answer(bob, message)

    assert ours == theirs
    assert claim == Claim(alice.account, 1, 1, alice.list_hash, 3, alice.entry.dh_key)
    assert len(message) == handshake.MESSAGE_BYTES == 1293
    assert (handshake.head_of(message).one_time == 0) is not one_time


def test_what_is_secret_is_not_shown(alice, bob):
    message, agreed = first_message(alice, bob)

    shown = repr((agreed, alice.own, secrets_of(bob, message)))

    for secret in (agreed.root, alice.dh_private, *bob.secrets.values()):
        assert repr(secret) not in shown


def test_the_sender_is_not_in_clear(alice, bob):
    message, _ = first_message(alice, bob)

    assert alice.account not in message
    assert alice.entry.dh_key not in message


@pytest.mark.parametrize("at", [0, 4, 5, 8, 12, 16, 17, 48, 49, 1152, 1153, 1200, 1201, 1292])
def test_a_message_with_any_changed_byte_is_refused(alice, bob, at):
    message, _ = first_message(alice, bob)
    secrets = secrets_of(bob, message)
    changed = bytearray(message)
    changed[at] ^= 1

    with pytest.raises(CryptoFailure):
        answer(bob, bytes(changed), secrets=secrets)


@pytest.mark.parametrize("message", [b"", b"\x01" * 1292, b"\x02" * 1293, b"\x01" * 1294])
def test_what_is_no_first_message_is_refused(message):
    with pytest.raises(CryptoFailure):
        handshake.head_of(message)


def test_a_one_time_prekey_can_neither_be_dropped_nor_added(alice, bob):
    with_one, _ = first_message(alice, bob)
    without, _ = first_message(alice, bob, one_time=False)

    with pytest.raises(CryptoFailure):
        answer(bob, with_one, secrets=replace(secrets_of(bob, with_one), one_time=None))
    with pytest.raises(CryptoFailure):
        answer(bob, without, secrets=replace(secrets_of(bob, without), one_time=b"o" * 32))


@pytest.mark.parametrize("hashes", [{}, {2: b"h" * 32}, {1: b"h" * 32}])
def test_a_sender_that_was_shown_another_list_of_ours_is_noticed(alice, bob, hashes):
    message, _ = first_message(alice, bob)

    with pytest.raises(CryptoFailure):
        answer(bob, message, list_hashes=hashes)


def test_a_message_for_another_device_or_account_is_refused(alice, bob):
    message, _ = first_message(alice, bob)

    for wrong in (replace(bob.own, device=2), replace(bob.own, account=alice.account)):
        with pytest.raises(CryptoFailure):
            answer(bob, message, own=wrong)


def test_nothing_begins_with_a_bundle_of_another_device(alice, bob):
    bundle = replace(bob.bundle(), device=2)

    with pytest.raises(CryptoFailure):
        first_message(alice, bob, recipient=replace(bob.recipient(), bundle=bundle))


def test_a_key_of_low_order_is_refused_on_both_sides(alice, bob):
    weak = replace(bob.recipient(), entry=replace(bob.entry, dh_key=LOW_ORDER))
    message, _ = first_message(alice, bob)

    with pytest.raises(CryptoFailure):
        first_message(alice, bob, recipient=weak)
    with pytest.raises(CryptoFailure):
        answer(bob, message[:17] + LOW_ORDER + message[49:])


def claim_of(alice, **changes):
    return replace(Claim(alice.account, 1, 1, alice.list_hash, 1, alice.entry.dh_key), **changes)


def test_a_device_in_the_list_with_the_proven_key_is_vouched_for(alice):
    newer = alice.next_list()

    vouch(claim_of(alice), alice.list, {})
    vouch(claim_of(alice), newer, {1: alice.list_hash})
    vouch(claim_of(alice), newer, {})


@pytest.mark.parametrize("changes", [{"account": b"m" * 32}, {"device": 2}, {"dh_key": b"m" * 32}])
def test_a_device_that_the_list_does_not_have_is_not_vouched_for(alice, changes):
    with pytest.raises(CryptoFailure):
        vouch(claim_of(alice, **changes), alice.list, {})


def test_a_removed_device_is_not_vouched_for(alice):
    other = replace(alice.entry, device=2)

    with pytest.raises(CryptoFailure):
        vouch(claim_of(alice), alice.next_list(devices=(other,), highest_device=2), {1: alice.list_hash})


def test_a_newer_list_is_asked_for(alice):
    with pytest.raises(NewerList):
        vouch(claim_of(alice, list_version=2), alice.list, {})


def test_another_list_of_the_same_version_is_a_split_view(alice):
    with pytest.raises(SplitView):
        vouch(claim_of(alice, list_hash=b"h" * 32), alice.list, {})
    with pytest.raises(SplitView):
        vouch(claim_of(alice, list_hash=b"h" * 32), alice.next_list(), {1: alice.list_hash})
