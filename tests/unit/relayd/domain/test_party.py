from relayd.domain.party import Party
from relayproto.commands import Target, Wrap
from relayproto.replies import Mismatch

BOB = Party(row=1, account=b"b" * 32, list_version=5, highest_device=4, mailboxes={1: 11, 2: 12, 4: 14})
SOMEBODY = 99


def target(*devices: int, version: int = 5) -> Target:
    return Target(BOB.account, version, tuple(Wrap(device, b"") for device in devices))


def test_all_devices_of_an_account_match() -> None:
    assert BOB.mismatch(0, target(4, 1, 2), SOMEBODY) is None


def test_another_list_version_with_the_same_devices_matches() -> None:
    assert BOB.mismatch(0, target(1, 2, 4, version=3), SOMEBODY) is None


def test_missing_extra_and_stale_devices_are_told_apart() -> None:
    assert BOB.mismatch(2, target(1, 3, 9), SOMEBODY) == Mismatch(2, 5, missing=(2, 4), extra=(9,), stale=(3,))


def test_a_list_that_lacks_a_device_does_not_match() -> None:
    assert BOB.mismatch(0, target(1, 2), SOMEBODY) == Mismatch(0, 5, missing=(4,), extra=(), stale=())


def test_a_device_that_is_addressed_twice_is_extra() -> None:
    assert BOB.mismatch(0, target(1, 1, 2, 4), SOMEBODY) == Mismatch(0, 5, missing=(), extra=(1,), stale=())


def test_the_sending_device_is_left_out_of_its_own_account() -> None:
    assert BOB.mismatch(0, target(1, 4), sender=12) is None


def test_the_sending_device_is_extra_where_it_addresses_itself() -> None:
    assert BOB.mismatch(0, target(1, 2, 4), sender=12) == Mismatch(0, 5, missing=(), extra=(2,), stale=())


def test_an_account_with_the_sending_device_only_has_no_targets() -> None:
    alone = Party(2, b"a" * 32, 1, 1, {1: 21})

    assert alone.mismatch(0, Target(alone.account, 1, ()), sender=21) is None
    assert alone.mismatch(0, Target(alone.account, 1, (Wrap(1, b""),)), sender=21).extra == (1,)


def test_the_only_device_of_an_account_matches() -> None:
    alone = Party(2, b"a" * 32, 1, 1, {1: 21})

    assert alone.mismatch(0, Target(alone.account, 1, (Wrap(1, b""),)), SOMEBODY) is None
    assert alone.mismatch(0, Target(alone.account, 1, (Wrap(2, b""),)), SOMEBODY).missing == (1,)
