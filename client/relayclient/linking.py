"""The device's room: another device of the same account.

On the new device a home with keys of its own is begun, and a code leaves; the old device signs a device list with those
keys and answers with what the new one lacks, sealed to it; the new one finishes. The rules of this file: the account's
key leaves a device only sealed to the new one; a version of the list is signed once, and kept until the relay has
answered; what a person is asked to compare names the very keys that are let in.
"""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple

from msgspec.structs import replace

from relayclient import contacts, membership, prekeys
from relayclient.errors import AlreadyJoined, CodeWrong, DevicesFull, LastDevice, NotBegun, UnknownDevice
from relayclient.store.database import FILE_NAME, Step, Store
from relayproto import identity
from relayproto.commands import PutDevices
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import octets, text, uint
from relayproto.identity import DeviceEntry, DeviceList
from relayproto.ids import Address, DeviceId
from relayproto.limits import ADDRESS_CHARS_MAX, DEVICES_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import (
    Entropy,
    blake2b_256,
    box_open,
    box_seal,
    ed25519_public,
    equal,
    x25519_public,
)
from relayproto.value import Packable

CODE_CHARS_MAX: Final = 2_048
_NEW: Final = "relay-new-device:"
_LINKED: Final = "relay-linked:"
_VERSION: Final = b"\x01"
_CHECKSUM_BYTES: Final = 4
_U32: Final = (1 << 32) - 1
_HOST_CHARS_MAX: Final = 253
_DIGITS: Final = 20
_GROUP: Final = 5


class NewDevice(Packable, frozen=True):
    """What a new device says of itself: where to seal to, and its Ed25519 and X25519 public keys."""

    seal_key: Annotated[bytes, octets(32)]
    sign_key: Annotated[bytes, octets(32)]
    dh_key: Annotated[bytes, octets(32)]


class _Membership(Packable, frozen=True):
    """What a new device lacks: the account's key, its own number, and where the relay is and by which keys."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"identity_seed"})
    identity_seed: Annotated[bytes, octets(32)]
    device: Annotated[int, uint(_U32, 1)]
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    host: Annotated[str, text(_HOST_CHARS_MAX)]
    port: Annotated[int, uint(65_535, 1)]
    key_id: Annotated[int, uint(_U32)]
    relay_key: Annotated[bytes, octets(32)]
    root: Annotated[bytes, octets(32)]
    relay_id: Annotated[int, uint(_U32)]


class Answer(NamedTuple):
    """What the old device gives back: the code, and the digits that the new one has to show of it."""

    code: str
    digits: str


# --- codes ------------------------------------------------------------------------------------
def _code(prefix: str, packed: bytes) -> str:
    whole = _VERSION + packed
    whole += blake2b_256(prefix.encode() + whole)[:_CHECKSUM_BYTES]
    return prefix + base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


def _read(prefix: str, code: str) -> bytes:
    """Return what a code holds; white space that a mail program put in does no harm. Raises CodeWrong."""
    joined = re.sub(r"\s", "", code[: 2 * CODE_CHARS_MAX])
    if not joined.startswith(prefix):
        raise CodeWrong(f"one begins with {prefix}")
    coded = joined.removeprefix(prefix)
    try:
        whole = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise CodeWrong("part of it was cut off or changed") from None
    packed, checksum = whole[:-_CHECKSUM_BYTES], whole[-_CHECKSUM_BYTES:]
    if not packed.startswith(_VERSION) or checksum != blake2b_256(prefix.encode() + packed)[:_CHECKSUM_BYTES]:
        raise CodeWrong("part of it was cut off or changed")
    return packed[1:]


def read_new(code: str) -> NewDevice:
    """Return what a new device's code says. Raises CodeWrong."""
    try:
        return unpack(_read(_NEW, code), NewDevice)
    except Malformed:
        raise CodeWrong from None


def digits(code: str) -> str:
    """Return the 20 digits to compare on both devices: they name the keys that the code brings. Raises CodeWrong."""
    return _shown(b"relayd/new-device/1" + pack(*read_new(code).fields()))


def _linked_digits(new: NewDevice, said: _Membership) -> str:
    """Return the 20 digits to compare of an answer: the account, where its relay is and by which keys, the device."""
    account = identity.account_id(ed25519_public(said.identity_seed))
    return _shown(b"relayd/linked/1" + pack(
        account, said.root, said.relay_key, *new.fields(), said.device, said.address, said.host, said.port, said.key_id,
        said.relay_id,
    ))  # fmt: skip


def _shown(named: bytes) -> str:
    shown = f"{int.from_bytes(blake2b_256(named)) % 10**_DIGITS:0{_DIGITS}}"
    return " ".join(shown[at : at + _GROUP] for at in range(0, _DIGITS, _GROUP))


# --- the new device ---------------------------------------------------------------------------
def begin(home: Path, *, passphrase: str | None, entropy: Entropy) -> str:
    """Make the keys of a new device in a home, and return its code; the same one where that was begun before.

    Raises AlreadyJoined, HomeUnusable, HomeNotPrivate, PassphraseNeeded, WrongPassphrase.
    """
    if (home / FILE_NAME).exists():
        store = Store.open(home, passphrase=passphrase, entropy=entropy)
        with store.step() as step:
            done, begun = membership.joined(step), _own_code(step)
        store.close()
        if done:
            raise AlreadyJoined(str(home))
        if begun is not None:
            return begun
        for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"):
            (home / name).unlink(missing_ok=True)
    store = Store.create(home, passphrase=passphrase, entropy=entropy)
    with store.step() as step:
        for name in ("seal_private", "sign_seed", "dh_private"):
            step.put_secret(name, step.entropy(32))
        step.put("joined", 0)
        code = _own_code(step)
    store.close()
    assert code is not None  # noqa: S101 - its keys were just put
    return code


def _own_code(step: Step) -> str | None:
    if step.setting("seal_private") is None:
        return None
    return _code(_NEW, pack(*_own_keys(step).fields()))


def _own_keys(step: Step) -> NewDevice:
    return NewDevice(
        x25519_public(step.secret("seal_private")), ed25519_public(step.secret("sign_seed")),
        x25519_public(step.secret("dh_private")),
    )  # fmt: skip


def finish(
    home: Path, answer: str, now_ms: int, agree: Callable[[str, str], None], *, passphrase: str | None, entropy: Entropy
) -> None:
    """Take in what the old device answered: the home is then a joined device's.

    Anybody can seal an answer to the keys of a code, with an account and a relay of his own. So ``agree`` gets the
    digits that the old device has to show as well, and the address; it raises where a person does not say that they are
    the same, and nothing is taken in then. Raises NotBegun, AlreadyJoined, CodeWrong, and what opening a home raises.
    """
    store = Store.open(home, passphrase=passphrase, entropy=entropy)
    try:
        with store.step() as step:
            new, said = _opened(step, home, answer)
        agree(_linked_digits(new, said), said.address)
        with store.step() as step:
            _opened(step, home, answer)  # nothing else has finished meanwhile
            _install(step, said, now_ms)
    finally:
        store.close()


def _opened(step: Step, home: Path, answer: str) -> tuple[NewDevice, _Membership]:
    """Return this new device's keys and what an answer says."""
    if membership.joined(step):
        raise AlreadyJoined(str(home))
    if step.setting("seal_private") is None:
        raise NotBegun(str(home))
    try:
        said = unpack(box_open(step.secret("seal_private"), _read(_LINKED, answer)), _Membership)
    except (CryptoFailure, Malformed):
        raise CodeWrong("it is not for this device") from None
    return _own_keys(step), said


def _install(step: Step, said: _Membership, now_ms: int) -> None:
    account = identity.account_id(ed25519_public(said.identity_seed))
    step.put_secret("identity_seed", said.identity_seed)
    for name, value in (
        ("account", account), ("device", said.device), ("address", said.address), ("host", said.host),
        ("port", said.port), ("key_id", said.key_id), ("relay_key", said.relay_key), ("root", said.root),
        ("relay_id", said.relay_id), ("joined", 1),
    ):  # fmt: skip
        step.put(name, value)
    step.run("DELETE FROM setting WHERE name = 'seal_private'")
    contacts.meet(step, account)
    contacts.pin(step, Address(said.address), account)
    prekeys.renew(step, now_ms)


# --- the old device ---------------------------------------------------------------------------
class Linking:
    """What a device does for others of its account; ``Device.linking`` is one."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        """Take the device's store."""
        self._store = store

    def devices(self) -> DeviceList:
        """Return the account's list as far as this device knows it."""
        with self._store.step() as step:
            return _own_list(step)

    def ready(self) -> bool:
        """Say whether the relay has shown the list that this device is in, and has what others begin sessions with."""
        with self._store.step() as step:
            own = contacts.devices(step, step.setting("account"))
            return own is not None and own.entry(step.setting("device")) is not None and prekeys.are_deposited(step)

    def grow(self, code: str, now_ms: int) -> PutDevices | None:
        """Return the list with the new device in it, signed, to be put; None where this device has put it there.

        Where another version is still without an answer, that one is returned first. Raises CodeWrong, also for keys of
        a device that is in the list and was not let in here by this very code, and DevicesFull.
        """
        new = read_new(code)

        def grown(step: Step, old: DeviceList) -> DeviceList | None:
            if _let_in(step, old, new) is not None:
                return None
            if len(old.devices) >= DEVICES_MAX:
                raise DevicesFull
            number = DeviceId(old.highest_device + 1)
            step.put(_name_of(number), _digest(new))
            entry = DeviceEntry(number, new.sign_key, new.dh_key, now_ms)
            return replace(old, highest_device=number, devices=(*old.devices, entry))

        return self._next(grown, now_ms)

    def shrink(self, device: int, now_ms: int) -> PutDevices | None:
        """Return the list without a device, signed, to be put; None where it is not in the list any more.

        Raises LastDevice for this very device, UnknownDevice for a number that no device ever had.
        """

        def shrunk(_: Step, old: DeviceList) -> DeviceList | None:
            if device > old.highest_device or device < 1:
                raise UnknownDevice(str(device))
            if old.entry(device) is None:
                return None
            return replace(old, devices=tuple(entry for entry in old.devices if entry.device != device))

        with self._store.step() as step:
            if device == step.setting("device"):
                raise LastDevice
        return self._next(shrunk, now_ms)

    def _next(self, changed: Callable[[Step, DeviceList], DeviceList | None], now_ms: int) -> PutDevices | None:
        with self._store.step() as step:
            old = _own_list(step)
            if step.setting("signed_version") == old.version + 1:
                return PutDevices(step.setting("signed_list"), step.setting("signed_list_signature"))
            new = changed(step, old)
            if new is None:
                return None
            previous = identity.list_hash(identity.encode(old))
            listed = identity.encode(replace(new, version=old.version + 1, previous=previous, issued_ms=now_ms))
            signature = identity.sign_list(step.secret("identity_seed"), listed)
            step.put("signed_version", old.version + 1)
            step.put("signed_list", listed)
            step.put("signed_list_signature", signature)
            return PutDevices(listed, signature)

    def answer(self, code: str) -> Answer:
        """Return what the new device lacks, sealed to it. Raises CodeWrong, and UnknownDevice before it is let in.

        The account's key is sealed only to a device that this one let in, by this very code: everybody can name the
        keys of a device in the list, and a key of his own to seal to.
        """
        new = read_new(code)
        with self._store.step() as step:
            entry = _let_in(step, _own_list(step), new)
            if entry is None:
                raise UnknownDevice
            place = membership.endpoint(step)
            fields: tuple[Any, ...] = (
                step.secret("identity_seed"), entry.device, step.setting("address"), place.host, place.port,
                place.key_id, place.key, step.setting("root"), step.setting("relay_id"),
            )  # fmt: skip
        return Answer(_code(_LINKED, box_seal(new.seal_key, pack(*fields))), _linked_digits(new, _Membership(*fields)))


def _own_list(step: Step) -> DeviceList:
    own = contacts.devices(step, step.setting("account"))
    if own is None:
        raise UnknownDevice("this device has not seen its account's list yet: relay listen --drain")
    return own


def _let_in(step: Step, devices: DeviceList, new: NewDevice) -> DeviceEntry | None:
    """Return the entry that this device made of a code, None where nobody has its keys; CodeWrong for another's."""
    for entry in devices.devices:
        same = equal(entry.sign_key, new.sign_key), equal(entry.dh_key, new.dh_key)
        if not any(same):
            continue
        if not all(same) or not equal(step.setting(_name_of(entry.device)) or b"", _digest(new)):
            raise CodeWrong("its keys are a device's that is in the list; one that failed to get its answer is removed"
                            " first, and begun anew")  # fmt: skip
        return entry
    return None


def _name_of(device: int) -> str:
    return f"let_in_{device}"


def _digest(new: NewDevice) -> bytes:
    """Return what is kept of a code that was let in: all of its keys."""
    return blake2b_256(pack(*new.fields()))
