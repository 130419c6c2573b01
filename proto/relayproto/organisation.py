"""The contract: an organisation's public record - what its badges are checked against (spec 85 §1).

What a relay says of an organisation enters and bytes leave, and the other way round; a record that is known and a
newer one enter, and which of them stands leaves. The rules of this file: the chain of root keys is what makes a record
believed, since each key has named the next; the relay's own signature says who is to be held to it.
"""

from typing import Annotated, Final

from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import octets, octets_up_to, sequence, text, uint
from relayproto.ids import UnitId
from relayproto.limits import (
    DOMAIN_CHARS_MAX,
    ORGANISATION_BYTES_MAX,
    ORGANISATION_DOMAINS_MAX,
    ROOT_KEYS_MAX,
    TIME_MS_MAX,
    UNIT_NAME_CHARS_MAX,
)
from relayproto.packed import pack, unpack
from relayproto.primitives import sign, verify
from relayproto.rootkeys import check_successor
from relayproto.value import Packable

_VERSION: Final = b"\x01"
_LABEL: Final = b"relayd/organisation/1"
_U32: Final = (1 << 32) - 1


_Time = Annotated[int, uint(TIME_MS_MAX)]


class RootKey(Packable, frozen=True):
    """A root key and when it began to count, unix ms; both signatures are empty for the organisation's first one."""

    root_key: Annotated[bytes, octets(32)]
    by_old: Annotated[bytes, octets_up_to(64)]
    by_new: Annotated[bytes, octets_up_to(64)]
    since_ms: _Time


class PublicRecord(Packable, frozen=True):
    """What anybody may know of an organisation; ``keys`` are its newest root keys, the present one last."""

    unit: Annotated[UnitId, uint(_U32, 1)]
    name: Annotated[str, text(UNIT_NAME_CHARS_MAX)]
    domains: Annotated[tuple[Annotated[str, text(DOMAIN_CHARS_MAX)], ...], sequence(ORGANISATION_DOMAINS_MAX, 1)]
    keys: Annotated[tuple[RootKey, ...], sequence(ROOT_KEYS_MAX, 1)]
    issued_ms: _Time


def encode(said: PublicRecord) -> bytes:
    """Return the canonical bytes of a record."""
    return _VERSION + pack(*said.fields())


def decode(octets: bytes, relay: bytes) -> PublicRecord:
    """Return the record that the bytes say, each of its keys named by the one before; Malformed for what is none.

    ``relay`` is the fingerprint of the relay's root, for which keys name each other.
    """
    if len(octets) > ORGANISATION_BYTES_MAX or octets[:1] != _VERSION:
        raise Malformed("not a record of a known version")
    said = unpack(octets[1:], PublicRecord)
    if encode(said) != octets:
        raise Malformed("a record in a form that is not canonical")
    try:
        for old, new in zip(said.keys, said.keys[1:], strict=False):
            check_successor(old.root_key, relay, said.unit, new.root_key, new.by_old)
            check_successor(new.root_key, relay, said.unit, new.root_key, new.by_new)
    except CryptoFailure:
        raise Malformed("a root key that the one before has not named") from None
    return said


def sign_record(stamp_seed: bytes, octets: bytes) -> bytes:
    """Return the relay's signature over a record, by its stamp key."""
    return sign(stamp_seed, _LABEL + octets)


def check_record(stamp_key: bytes, octets: bytes, signature: bytes) -> None:
    """Raise CryptoFailure where the stamp key has not signed this record."""
    verify(stamp_key, _LABEL + octets, signature)


def follows(held: PublicRecord, newer: PublicRecord) -> bool:
    """Say whether a record may stand in the place of one that is held: it is later, and leads on from its key."""
    present = held.keys[-1].root_key
    return (
        newer.unit == held.unit
        and newer.issued_ms >= held.issued_ms
        and present in {key.root_key for key in newer.keys}
    )
