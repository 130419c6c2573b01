"""The contract, between devices: XPQ1, the one message that begins a session with a device that may be asleep.

A bundle of prekeys enters and a message leaves; the message enters and the sender's claim leaves, and both sides have
one root key (spec 60 §2). The rule of this file: who the two are, which lists they know and which prekeys were used
are all part of what is hashed, so that nobody in between can tell the two of them different things.
"""

import struct
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from relayproto.codes import Suite
from relayproto.e2e.prekeys import check_bundle
from relayproto.errors import CryptoFailure
from relayproto.identity import DeviceEntry, DeviceList, SplitView, encode, list_hash
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import KEM_CIPHERTEXT_BYTES, TAG_BYTES
from relayproto.noise.suites import NOISE_SHA256
from relayproto.noise.symmetricstate import SymmetricState
from relayproto.primitives import KEY_BYTES, ML_KEM_768, Entropy, Kem, equal, x25519, x25519_public
from relayproto.replies import Bundle
from relayproto.value import Value

NAME: Final = b"Noise_XPQ1_25519+MLKEM768_ChaChaPoly_SHA256(relayd)"
NAME_ONE_TIME: Final = b"Noise_XPQ1o_25519+MLKEM768_ChaChaPoly_SHA256(relayd)"
_LABEL: Final = b"relayd/e2e/1"
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BIIII")
_PAYLOAD: Final = struct.Struct(">32sII32sI")
_KEM_AT: Final = _HEAD.size + KEY_BYTES
_STATIC_AT: Final = _KEM_AT + KEM_CIPHERTEXT_BYTES + TAG_BYTES
_PAYLOAD_AT: Final = _STATIC_AT + KEY_BYTES + TAG_BYTES
MESSAGE_BYTES: Final = _PAYLOAD_AT + _PAYLOAD.size + TAG_BYTES


class NewerList(CryptoFailure):
    """The sender names a newer version of its device list than we know: fetch it and try again."""


class Own(Value, frozen=True):
    """This device, as it takes part in a session: its X25519 private key and the newest list that names it."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"dh_private"})
    account: AccountId
    device: DeviceId
    list_version: int
    list_hash: bytes
    dh_private: bytes


class Recipient(NamedTuple):
    """The device to begin with: its entry in its account's list, that list's version and hash, and its prekeys."""

    account: AccountId
    entry: DeviceEntry
    list_version: int
    list_hash: bytes
    bundle: Bundle


class Head(NamedTuple):
    """What of a first message is in clear: which prekeys it is for (0: no one-time one), and our list's version."""

    signed: int
    one_time: int
    kem: int
    list_version: int


class Secrets(Value, frozen=True):
    """The secrets of the prekeys that a first message names; ``one_time`` is None where there is none any more."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"signed", "one_time", "kem"})
    signed: bytes
    one_time: bytes | None
    kem: bytes


class Claim(NamedTuple):
    """Who the sender says it is, under the key that the handshake proved; believed only after ``vouch``."""

    account: AccountId
    device: DeviceId
    list_version: int
    list_hash: bytes
    order: int
    dh_key: bytes


class Agreed(Value, frozen=True):
    """What both sides have afterwards: the ratchet's root key, the key of what passes by, the hash of all said."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"root", "passing"})
    root: bytes
    passing: bytes
    hash: bytes


def _begun(
    head: Head, account: bytes, device: int, hash_of_list: bytes, publics: tuple[bytes, bytes]
) -> SymmetricState:
    signed, static = publics
    state = SymmetricState(NAME_ONE_TIME if head.one_time else NAME, NOISE_SHA256)
    suite = bytes((Suite.HYBRID,))
    state.mix_hash(
        b"".join(
            (_LABEL, suite, _HEAD.pack(_VERSION, *head), account, device.to_bytes(4), hash_of_list),
        )
    )
    state.mix_hash(signed)
    state.mix_hash(static)
    return state


def initiate(
    own: Own, recipient: Recipient, *, order: int, entropy: Entropy, kem: Kem = ML_KEM_768
) -> tuple[bytes, Agreed]:
    """Return the first message to a device and what was agreed.

    ``order`` says which of two sessions is the newer one (spec 60 §4). Raises CryptoFailure where the bundle is not the
    device's or has a key that is no key.
    """
    bundle = recipient.bundle
    if bundle.device != recipient.entry.device:
        raise CryptoFailure
    check_bundle(bundle, account=recipient.account, sign_key=recipient.entry.sign_key)
    one_time = bundle.one_time
    head = Head(bundle.signed.id, one_time.id if one_time else 0, bundle.kem.id, recipient.list_version)
    publics = (bundle.signed.key, recipient.entry.dh_key)
    state = _begun(head, recipient.account, recipient.entry.device, recipient.list_hash, publics)
    if one_time:
        state.mix_hash(one_time.key)
    state.mix_hash(bundle.kem.key)
    private = entropy(KEY_BYTES)
    public = x25519_public(private)
    state.mix_hash(public)
    state.mix_key(x25519(private, bundle.signed.key))
    state.mix_key(x25519(private, recipient.entry.dh_key))
    if one_time:
        state.mix_key(x25519(private, one_time.key))
    ciphertext, secret = kem.encapsulate(bundle.kem.key)
    sealed_ciphertext = state.encrypt_and_hash(ciphertext)
    state.mix_key(secret)
    sealed_static = state.encrypt_and_hash(x25519_public(own.dh_private))
    state.mix_key(x25519(own.dh_private, bundle.signed.key))
    payload = state.encrypt_and_hash(
        _PAYLOAD.pack(own.account, own.device, own.list_version, own.list_hash, order)
    )  # fmt: skip
    message = b"".join((_HEAD.pack(_VERSION, *head), public, sealed_ciphertext, sealed_static, payload))
    return message, Agreed(*state.split_keys(), state.handshake_hash)


def head_of(message: bytes) -> Head:
    """Return which prekeys a first message is for, so that their secrets can be looked up; CryptoFailure if none is."""
    if len(message) != MESSAGE_BYTES or message[0] != _VERSION:
        raise CryptoFailure
    return Head(*_HEAD.unpack_from(message)[1:])


def respond(
    own: Own, message: bytes, secrets: Secrets, *, list_hashes: Mapping[int, bytes], kem: Kem = ML_KEM_768
) -> tuple[Claim, Agreed]:
    """Return who sent a first message and what was agreed, or raise CryptoFailure.

    ``list_hashes`` are our own account's by version, 37 days back: the sender may have known an older one.
    """
    head = head_of(message)
    hash_of_list = list_hashes.get(head.list_version)
    if hash_of_list is None or bool(head.one_time) != (secrets.one_time is not None):
        raise CryptoFailure
    publics = (x25519_public(secrets.signed), x25519_public(own.dh_private))
    state = _begun(head, own.account, own.device, hash_of_list, publics)
    if secrets.one_time is not None:
        state.mix_hash(x25519_public(secrets.one_time))
    kem_private = kem.private(secrets.kem)
    state.mix_hash(kem_private.public)
    public = message[_HEAD.size : _KEM_AT]
    state.mix_hash(public)
    state.mix_key(x25519(secrets.signed, public))
    state.mix_key(x25519(own.dh_private, public))
    if secrets.one_time is not None:
        state.mix_key(x25519(secrets.one_time, public))
    ciphertext = state.decrypt_and_hash(message[_KEM_AT:_STATIC_AT])
    state.mix_key(kem_private.decapsulate(ciphertext))
    static = state.decrypt_and_hash(message[_STATIC_AT:_PAYLOAD_AT])
    state.mix_key(x25519(secrets.signed, static))
    account, device, version, sender_hash, order = _PAYLOAD.unpack(state.decrypt_and_hash(message[_PAYLOAD_AT:]))
    claim = Claim(AccountId(account), DeviceId(device), version, sender_hash, order, static)
    return claim, Agreed(*state.split_keys(), state.handshake_hash)


def vouch(claim: Claim, newest: DeviceList, list_hashes: Mapping[int, bytes]) -> None:
    """Return if the newest list that we know of the claimed account has the claimed device with the proven key.

    ``list_hashes`` are hashes of that account's lists that we saw before, by version. Raises NewerList where the sender
    knows a newer one, SplitView where it knows another one of the same version, CryptoFailure where the device is not
    in the list (never was, or was removed).
    """
    if claim.account != newest.account:
        raise CryptoFailure
    if claim.list_version > newest.version:
        raise NewerList
    ours = list_hash(encode(newest)) if claim.list_version == newest.version else list_hashes.get(claim.list_version)
    if ours is not None and not equal(ours, claim.list_hash):
        raise SplitView
    entry = newest.entry(claim.device)
    if entry is None or not equal(entry.dh_key, claim.dh_key):
        raise CryptoFailure
