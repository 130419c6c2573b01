"""The contract: what one record of the audit log says, and how records are chained (spec 80 §1).

A record enters and bytes leave, and the other way round. The rules of this file: a record names people, units and
digests, never content; its bytes are canonical, so that its hash is one; each hash covers the one before.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from relayproto.codes import Code, Kind
from relayproto.errors import Malformed
from relayproto.fields import Reader, octets_up_to, one_of, record, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import AUDIT_RECORD_BYTES_MAX, REASON_CHARS_MAX, TIME_MS_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256
from relayproto.standing import PLATFORM, ActState, Role

_VERSION: Final = b"\x01"
_LABEL: Final = b"relayd/audit/1"
_U32: Final = (1 << 32) - 1
FIRST_HASH: Final = bytes(32)
"""What stands for the hash before the first record."""
NOBODY: Final = AccountId(b"")
"""Who acts where it is the relay itself or its local operator."""


@dataclass(frozen=True, slots=True)
class Record:
    """Who did or wanted what, when, why, and what came of it.

    ``unit`` is the one whose auditors see it; ``account`` with ``device`` is who acted, in ``role`` (0: none) held
    over ``over``; ``first`` is whose proposal it was, empty where no second person acted. ``kind`` is the change or
    question about the unit ``object``, ``into`` the other unit of a move or merger, ``whom`` the account that it names,
    ``other`` who gets what is handed over, or the office; ``detail`` is the role or standing that is given or taken, or
    1 where something begins (suspended, answers) and 0 where it ends.
    ``code`` is 0 for what was done, ``state`` how (0 where it was not, or a question); ``value`` is the number of what
    was made, or of denials that are not in the log. ``act`` is the act's digest; ``before`` and ``after`` are digests
    of what was changed.
    """

    at_ms: int
    unit: UnitId
    kind: Kind
    account: AccountId = NOBODY
    device: int = 0
    role: int = 0
    over: UnitId = PLATFORM
    first: AccountId = NOBODY
    object: UnitId = PLATFORM
    into: UnitId = PLATFORM
    whom: AccountId = NOBODY
    other: AccountId = NOBODY
    detail: int = 0
    code: int = Code.STORED
    state: int = 0
    value: int = 0
    act: bytes = b""
    before: bytes = b""
    after: bytes = b""
    reason: str = field(default="", repr=False)


_account = octets_up_to(32)
_digest = octets_up_to(32)
_unit = uint(_U32)
_role = uint(max(Role))
_record: Reader[Record] = record(
    Record, uint(TIME_MS_MAX), _unit, one_of(Kind), _account, _unit, _role, _unit, _account, _unit, _unit, _account,
    _account, _role, uint(999), uint(max(ActState)), uint(), _digest, _digest, _digest, text(REASON_CHARS_MAX),
)  # fmt: skip


def encode(said: Record) -> bytes:
    """Return the canonical bytes of a record."""
    fields: list[Any] = [getattr(said, name) for name in Record.__match_args__]
    return _VERSION + pack(*fields)


def decode(octets: bytes) -> Record:
    """Return the record that the bytes say, or raise Malformed for bytes that are no canonical record."""
    if len(octets) > AUDIT_RECORD_BYTES_MAX or octets[:1] != _VERSION:
        raise Malformed("not an audit record of a known version")
    said = _record(unpack(octets[1:]))
    if encode(said) != octets:
        raise Malformed("an audit record in a form that is not canonical")
    return said


def following(previous: bytes, octets: bytes) -> bytes:
    """Return the 32-byte hash of a record that stands after the one whose hash is ``previous``."""
    return blake2b_256(_LABEL + previous + octets)
