"""The contract: what the relay answers to a command (spec 40). Each carries the request number of its command."""

from typing import Any, ClassVar, NamedTuple

from relayproto.administration_replies import ADMINISTRATION_REPLIES, AdministrationReply
from relayproto.codes import Kind
from relayproto.commands import SignedPrekey, prekey
from relayproto.fields import Reader, octets, octets_up_to, one_of, optional, record, sequence, text, uint
from relayproto.ids import AccountId, DeviceId, UnitId
from relayproto.limits import (
    ABOUT_CHARS_MAX,
    ADDRESS_CHARS_MAX,
    DESCRIPTOR_BYTES_MAX,
    DEVICE_LIST_BYTES_MAX,
    DEVICES_MAX,
    PROOF_BYTES_MAX,
    RELAY_KEYS_MAX,
    TARGETS_MAX,
    TICKET_BYTES,
    TIME_MS_MAX,
)
from relayproto.message import Message, table
from relayproto.operating import LOCAL_REPLIES, Checked, Connections, Mailboxes
from relayproto.standing import PLATFORM, Standing

_U32 = (1 << 32) - 1
_u64 = uint()
_code = uint(999)
"""Codes are read as plain integers: an unknown one still has its range's meaning (``codes.range_of``)."""
_device = uint(_U32, 1)
_devices = sequence(_device, DEVICES_MAX)
_account: Reader[bytes] = octets(32)


class LaneState(NamedTuple):
    """A lane as the relay sees it: acknowledged up to ``floor``, the next number is ``next``."""

    floor: int
    next: int


class Mismatch(NamedTuple):
    """How the devices of one target differ from its list: named there but not addressed, never there, removed."""

    position: int
    list_version: int
    missing: tuple[DeviceId, ...]
    extra: tuple[DeviceId, ...]
    stale: tuple[DeviceId, ...]


class Bundle(NamedTuple):
    """The prekeys of one device for one first message; ``one_time`` is nil where none is left."""

    device: DeviceId
    signed: SignedPrekey
    one_time: SignedPrekey | None
    kem: SignedPrekey


_lane_state: Reader[LaneState] = record(LaneState, _u64, _u64)
_mismatch: Reader[Mismatch] = record(Mismatch, uint(TARGETS_MAX - 1), uint(_U32), _devices, _devices, _devices)
_bundle: Reader[Bundle] = record(Bundle, _device, prekey, optional(prekey), prekey)


class Welcome(Message, frozen=True):
    """The first record back to a device (spec 20 §6): the relay's time and what it knows of the device.

    ``lanes`` are the normal, urgent and outcome lanes after HELLO's floors were applied. ``standing`` and ``unit`` are
    what the account is and where it belongs, 0 for nowhere; ``act`` is the number of the account's last act.
    """

    KIND: ClassVar[Kind] = Kind.WELCOME
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        uint(255), _u64, uint(TIME_MS_MAX), _u64, sequence(_lane_state, 3, 3), _u64, _u64, uint(_U32),
        uint(_U32), uint(_U32), one_of(Standing), uint(_U32), _u64,
    )  # fmt: skip
    version: int
    features: int
    now_ms: int
    epoch: int
    lanes: tuple[LaneState, ...]
    ledger_epoch: int
    ledger_floor: int
    list_version: int
    one_time_left: int
    kem_left: int
    standing: Standing = Standing.PUBLIC
    unit: UnitId = PLATFORM
    act: int = 0


class Enrolled(Message, frozen=True):
    """The account exists and the address is bound to it; ``descriptor`` is the relay's signed keys."""

    KIND: ClassVar[Kind] = Kind.ENROLLED
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_account, text(ADDRESS_CHARS_MAX), octets_up_to(DESCRIPTOR_BYTES_MAX))
    account: AccountId
    address: str
    descriptor: bytes


class Submitted(Message, frozen=True):
    """The recorded outcome of a submission, one code a target; committed and synced before it is said.

    ``retry_after_ms`` belongs to the codes of the range 'retry later' and is 0 where there is none.
    """

    KIND: ClassVar[Kind] = Kind.SUBMITTED
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _u64, sequence(_code, TARGETS_MAX, 1), sequence(_mismatch, TARGETS_MAX), uint(_U32)
    )  # fmt: skip
    submission: int
    codes: tuple[int, ...]
    mismatches: tuple[Mismatch, ...]
    retry_after_ms: int


class NotTaken(Message, frozen=True):
    """The submission was not taken and its number is still free; the same number comes again, then what followed."""

    KIND: ClassVar[Kind] = Kind.NOT_TAKEN
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_u64, _code, uint(_U32))
    submission: int
    code: int
    retry_after_ms: int


class PrekeysLeft(Message, frozen=True):
    """How many one-time prekeys of each family the relay now holds for the device."""

    KIND: ClassVar[Kind] = Kind.PREKEYS_LEFT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (uint(_U32), uint(_U32))
    one_time: int
    kem: int


class Bundles(Message, frozen=True):
    """An account's signed device list and one bundle for each device that was asked for."""

    KIND: ClassVar[Kind] = Kind.BUNDLES
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        octets_up_to(DEVICE_LIST_BYTES_MAX), octets(64), sequence(_bundle, DEVICES_MAX)
    )  # fmt: skip
    devices: bytes
    signature: bytes
    bundles: tuple[Bundle, ...]


class Account(Message, frozen=True):
    """The account that an address names, with its signed device list.

    ``proof`` is what its organisation attests of it (spec 85 §3), empty where there is nothing; ``about`` what the
    person says of himself: both as far as the asker is shown it (spec 88).
    """

    KIND: ClassVar[Kind] = Kind.ACCOUNT
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"about"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _account, text(ADDRESS_CHARS_MAX), octets_up_to(DEVICE_LIST_BYTES_MAX), octets(64),
        octets_up_to(PROOF_BYTES_MAX), text(ABOUT_CHARS_MAX),
    )  # fmt: skip
    account: AccountId
    address: str
    devices: bytes
    signature: bytes
    proof: bytes = b""
    about: str = ""


class Devices(Message, frozen=True):
    """An account's newest signed device list; ``address`` names it; ``proof`` and ``about`` as in ACCOUNT.

    Each is empty where there is nothing, or nothing that the asker is shown.
    """

    KIND: ClassVar[Kind] = Kind.DEVICES
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"about"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        octets_up_to(DEVICE_LIST_BYTES_MAX), octets(64), text(ADDRESS_CHARS_MAX), octets_up_to(PROOF_BYTES_MAX),
        text(ABOUT_CHARS_MAX),
    )  # fmt: skip
    devices: bytes
    signature: bytes
    address: str
    proof: bytes = b""
    about: str = ""


class RelayKeys(Message, frozen=True):
    """The relay's key descriptors that are still good, each signed by its offline root."""

    KIND: ClassVar[Kind] = Kind.RELAY_KEYS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(octets_up_to(DESCRIPTOR_BYTES_MAX), RELAY_KEYS_MAX),)
    descriptors: tuple[bytes, ...]


class Done(Message, frozen=True):
    """It was done, and what it changed is on disk."""

    KIND: ClassVar[Kind] = Kind.DONE


class Refused(Message, frozen=True):
    """An expected no. The connection lives; ``retry_after_ms`` is 0 where trying again does not help."""

    KIND: ClassVar[Kind] = Kind.REFUSED
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_code, uint(_U32))
    code: int
    retry_after_ms: int


class Invited(Message, frozen=True):
    """The operator's: a ticket was made; with the relay's keys it becomes an invitation (spec 40 §3)."""

    KIND: ClassVar[Kind] = Kind.INVITED
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        text(ADDRESS_CHARS_MAX), octets(TICKET_BYTES), _u64, text(255), octets_up_to(DESCRIPTOR_BYTES_MAX)
    )  # fmt: skip
    address: str
    ticket: bytes
    expires_ms: int
    endpoint: str
    descriptor: bytes


class Status(Message, frozen=True):
    """The operator's: names and numbers, for people and scripts to read."""

    KIND: ClassVar[Kind] = Kind.STATUS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        text(64), sequence(record(lambda name, value: (name, value), text(64), _u64), 128)
    )  # fmt: skip
    version: str
    figures: tuple[tuple[str, int], ...]


Reply = (
    Welcome | Enrolled | Submitted | NotTaken | PrekeysLeft | Bundles | Account | Devices | RelayKeys | Done
    | Refused | Invited | Status | Connections | Mailboxes | Checked | AdministrationReply
)  # fmt: skip

REPLIES = table(
    Welcome, Enrolled, Submitted, NotTaken, PrekeysLeft, Bundles, Account, Devices, RelayKeys, Done, Refused, Invited,
    Status,
) | ADMINISTRATION_REPLIES | LOCAL_REPLIES  # fmt: skip
