import pytest

from relayproto.codes import PrekeyKind
from relayproto.e2e import prekeys
from relayproto.errors import CryptoFailure
from relayproto.primitives import ML_KEM_768, x25519_public
from support.changed import replace
from support.people import Person

ALICE, MALLORY = Person("alice"), Person("mallory")


def check(bundle):
    prekeys.check_bundle(bundle, account=ALICE.account, sign_key=ALICE.entry.sign_key)


@pytest.mark.parametrize("kind", PrekeyKind)
def test_a_prekey_comes_with_the_secret_of_its_public_key(kind):
    prekey, secret = prekeys.generate(
        kind, 9, account=ALICE.account, device=1, sign_seed=ALICE.sign_seed, entropy=ALICE.entropy
    )  # fmt: skip

    public_of = x25519_public if len(secret) == 32 else ML_KEM_768.public_of
    assert (prekey.kind, prekey.id, prekey.key) == (kind, 9, public_of(secret))


def test_the_devices_own_bundle_is_believed_with_and_without_a_one_time_prekey():
    check(ALICE.bundle())
    check(ALICE.bundle(one_time=False))
    check(replace(ALICE.bundle(), kem=ALICE.prekeys[PrekeyKind.KEM_ONE_TIME]))


@pytest.mark.parametrize(
    "changes",
    [
        {"signed": ALICE.prekeys[PrekeyKind.ONE_TIME]},
        {"one_time": ALICE.prekeys[PrekeyKind.SIGNED]},
        {"kem": ALICE.prekeys[PrekeyKind.SIGNED]},
        {"signed": MALLORY.prekeys[PrekeyKind.SIGNED]},
        {"one_time": MALLORY.prekeys[PrekeyKind.ONE_TIME]},
        {"kem": MALLORY.prekeys[PrekeyKind.KEM_ONE_TIME]},
        {"device": 2},
    ],
)
def test_a_bundle_with_a_key_in_a_wrong_place_or_of_another_device_is_refused(changes):
    with pytest.raises(CryptoFailure):
        check(replace(ALICE.bundle(), **changes))
