"""The contract: what one record of the audit log says, and how records are chained (spec 80).

A record enters and bytes leave, and the other way round; a log enters and its head leaves, or where it is broken. The
rules of this file: a record names people, units and digests, never content; its bytes are canonical, so that its digest
is one; each hash covers the one before, and does not need the records that somebody may not see.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final

from relayproto.codes import Code, Kind
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import U64, octets_up_to, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import AUDIT_RECORD_BYTES_MAX, REASON_CHARS_MAX, TIME_MS_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256, equal, sign, verify
from relayproto.standing import PLATFORM, ActState, Role
from relayproto.value import Packable

_VERSION: Final = b"\x01"
_LABEL: Final = b"relayd/audit/1"
_CHECKPOINT_LABEL: Final = b"relayd/checkpoint/1"
_U32: Final = (1 << 32) - 1
_DIGEST_BYTES: Final = 32
HIDDEN: Final = b"\x00"
"""What a row begins with that has digests only, of records that are another organisation's."""
HIDDEN_MAX: Final = (AUDIT_RECORD_BYTES_MAX - 1) // _DIGEST_BYTES
"""Digests in one such row."""
FIRST_HASH: Final = bytes(32)
"""What stands for the hash before the first record."""
NOBODY: Final = AccountId(b"")
"""Who acts where it is the relay itself or its local operator."""


_Account = Annotated[AccountId, octets_up_to(32)]
_Digest = Annotated[bytes, octets_up_to(32)]
_unit: Final = uint(_U32)
_Role = Annotated[int, uint(max(Role))]


class Record(Packable, frozen=True):
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

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    at_ms: Annotated[int, uint(TIME_MS_MAX)]
    unit: Annotated[UnitId, _unit]
    kind: Kind
    account: _Account = NOBODY
    device: Annotated[int, _unit] = 0
    role: _Role = 0
    over: Annotated[UnitId, _unit] = PLATFORM
    first: _Account = NOBODY
    object: Annotated[UnitId, _unit] = PLATFORM
    into: Annotated[UnitId, _unit] = PLATFORM
    whom: _Account = NOBODY
    other: _Account = NOBODY
    detail: _Role = 0
    code: Annotated[int, uint(999)] = Code.STORED
    state: Annotated[int, uint(max(ActState))] = 0
    value: U64 = 0
    act: _Digest = b""
    before: _Digest = b""
    after: _Digest = b""
    reason: Annotated[str, text(REASON_CHARS_MAX)] = ""


def encode(said: Record) -> bytes:
    """Return the canonical bytes of a record."""
    return _VERSION + pack(*said.fields())


def decode(octets: bytes) -> Record:
    """Return the record that the bytes say, or raise Malformed for bytes that are no canonical record."""
    if len(octets) > AUDIT_RECORD_BYTES_MAX or octets[:1] != _VERSION:
        raise Malformed("not an audit record of a known version")
    said = unpack(octets[1:], Record)
    if encode(said) != octets:
        raise Malformed("an audit record in a form that is not canonical")
    return said


def digest(octets: bytes) -> bytes:
    """Return the 32 bytes that the chain has of a record."""
    return blake2b_256(_LABEL + octets)


def following(previous: bytes, digested: bytes) -> bytes:
    """Return the hash after a record, from the hash before it and the record's digest; 32 bytes each."""
    return blake2b_256(previous + digested)


class BrokenChain(CryptoFailure):
    """The log is not what the relay wrote; ``number`` is the first record of which that is known."""

    def __init__(self, number: int, reason: str) -> None:
        """Keep where, and what is wrong there."""
        super().__init__(f"record {number}: {reason}")
        self.number = number
        self.reason = reason


class Chain:
    """Follows a log from its first row, or from a checkpoint that is believed, to its end.

    ``expected`` has the heads of checkpoints that were checked, by number of records.
    """

    __slots__ = ("_expected", "head", "records")

    def __init__(self, expected: Mapping[int, bytes], records: int = 0, head: bytes = FIRST_HASH) -> None:
        self._expected = expected
        self.records = records
        self.head = head

    def take(self, number: int, said: bytes) -> Record | None:
        """Take the next row; return its record, None where it hides some. Raises BrokenChain."""
        if number != self.records + 1:
            raise BrokenChain(self.records + 1, f"missing or out of order: the next one here is {number}")
        if said[:1] != HIDDEN:
            try:
                shown = decode(said)
            except Malformed as error:
                raise BrokenChain(number, str(error)) from None
            self._add(digest(said))
            return shown
        if len(said) % _DIGEST_BYTES != 1 or len(said) == 1:
            raise BrokenChain(number, "not digests of hidden records")
        for at in range(1, len(said), _DIGEST_BYTES):
            self._add(said[at : at + _DIGEST_BYTES])
        return None

    def _add(self, digested: bytes) -> None:
        self.records += 1
        self.head = following(self.head, digested)
        expected = self._expected.get(self.records, self.head)
        if not equal(expected, self.head):
            raise BrokenChain(
                self.records, "the relay's checkpoint says otherwise: this record or one before was changed"
            )

    def end(self) -> None:
        """Return if the log goes at least as far as every checkpoint; raises BrokenChain where it was cut short."""
        furthest = max(self._expected, default=0)
        if furthest > self.records:
            raise BrokenChain(self.records + 1, f"missing: the relay had signed for {furthest} records")


def count(said: bytes) -> int:
    """Return how many records a row stands for: one, or as many as it has digests."""
    return len(said) // _DIGEST_BYTES if said[:1] == HIDDEN else 1


def hidden(digests: Iterable[bytes]) -> bytes:
    """Return the row that stands for records which may not be seen, at most HIDDEN_MAX."""
    return HIDDEN + b"".join(digests)


def _signed(relay: bytes, records: int, head: bytes, at_ms: int) -> bytes:
    return b"".join((_CHECKPOINT_LABEL, relay, records.to_bytes(8), head, at_ms.to_bytes(8)))


def sign_checkpoint(stamp_seed: bytes, relay: bytes, records: int, head: bytes, at_ms: int) -> bytes:
    """Return the relay's signature, by its stamp key, over how far its log has come.

    ``relay`` is the fingerprint of its offline root.
    """
    return sign(stamp_seed, _signed(relay, records, head, at_ms))


def check_checkpoint(stamp_key: bytes, relay: bytes, records: int, head: bytes, at_ms: int, signature: bytes) -> None:
    """Raise CryptoFailure where the signature is not that stamp key's over this."""
    verify(stamp_key, _signed(relay, records, head, at_ms), signature)
