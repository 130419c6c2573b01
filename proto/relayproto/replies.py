"""The contract: what the relay answers to a command (spec 40). Each carries the request number of its command."""

from typing import Annotated, ClassVar

from relayproto.administration_replies import ADMINISTRATION_REPLIES, AdministrationReply
from relayproto.codes import Kind
from relayproto.commands import SignedPrekey
from relayproto.fields import U32, U64, octets, octets_up_to, sequence, text, uint
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
from relayproto.value import Packable

_U32 = (1 << 32) - 1
_Code = Annotated[int, uint(999)]
"""Codes are read as plain integers: an unknown one still has its range's meaning (``codes.range_of``)."""
_Device = Annotated[DeviceId, uint(_U32, 1)]
_Account = Annotated[AccountId, octets(32)]


class LaneState(Packable, frozen=True):
    """A lane as the relay sees it: acknowledged up to ``floor``, the next number is ``next``."""

    floor: U64
    next: U64


class Mismatch(Packable, frozen=True):
    """How the devices of one target differ from its list: named there but not addressed, never there, removed."""

    position: Annotated[int, uint(TARGETS_MAX - 1)]
    list_version: U32
    missing: Annotated[tuple[_Device, ...], sequence(DEVICES_MAX)]
    extra: Annotated[tuple[_Device, ...], sequence(DEVICES_MAX)]
    stale: Annotated[tuple[_Device, ...], sequence(DEVICES_MAX)]


class Bundle(Packable, frozen=True):
    """The prekeys of one device for one first message; ``one_time`` is nil where none is left."""

    device: _Device
    signed: SignedPrekey
    one_time: SignedPrekey | None
    kem: SignedPrekey


class Welcome(Message, frozen=True):
    """The first record back to a device (spec 20 §6): the relay's time and what it knows of the device.

    ``lanes`` are the normal, urgent and outcome lanes after HELLO's floors were applied. ``standing`` and ``unit`` are
    what the account is and where it belongs, 0 for nowhere; ``act`` is the number of the account's last act.
    """

    KIND: ClassVar[Kind] = Kind.WELCOME
    version: Annotated[int, uint(255)]
    features: U64
    now_ms: Annotated[int, uint(TIME_MS_MAX)]
    epoch: U64
    lanes: Annotated[tuple[LaneState, ...], sequence(3, 3)]
    ledger_epoch: U64
    ledger_floor: U64
    list_version: U32
    one_time_left: U32
    kem_left: U32
    standing: Standing = Standing.PUBLIC
    unit: Annotated[UnitId, uint(_U32)] = PLATFORM
    act: U64 = 0


class Enrolled(Message, frozen=True):
    """The account exists and the address is bound to it; ``descriptor`` is the relay's signed keys."""

    KIND: ClassVar[Kind] = Kind.ENROLLED
    account: _Account
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    descriptor: Annotated[bytes, octets_up_to(DESCRIPTOR_BYTES_MAX)]


class Submitted(Message, frozen=True):
    """The recorded outcome of a submission, one code a target; committed and synced before it is said.

    ``retry_after_ms`` belongs to the codes of the range 'retry later' and is 0 where there is none.
    """

    KIND: ClassVar[Kind] = Kind.SUBMITTED
    submission: U64
    codes: Annotated[tuple[_Code, ...], sequence(TARGETS_MAX, 1)]
    mismatches: Annotated[tuple[Mismatch, ...], sequence(TARGETS_MAX)]
    retry_after_ms: U32


class NotTaken(Message, frozen=True):
    """The submission was not taken and its number is still free; the same number comes again, then what followed."""

    KIND: ClassVar[Kind] = Kind.NOT_TAKEN
    submission: U64
    code: _Code
    retry_after_ms: U32


class PrekeysLeft(Message, frozen=True):
    """How many one-time prekeys of each family the relay now holds for the device."""

    KIND: ClassVar[Kind] = Kind.PREKEYS_LEFT
    one_time: U32
    kem: U32


class Bundles(Message, frozen=True):
    """An account's signed device list and one bundle for each device that was asked for."""

    KIND: ClassVar[Kind] = Kind.BUNDLES
    devices: Annotated[bytes, octets_up_to(DEVICE_LIST_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]
    bundles: Annotated[tuple[Bundle, ...], sequence(DEVICES_MAX)]


class Account(Message, frozen=True):
    """The account that an address names, with its signed device list.

    ``proof`` is what its organisation attests of it (spec 85 §3), empty where there is nothing; ``about`` what the
    person says of himself: both as far as the asker is shown it (spec 88).
    """

    KIND: ClassVar[Kind] = Kind.ACCOUNT
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"about"})
    account: _Account
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    devices: Annotated[bytes, octets_up_to(DEVICE_LIST_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]
    proof: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX)] = b""
    about: Annotated[str, text(ABOUT_CHARS_MAX)] = ""


class Devices(Message, frozen=True):
    """An account's newest signed device list; ``address`` names it; ``proof`` and ``about`` as in ACCOUNT.

    Each is empty where there is nothing, or nothing that the asker is shown.
    """

    KIND: ClassVar[Kind] = Kind.DEVICES
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"about"})
    devices: Annotated[bytes, octets_up_to(DEVICE_LIST_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    proof: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX)] = b""
    about: Annotated[str, text(ABOUT_CHARS_MAX)] = ""


class RelayKeys(Message, frozen=True):
    """The relay's key descriptors that are still good, each signed by its offline root."""

    KIND: ClassVar[Kind] = Kind.RELAY_KEYS
    descriptors: Annotated[tuple[Annotated[bytes, octets_up_to(DESCRIPTOR_BYTES_MAX)], ...], sequence(RELAY_KEYS_MAX)]


class Done(Message, frozen=True):
    """It was done, and what it changed is on disk."""

    KIND: ClassVar[Kind] = Kind.DONE


class Refused(Message, frozen=True):
    """An expected no. The connection lives; ``retry_after_ms`` is 0 where trying again does not help."""

    KIND: ClassVar[Kind] = Kind.REFUSED
    code: _Code
    retry_after_ms: U32


class Invited(Message, frozen=True):
    """The operator's: a ticket was made; with the relay's keys it becomes an invitation (spec 40 §3)."""

    KIND: ClassVar[Kind] = Kind.INVITED
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    ticket: Annotated[bytes, octets(TICKET_BYTES)]
    expires_ms: U64
    endpoint: Annotated[str, text(255)]
    descriptor: Annotated[bytes, octets_up_to(DESCRIPTOR_BYTES_MAX)]


class Status(Message, frozen=True):
    """The operator's: names and numbers, for people and scripts to read."""

    KIND: ClassVar[Kind] = Kind.STATUS
    version: Annotated[str, text(64)]
    figures: Annotated[tuple[tuple[Annotated[str, text(64)], U64], ...], sequence(128)]


Reply = (
    Welcome | Enrolled | Submitted | NotTaken | PrekeysLeft | Bundles | Account | Devices | RelayKeys | Done
    | Refused | Invited | Status | Connections | Mailboxes | Checked | AdministrationReply
)  # fmt: skip

REPLIES = table(
    Welcome, Enrolled, Submitted, NotTaken, PrekeysLeft, Bundles, Account, Devices, RelayKeys, Done, Refused, Invited,
    Status,
) | ADMINISTRATION_REPLIES | LOCAL_REPLIES  # fmt: skip
