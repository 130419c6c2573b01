"""The contract: what the relay says unasked, and what either side may say at any time (spec 40, 50)."""

from typing import Annotated, ClassVar

from relayproto.codes import Class, GapReason, Kind, Lane, Result
from relayproto.fields import U32, U64, octets, octets_up_to, sequence, uint
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import (
    BODY_BYTES_MAX,
    COMMITMENT_BYTES,
    PASS_BYTES,
    SERIAL_BYTES,
    SERIALS_TOGETHER_MAX,
    STAMP_BYTES_MAX,
    TARGETS_MAX,
    WRAP_BYTES_MAX,
)
from relayproto.message import Message, table

_U32 = (1 << 32) - 1


class Deliver(Message, frozen=True):
    """One envelope (spec 50 §3). It was committed before it is said, and is not said at or after ``expires_ms``.

    ``pass_`` lets the recipient answer whom it may not write to first, and is empty where it needs none (spec 70 §6).
    """

    KIND: ClassVar[Kind] = Kind.DELIVER
    lane: Lane
    sequence: U64
    sender: Annotated[AccountId, octets(32)]
    sender_device: Annotated[DeviceId, uint(_U32, 1)]
    class_: Class
    expires_ms: U64
    commitment: Annotated[bytes, octets(COMMITMENT_BYTES)]
    stamp: Annotated[bytes, octets_up_to(STAMP_BYTES_MAX)]
    wrap: Annotated[bytes, octets_up_to(WRAP_BYTES_MAX)]
    body: Annotated[bytes, octets_up_to(BODY_BYTES_MAX, 1)]
    pass_: Annotated[bytes, octets_up_to(PASS_BYTES)] = b""

    def cost(self) -> int:
        """Return the bytes of credit that the envelope takes: its body and its wrap (spec 50 §3)."""
        return len(self.body) + len(self.wrap)


class Gap(Message, frozen=True):
    """Why the numbers ``first`` to ``last`` of a lane will not be delivered. Costs no credit."""

    KIND: ClassVar[Kind] = Kind.GAP
    lane: Lane
    first: U64
    last: U64
    reason: GapReason


class Drained(Message, frozen=True):
    """Everything that was queued when the device connected has been sent (not: acknowledged)."""

    KIND: ClassVar[Kind] = Kind.DRAINED


class Outcome(Message, frozen=True):
    """What became of one target of a submission (spec 50 §6).

    It has a number of the outcome lane and is acknowledged like an envelope.
    """

    KIND: ClassVar[Kind] = Kind.OUTCOME
    sequence: U64
    submission: U64
    position: Annotated[int, uint(TARGETS_MAX - 1)]
    result: Result


class PrekeysLow(Message, frozen=True):
    """Few one-time prekeys are left: deposit more (spec 60 §1)."""

    KIND: ClassVar[Kind] = Kind.PREKEYS_LOW
    one_time: U32
    kem: U32


class RolledBack(Message, frozen=True):
    """The device's floor of a lane is below what it once acknowledged: its store is an old copy (spec 50 §3)."""

    KIND: ClassVar[Kind] = Kind.ROLLED_BACK
    lane: Lane
    floor: U64


class NewEpoch(Message, frozen=True):
    """An acknowledgement named another epoch and was ignored; this is the mailbox's."""

    KIND: ClassVar[Kind] = Kind.NEW_EPOCH
    epoch: U64


class Passing(Message, frozen=True):
    """An EPHEMERAL, as it comes by (spec 50 §9). It has no number, costs no credit and is not acknowledged."""

    KIND: ClassVar[Kind] = Kind.PASSING
    sender: Annotated[AccountId, octets(32)]
    sender_device: Annotated[DeviceId, uint(_U32, 1)]
    wrap: Annotated[bytes, octets_up_to(WRAP_BYTES_MAX)]


class Overflow(Message, frozen=True):
    """So many envelopes were refused for want of room since the device last acknowledged (spec 50 §5)."""

    KIND: ClassVar[Kind] = Kind.OVERFLOW
    refused: Annotated[int, uint(_U32, 1)]


class Writable(Message, frozen=True):
    """An account whose mailbox was full takes envelopes again (spec 50 §5)."""

    KIND: ClassVar[Kind] = Kind.WRITABLE
    account: Annotated[AccountId, octets(32)]


class Revoked(Message, frozen=True):
    """Warrants or attestations were taken back, ``newest`` being the last one's number (spec 85 §5).

    Without ``serials`` they were too many for one notice: ask with GET_REVOCATIONS.
    """

    KIND: ClassVar[Kind] = Kind.REVOKED
    newest: U64
    serials: Annotated[tuple[Annotated[bytes, octets(SERIAL_BYTES)], ...], sequence(SERIALS_TOGETHER_MAX)]


class Ping(Message, frozen=True):
    """Are you there? Either side; the answer is PONG with the same request number."""

    KIND: ClassVar[Kind] = Kind.PING


class Pong(Message, frozen=True):
    """I am."""

    KIND: ClassVar[Kind] = Kind.PONG


class Rekey(Message, frozen=True):
    """Last in its record: the sender's next record is under the next key (spec 10 §4)."""

    KIND: ClassVar[Kind] = Kind.REKEY


class Goaway(Message, frozen=True):
    """The last frame of a side: why it ends, and whether to come back, not before ``after_ms`` (spec 20 §7).

    ``code`` is read as a plain integer, so that a newer one still ends the connection in order.
    """

    KIND: ClassVar[Kind] = Kind.GOAWAY
    code: Annotated[int, uint(999)]
    reconnect: bool
    after_ms: U32


Notice = (
    Deliver | Gap | Drained | Outcome | PrekeysLow | RolledBack | NewEpoch | Passing | Overflow | Writable | Revoked
)
Either = Ping | Pong | Rekey | Goaway

NOTICES = table(Deliver, Gap, Drained, Outcome, PrekeysLow, RolledBack, NewEpoch, Passing, Overflow, Writable, Revoked)
EITHER = table(Ping, Pong, Rekey, Goaway)
