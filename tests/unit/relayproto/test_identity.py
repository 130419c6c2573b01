import pytest

from relayproto import identity
from relayproto.codes import PrekeyKind
from relayproto.errors import CryptoFailure, Malformed
from relayproto.identity import DeviceEntry, Rollback, SplitView, supersedes
from relayproto.limits import DEVICE_LIST_BYTES_MAX, DEVICES_MAX
from relayproto.packed import pack
from support.changed import replace
from support.people import NOW_MS, Person

ALICE, MALLORY = Person("alice"), Person("mallory")
SECOND = DeviceEntry(2, b"s" * 32, b"d" * 32, NOW_MS)
THIRD = DeviceEntry(3, b"S" * 32, b"D" * 32, NOW_MS)


def signed(devices, by=ALICE):
    listed = identity.encode(devices)
    return listed, identity.sign_list(by.identity_seed, listed)


def listed_as(*parts):
    listed = b"\x01" + pack(*parts)
    return listed, identity.sign_list(ALICE.identity_seed, listed)


def test_an_account_is_named_by_the_hash_of_its_identity_key():
    assert identity.account_id(bytes(32)).hex().startswith("89eb0d6a8a691dae2cd15ed0369931ce")


def test_a_signed_list_is_read_as_it_was_written():
    assert identity.decode(*signed(ALICE.list)) == ALICE.list


def test_the_largest_list_fits_its_bound():
    entries = tuple(DeviceEntry((1 << 32) - 1 - n, bytes(32), bytes(32), (1 << 63) - 1) for n in range(DEVICES_MAX))
    largest = replace(
        ALICE.list, version=(1 << 32) - 1, issued_ms=(1 << 63) - 1, highest_device=(1 << 32) - 1, devices=entries
    )

    assert len(identity.encode(largest)) <= DEVICE_LIST_BYTES_MAX


def test_a_list_that_somebody_else_signed_is_refused():
    listed, _ = signed(ALICE.list)

    with pytest.raises(CryptoFailure):
        identity.decode(listed, identity.sign_list(MALLORY.identity_seed, listed))


def test_a_list_for_somebody_elses_account_is_refused():
    stolen = replace(MALLORY.list, account=ALICE.account)

    with pytest.raises(CryptoFailure):
        identity.decode(*signed(stolen, by=MALLORY))


@pytest.mark.parametrize("listed", [b"", b"\x02\x90", b"\x01", b"\x01\xc1", b"\x01" + bytes(DEVICE_LIST_BYTES_MAX)])
def test_bytes_that_are_no_list_are_malformed(listed):
    with pytest.raises(Malformed):
        identity.decode(listed, bytes(64))


def test_a_list_in_another_form_than_the_canonical_one_is_malformed():
    fields = [*ALICE.list.fields()]

    with pytest.raises(Malformed, match="canonical"):
        identity.decode(*listed_as(*fields, "one field more"))


@pytest.mark.parametrize(
    "changes",
    [
        {"devices": (SECOND, ALICE.entry), "highest_device": 2},
        {"devices": (ALICE.entry, ALICE.entry)},
        {"devices": (ALICE.entry, SECOND), "highest_device": 1},
        {"devices": ()},
        {"previous": b"p" * 32},
        {"version": 2},
        {"version": 0},
    ],
)
def test_a_list_whose_numbers_contradict_each_other_is_malformed(changes):
    with pytest.raises(Malformed):
        identity.decode(*signed(replace(ALICE.list, **changes)))


def test_a_list_finds_its_devices():
    assert ALICE.list.entry(1) == ALICE.entry
    assert ALICE.list.entry(2) is None


def test_the_next_version_stands_with_a_device_more_or_less():
    second = ALICE.next_list(devices=(ALICE.entry, SECOND), highest_device=2)
    third = replace(
        second, version=3, previous=identity.list_hash(identity.encode(second)), devices=(SECOND,)
    )  # fmt: skip

    supersedes(ALICE.list, second)
    supersedes(second, third)

    with pytest.raises(Rollback):
        supersedes(third, second)


def test_a_client_may_have_missed_versions_and_may_see_the_same_again():
    fifth = ALICE.next_list(version=5, previous=b"p" * 32, devices=(ALICE.entry, THIRD), highest_device=3)

    supersedes(ALICE.list, fifth)
    supersedes(fifth, fifth)

    with pytest.raises(Rollback):
        supersedes(fifth, ALICE.list)


@pytest.mark.parametrize(
    "newer",
    [
        replace(ALICE.list, issued_ms=NOW_MS + 1),
        ALICE.next_list(previous=b"p" * 32),
        ALICE.next_list(devices=(replace(ALICE.entry, dh_key=b"m" * 32),)),
        ALICE.next_list(version=3, identity_key=MALLORY.identity_key),
        ALICE.next_list(highest_device=0),
    ],
)
def test_a_list_that_contradicts_the_one_before_is_a_split_view(newer):
    with pytest.raises(SplitView):
        supersedes(ALICE.list, newer)


def test_a_number_is_not_given_to_a_second_device():
    without_first = ALICE.next_list(devices=(THIRD,), highest_device=3)
    reused = replace(
        without_first, version=4, devices=(SECOND, THIRD), previous=b"p" * 32
    )  # fmt: skip

    with pytest.raises(SplitView):
        supersedes(without_first, reused)


@pytest.mark.parametrize("kind", PrekeyKind)
def test_a_prekey_holds_for_its_device_only(kind):
    prekey = ALICE.prekeys[kind]

    identity.verify_prekey(prekey, account=ALICE.account, device=1, sign_key=ALICE.entry.sign_key)

    for wrong in (
        {"account": MALLORY.account, "device": 1, "sign_key": ALICE.entry.sign_key},
        {"account": ALICE.account, "device": 2, "sign_key": ALICE.entry.sign_key},
        {"account": ALICE.account, "device": 1, "sign_key": MALLORY.entry.sign_key},
    ):
        with pytest.raises(CryptoFailure):
            identity.verify_prekey(prekey, **wrong)


@pytest.mark.parametrize(
    ("kind", "key_bytes"), [(PrekeyKind.ONE_TIME, 1184), (PrekeyKind.KEM_ONE_TIME, 32), (PrekeyKind.SIGNED, 33)]
)
def test_a_prekey_with_a_key_of_another_kinds_length_is_refused(kind, key_bytes):
    prekey = identity.sign_prekey(
        ALICE.sign_seed, kind, account=ALICE.account, device=1, number=1, key=bytes(key_bytes)
    )  # fmt: skip

    with pytest.raises(CryptoFailure):
        identity.verify_prekey(prekey, account=ALICE.account, device=1, sign_key=ALICE.entry.sign_key)


def test_a_prekey_cannot_be_passed_off_as_one_of_another_kind():
    prekey = replace(ALICE.prekeys[PrekeyKind.SIGNED], kind=PrekeyKind.ONE_TIME)

    with pytest.raises(CryptoFailure):
        identity.verify_prekey(prekey, account=ALICE.account, device=1, sign_key=ALICE.entry.sign_key)


def test_both_people_see_the_same_sixty_digits_and_nobody_else_does():
    number = identity.safety_number(ALICE.identity_key, MALLORY.identity_key)

    assert number == identity.safety_number(MALLORY.identity_key, ALICE.identity_key)
    assert len(number) == 60
    assert number.isdecimal()
    assert number != identity.safety_number(ALICE.identity_key, Person("bob").identity_key)


def test_a_scanned_code_matches_only_where_both_know_the_same_keys():
    alice, mallory, bob = ALICE.identity_key, MALLORY.identity_key, Person("bob").identity_key
    shown_by_bob = identity.verification_code(bob, alice)

    assert identity.matches(shown_by_bob, alice, bob)
    assert not identity.matches(shown_by_bob, alice, mallory)
    assert not identity.matches(identity.verification_code(bob, mallory), alice, bob)
    assert not identity.matches(b"", alice, bob)
