"""The contract, between devices: making prekeys and believing another device's.

Randomness enters; a signed public key for the relay and its secret for the device's store leave (spec 60 §1). The rule
of this file: no key is used for a first message before its device's signature held.
"""

from typing import Final

from relayproto.codes import PrekeyKind
from relayproto.commands import SignedPrekey
from relayproto.errors import CryptoFailure
from relayproto.identity import sign_prekey, verify_prekey
from relayproto.primitives import KEM_SEED_BYTES, KEY_BYTES, ML_KEM_768, Entropy, Kem, x25519_public
from relayproto.replies import Bundle

_KEM_KINDS: Final = (PrekeyKind.KEM_LAST_RESORT, PrekeyKind.KEM_ONE_TIME)


def generate(
    kind: PrekeyKind,
    number: int,
    *,
    account: bytes,
    device: int,
    sign_seed: bytes,
    entropy: Entropy,
    kem: Kem = ML_KEM_768,
) -> tuple[SignedPrekey, bytes]:
    """Return a prekey and its secret: an X25519 private key of 32 bytes, or an ML-KEM seed of 64.

    ``number`` is one that no prekey of this device, of whatever kind, ever had.
    """
    if kind in _KEM_KINDS:
        secret = entropy(KEM_SEED_BYTES)
        public = kem.public_of(secret)
    else:
        secret = entropy(KEY_BYTES)
        public = x25519_public(secret)
    return sign_prekey(sign_seed, kind, account=account, device=device, number=number, key=public), secret


def check_bundle(bundle: Bundle, *, account: bytes, sign_key: bytes) -> None:
    """Return if all prekeys of the bundle are of the kind that their place says and signed by the device.

    Raises CryptoFailure; the relay chose the bundle, so nothing in it counts before this.
    """
    if bundle.signed.kind is not PrekeyKind.SIGNED or bundle.kem.kind not in _KEM_KINDS:
        raise CryptoFailure
    prekeys = [bundle.signed, bundle.kem]
    if bundle.one_time is not None:
        if bundle.one_time.kind is not PrekeyKind.ONE_TIME:
            raise CryptoFailure
        prekeys.append(bundle.one_time)
    for prekey in prekeys:
        verify_prekey(prekey, account=account, device=bundle.device, sign_key=sign_key)
