"""The contract: acts - a change of an organisation, signed by the device that asks for it (spec 70 §2).

A change enters and signed bytes leave, and the other way round. The rules of this file: an act is believed in its one
canonical form, for one relay, by one device's signature; it names its number, its time and its end, so that none
counts twice or late.
"""

from typing import Annotated, Final, cast

import msgspec

from relayproto.administration import CHANGES, Approve, Change, CreateOrganisation
from relayproto.attestation import check_stated
from relayproto.errors import Malformed
from relayproto.fields import octets, text, uint
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import ACT_BYTES_MAX, ACT_LIFETIME_MS_MAX, REASON_CHARS_MAX, TIME_MS_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256, sign, verify
from relayproto.value import Packable, Value
from relayproto.verification import Attest

_VERSION: Final = b"\x01"
_LABEL: Final = b"relayd/act/1"
_U32: Final = (1 << 32) - 1


class Instruction(Value, frozen=True):
    """What an act says: who does what, when, and why.

    ``relay`` is the fingerprint of the relay's offline root, so that an act counts at one relay only; ``number`` grows
    with every act of the account; times are unix ms. A ``rehearsal`` is checked like any other and changes nothing.
    """

    relay: bytes
    account: AccountId
    device: DeviceId
    number: int
    issued_ms: int
    expires_ms: int
    reason: str
    rehearsal: bool
    change: Change


class _Packed(Packable, frozen=True):
    """An act as it is packed: the kind of its change, and that one's fields."""

    relay: Annotated[bytes, octets(32)]
    account: Annotated[AccountId, octets(32)]
    device: Annotated[DeviceId, uint(_U32, 1)]
    number: Annotated[int, uint(minimum=1)]
    issued_ms: Annotated[int, uint(TIME_MS_MAX)]
    expires_ms: Annotated[int, uint(TIME_MS_MAX)]
    reason: Annotated[str, text(REASON_CHARS_MAX)]
    rehearsal: bool
    kind: Annotated[int, uint(127)]
    change: msgspec.Raw


def _instruction(packed: _Packed) -> Instruction:
    change = CHANGES.get(packed.kind)
    if change is None:
        raise Malformed("an act of a kind that nobody knows")
    what = cast("Change", unpack(packed.change, change))
    if isinstance(what, Attest):
        check_stated(what.statements)
    return Instruction(
        packed.relay, packed.account, packed.device, packed.number, packed.issued_ms, packed.expires_ms,
        packed.reason, packed.rehearsal, what,
    )  # fmt: skip


def encode(act: Instruction) -> bytes:
    """Return the canonical bytes of an act."""
    return _VERSION + pack(
        act.relay, act.account, act.device, act.number, act.issued_ms, act.expires_ms, act.reason, act.rehearsal,
        act.change.KIND, act.change.fields(),
    )  # fmt: skip


def signature_of(sign_seed: bytes, octets: bytes) -> bytes:
    """Return the signature of a device's Ed25519 key over the bytes of an act."""
    return sign(sign_seed, _LABEL + octets)


def decode(octets: bytes) -> Instruction:
    """Return the act that the bytes say, its times checked against each other; whose it is remains to be checked.

    Raises Malformed for bytes that are no canonical act.
    """
    if len(octets) > ACT_BYTES_MAX or octets[:1] != _VERSION:
        raise Malformed("not an act of a known version")
    act = _instruction(unpack(octets[1:], _Packed))
    if not 0 < act.expires_ms - act.issued_ms <= ACT_LIFETIME_MS_MAX:
        raise Malformed("an act that ends before it begins, or much later")
    if encode(act) != octets:
        raise Malformed("an act in a form that is not canonical")
    return act


def check(octets: bytes, signature: bytes, sign_key: bytes) -> None:
    """Raise CryptoFailure where the signature is not that device's over these bytes."""
    verify(sign_key, _LABEL + octets, signature)


def digest(octets: bytes) -> bytes:
    """Return the 32 bytes by which a proposal, its approval and the audit log name an act."""
    return blake2b_256(octets)


def may_prove(octets: bytes) -> bool:
    """Say whether the bytes may be an act for which a mail domain has to be looked up first (spec 70 §7)."""
    try:
        return isinstance(decode(octets).change, CreateOrganisation | Approve)
    except Malformed:
        return False
