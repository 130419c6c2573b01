"""The contract: what a relay's offline root says about its keys.

A descriptor's bytes enter and its checked fields leave, and the other way round. The rule of this file: a key of a
relay is believed only under the root whose fingerprint an invitation brought (spec 55 §6).
"""

from typing import Annotated, Final

from relayproto.codes import DESCRIPTOR_MAGIC
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import U32, U64, octets, sequence, uint
from relayproto.limits import DESCRIPTOR_BYTES_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256, ed25519_public, equal, sign, verify
from relayproto.value import Packable

_LABEL: Final = b"relayd/relay-key/1"
_HEAD: Final = DESCRIPTOR_MAGIC + b"\x01"
_U32: Final = (1 << 32) - 1
_SIGNATURE_BYTES: Final = 64
_TAIL_BYTES: Final = 32 + _SIGNATURE_BYTES


class KeyDescriptor(Packable, frozen=True):
    """One relay key: the X25519 public key of handshakes, the Ed25519 one of stamps; times in unix ms.

    ``moderators`` are the X25519 public keys of the two who open stamps and reports together, or none: signed here, so
    that a relay that was broken into can't put in its own.
    """

    relay_id: U32
    key_id: Annotated[int, uint(_U32, 1)]
    x25519: Annotated[bytes, octets(32)]
    stamp_key: Annotated[bytes, octets(32)]
    not_before_ms: U64
    not_after_ms: U64
    issued_ms: U64
    moderators: Annotated[tuple[Annotated[bytes, octets(32)], ...], sequence(2)] = ()

    def good_at(self, now_ms: int) -> bool:
        """Say whether the key may be used at that time; both ends are part of it."""
        return self.not_before_ms <= now_ms <= self.not_after_ms


def fingerprint(root_public: bytes) -> bytes:
    """Return the 32 bytes by which an invitation names the root."""
    return blake2b_256(root_public)


def root_fingerprint(described: bytes) -> bytes:
    """Return the fingerprint of the root that a descriptor names; whether it signed it is for ``read`` to check."""
    return fingerprint(root_key(described))


def root_key(described: bytes) -> bytes:
    """Return the public key of the root that a descriptor names; whether it signed it is for ``read`` to check."""
    return described[-_TAIL_BYTES:-_SIGNATURE_BYTES]


def make(root_seed: bytes, descriptor: KeyDescriptor) -> bytes:
    """Return the descriptor's bytes, signed by the offline root."""
    signed = _HEAD + pack(*descriptor.fields()) + ed25519_public(root_seed)
    return signed + sign(root_seed, _LABEL + signed)


def read(described: bytes, root_fingerprint: bytes) -> KeyDescriptor:
    """Return what the bytes say.

    Raises Malformed for bytes that are no canonical descriptor, CryptoFailure where another root or nobody signed.
    """
    if len(described) > DESCRIPTOR_BYTES_MAX or not described.startswith(_HEAD):
        raise Malformed("not a key descriptor of a known version")
    packed, root_public = described[len(_HEAD) : -_TAIL_BYTES], described[-_TAIL_BYTES:-_SIGNATURE_BYTES]
    descriptor = unpack(packed, KeyDescriptor)
    if descriptor.moderators and len(set(descriptor.moderators)) != 2:  # noqa: PLR2004 - both of them (spec 65 §6)
        raise Malformed("not two different moderators or none")
    if pack(*descriptor.fields()) != packed:
        raise Malformed("a key descriptor in a form that is not canonical")
    if not equal(fingerprint(root_public), root_fingerprint):
        raise CryptoFailure
    verify(root_public, _LABEL + described[:-_SIGNATURE_BYTES], described[-_SIGNATURE_BYTES:])
    return descriptor
