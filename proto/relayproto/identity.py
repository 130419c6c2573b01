"""The contract: who somebody is - accounts, device lists, signed prekeys, and how two people verify each other.

Keys and lists enter; signed bytes leave, and the other way round. Relay and devices check the same things here.
The rule of this file: a list or a prekey is believed only with its signature, in its one canonical form, and never
against what was believed before (spec 55).
"""

import hashlib
import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from relayproto.codes import PrekeyKind
from relayproto.commands import SignedPrekey
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import U64, octets, sequence, uint
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import DEVICE_LIST_BYTES_MAX, DEVICES_MAX, KEM_PUBLIC_BYTES
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256, equal, sign, verify
from relayproto.value import Packable

_VERSION: Final = b"\x01"
_U32: Final = (1 << 32) - 1
_DEVICES_LABEL: Final = b"relayd/devices/1"
_PREKEY_LABEL: Final = b"relayd/prekey/1"
_SAFETY_LABEL: Final = b"relayd/safety/1"
_SAFETY_ROUNDS: Final = 5200
"""As Signal's: makes looking for a key whose digits agree 5,200 times dearer (spec 55 §4)."""

FIRST_PREVIOUS: Final = bytes(32)
"""What stands for the hash of the list before the first."""

KEY_BYTES: Final[Mapping[PrekeyKind, int]] = MappingProxyType(
    {
        PrekeyKind.SIGNED: 32,
        PrekeyKind.ONE_TIME: 32,
        PrekeyKind.KEM_LAST_RESORT: KEM_PUBLIC_BYTES,
        PrekeyKind.KEM_ONE_TIME: KEM_PUBLIC_BYTES,
    }
)
"""How long the public key of each kind of prekey is, in bytes."""


class Rollback(CryptoFailure):
    """A device list is older than one that was seen before."""


class SplitView(CryptoFailure):
    """Two signed device lists of one account contradict each other: somebody shows different people different lists."""


class DeviceEntry(Packable, frozen=True):
    """One device in a list: its number, its Ed25519 and X25519 public keys, and when it was added (unix ms)."""

    device: Annotated[DeviceId, uint(_U32, 1)]
    sign_key: Annotated[bytes, octets(32)]
    dh_key: Annotated[bytes, octets(32)]
    added_ms: U64


class DeviceList(Packable, frozen=True):
    """The devices of an account at one version; ``previous`` is the hash of the version before (spec 55 §2).

    ``highest_device`` is the highest number that a device of this account ever had, so that none is given twice.
    """

    account: Annotated[AccountId, octets(32)]
    identity_key: Annotated[bytes, octets(32)]
    version: Annotated[int, uint(_U32, 1)]
    previous: Annotated[bytes, octets(32)]
    issued_ms: U64
    highest_device: Annotated[int, uint(_U32, 1)]
    devices: Annotated[tuple[DeviceEntry, ...], sequence(DEVICES_MAX, 1)]

    def entry(self, device: int) -> DeviceEntry | None:
        """Return the entry of a device, or None where the list does not have it."""
        return next((entry for entry in self.devices if entry.device == device), None)


def account_id(identity_public: bytes) -> AccountId:
    """Return the id of the account whose Ed25519 identity key this is (spec 55 §1)."""
    return AccountId(blake2b_256(identity_public))


def encode(devices: DeviceList) -> bytes:
    """Return the canonical bytes of a device list."""
    return _VERSION + pack(*devices.fields())


def sign_list(identity_seed: bytes, listed: bytes) -> bytes:
    """Return the identity key's signature over the bytes of a device list."""
    return sign(identity_seed, _DEVICES_LABEL + listed)


def decode(listed: bytes, signature: bytes) -> DeviceList:
    """Return the device list that the bytes say, checked as spec 55 §2 demands.

    Raises Malformed for bytes that are no canonical list and CryptoFailure where account or signature do not hold.
    """
    if len(listed) > DEVICE_LIST_BYTES_MAX or listed[:1] != _VERSION:
        raise Malformed("not a device list of a known version")
    devices = unpack(listed[1:], DeviceList)
    if encode(devices) != listed:
        raise Malformed("a device list in a form that is not canonical")
    _check_numbers(devices)
    if not equal(account_id(devices.identity_key), devices.account):
        raise CryptoFailure
    verify(devices.identity_key, _DEVICES_LABEL + listed, signature)
    return devices


def _check_numbers(devices: DeviceList) -> None:
    numbers = [entry.device for entry in devices.devices]
    if any(low >= high for low, high in itertools.pairwise(numbers)):
        raise Malformed("devices are not in ascending order")
    if numbers[-1] > devices.highest_device:
        raise Malformed("a device above the highest number ever given")
    if (devices.version == 1) != (devices.previous == FIRST_PREVIOUS):
        raise Malformed("the hash of the version before does not fit the version")


def list_hash(listed: bytes) -> bytes:
    """Return the 32-byte hash by which the next version and the first message of a session name this list."""
    return blake2b_256(listed)


def supersedes(held: DeviceList, newer: DeviceList) -> None:
    """Check that ``newer`` may stand where ``held`` stood (spec 55 §3); raise Rollback or SplitView.

    Versions in between may be missing: a client has not seen each of them, and a relay that was restored has lost some.
    The same list again is allowed.
    """
    if newer.version < held.version:
        raise Rollback
    if newer.version == held.version:
        if newer != held:
            raise SplitView
        return
    if newer.identity_key != held.identity_key or newer.highest_device < held.highest_device:
        raise SplitView
    if newer.version == held.version + 1 and newer.previous != list_hash(encode(held)):
        raise SplitView
    for entry in newer.devices:
        if entry.device <= held.highest_device and held.entry(entry.device) != entry:
            raise SplitView


def _prekey_text(kind: PrekeyKind, account: bytes, device: int, number: int, key: bytes) -> bytes:
    return b"".join(
        (_PREKEY_LABEL, kind.to_bytes(1), account, device.to_bytes(4), number.to_bytes(4), key)
    )  # fmt: skip


def sign_prekey(
    sign_seed: bytes, kind: PrekeyKind, *, account: bytes, device: int, number: int, key: bytes
) -> SignedPrekey:
    """Return a prekey signed by its device's Ed25519 key; ``key`` is the public one (spec 55 §5)."""
    return SignedPrekey(kind, number, key, sign(sign_seed, _prekey_text(kind, account, device, number, key)))


def verify_prekey(prekey: SignedPrekey, *, account: bytes, device: int, sign_key: bytes) -> None:
    """Check that the device of the account signed the prekey and that the key has its kind's length; CryptoFailure."""
    if len(prekey.key) != KEY_BYTES[prekey.kind]:
        raise CryptoFailure
    verify(sign_key, _prekey_text(prekey.kind, account, device, prekey.id, prekey.key), prekey.signature)


def safety_number(one: bytes, other: bytes) -> str:
    """Return the 60 digits that two people compare; the same whoever's identity key comes first (spec 55 §4)."""
    return "".join(sorted((_half(one), _half(other))))


def _half(identity_key: bytes) -> str:
    digest = _SAFETY_LABEL + identity_key
    for _ in range(_SAFETY_ROUNDS):
        digest = hashlib.sha512(digest + identity_key).digest()
    groups = (int.from_bytes(digest[at : at + 5]) % 100_000 for at in range(0, 30, 5))
    return "".join(f"{group:05d}" for group in groups)


def verification_code(own: bytes, other: bytes) -> bytes:
    """Return what one's own QR code holds: version, one's own identity key, the other's as one knows it."""
    return _VERSION + own + other


def matches(scanned: bytes, own: bytes, other: bytes) -> bool:
    """Say whether the code on the other's screen names the same two identity keys as we know."""
    return equal(scanned, verification_code(other, own))
