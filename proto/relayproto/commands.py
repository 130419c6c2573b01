"""The contract: what a device asks of the relay (spec 40).

Each class is one command; its docstring says what it means, its types what is allowed.
"""

from typing import Annotated, ClassVar

from relayproto.administration import QUESTIONS, BreakGlass, Question
from relayproto.codes import Class, Kind, Lane, PrekeyKind
from relayproto.fields import U32, U64, octets, octets_up_to, sequence, text, uint
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import (
    ABOUT_CHARS_MAX,
    ACK_RANGES_MAX,
    ACT_BYTES_MAX,
    ADDRESS_CHARS_MAX,
    BODY_BYTES_MAX,
    BUILD_CHARS_MAX,
    CODE_CHARS_MAX,
    COMMITMENT_BYTES,
    DEVICE_LIST_BYTES_MAX,
    DEVICES_MAX,
    KEM_PUBLIC_BYTES,
    PASS_BYTES,
    PREKEYS_PER_FRAME_MAX,
    REPORT_BYTES,
    TARGETS_MAX,
    TICKET_BYTES,
    UNDECRYPTABLE_MAX,
    WRAP_BYTES_MAX,
)
from relayproto.message import Message, table
from relayproto.operating import LOCAL_COMMANDS, LocalCommand
from relayproto.policy import ROW_BYTES
from relayproto.rosters import Claim, PutRoster
from relayproto.value import Packable
from relayproto.visibility import TABLE_BYTES as VISIBILITY_BYTES

_U32 = (1 << 32) - 1
_Account = Annotated[AccountId, octets(32)]
_Device = Annotated[DeviceId, uint(_U32, 1)]
_Version = Annotated[int, uint(_U32)]
_Pass = Annotated[bytes, octets_up_to(PASS_BYTES)]


class Credit(Packable, frozen=True):
    """How much may have been delivered since HELLO, cumulative, so that a repeated grant does no harm."""

    messages: U64
    octets: U64


class Wrap(Packable, frozen=True):
    """What one device of a target gets beside the body; ``sealed`` is empty where a sender key is used."""

    device: _Device
    sealed: Annotated[bytes, octets_up_to(WRAP_BYTES_MAX)]


class Target(Packable, frozen=True):
    """An account, the version of its device list that the sender knows, and a wrap for each of its devices."""

    account: _Account
    list_version: _Version
    wraps: Annotated[tuple[Wrap, ...], sequence(DEVICES_MAX)]


class SignedPrekey(Packable, frozen=True):
    """A prekey as it is deposited; ``signature`` is its device's, over account and device too (spec 55 §5)."""

    kind: PrekeyKind
    id: Annotated[int, uint(_U32, 1)]
    key: Annotated[bytes, octets_up_to(KEM_PUBLIC_BYTES, 32)]
    signature: Annotated[bytes, octets(64)]


class Hello(Message, frozen=True):
    """The third handshake message's payload: who connects, and how far it is (spec 20 §5).

    ``epoch`` and ``ledger_epoch`` are 0 for a device that does not know them yet; ``floors`` are the highest
    acknowledged sequences of the normal, urgent and outcome lanes; ``submission`` is the highest number that the
    device has ever used.
    """

    KIND: ClassVar[Kind] = Kind.HELLO
    account: _Account
    device: _Device
    list_version: _Version
    epoch: U64
    floors: Annotated[tuple[U64, ...], sequence(3, 3)]
    ledger_epoch: U64
    submission: U64
    features: U64
    credit: Credit
    build: Annotated[str, text(BUILD_CHARS_MAX)]


class Enrol(Message, frozen=True):
    """Turn a ticket into an account with one device (spec 40 §3); repeated, it gets the same answer.

    ``devices`` and ``signature`` are the first device list; the prekeys are the signed one and the KEM last resort.
    """

    KIND: ClassVar[Kind] = Kind.ENROL
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    ticket: Annotated[bytes, octets(TICKET_BYTES)]
    devices: Annotated[bytes, octets_up_to(DEVICE_LIST_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]
    prekeys: Annotated[tuple[SignedPrekey, ...], sequence(4, 2)]


class GetCode(Message, frozen=True):
    """Have a code sent to a contact, a mail address, to register with (spec 89 §2). Answer: DONE, whoever it is."""

    KIND: ClassVar[Kind] = Kind.GET_CODE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"contact"})
    contact: Annotated[str, text(ADDRESS_CHARS_MAX)]


class Register(Message, frozen=True):
    """Turn a code into an account with one device (spec 89 §3); repeated, it gets the same answer. Answer: ENROLLED.

    What follows the address is as in ENROL.
    """

    KIND: ClassVar[Kind] = Kind.REGISTER
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"contact", "code"})
    contact: Annotated[str, text(ADDRESS_CHARS_MAX)]
    code: Annotated[str, text(CODE_CHARS_MAX)]
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    devices: Annotated[bytes, octets_up_to(DEVICE_LIST_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]
    prekeys: Annotated[tuple[SignedPrekey, ...], sequence(4, 2)]


class Submit(Message, frozen=True):
    """Store one envelope for each device of each target (spec 50 §2).

    ``body`` is the content's ciphertext, or nil where ``handle`` names a BODY sent before on this connection;
    ``condition`` is kept for groups and is nil. ``passes`` are by position, and empty where nobody needs one: what
    came with an envelope of somebody who may be answered, though not written to first (spec 70 §6).
    """

    KIND: ClassVar[Kind] = Kind.SUBMIT
    submission: Annotated[int, uint(minimum=1)]
    slot: Annotated[int, uint(0)]
    class_: Class
    ttl_s: Annotated[int, uint(_U32, 1)]
    flags: Annotated[int, uint(3)]
    commitment: Annotated[bytes, octets(COMMITMENT_BYTES)]
    body: Annotated[bytes, octets_up_to(BODY_BYTES_MAX, 1)] | None
    handle: U32 | None
    targets: Annotated[tuple[Target, ...], sequence(TARGETS_MAX, 1)]
    condition: Annotated[bytes, octets_up_to(64)] | None
    passes: Annotated[tuple[_Pass, ...], sequence(TARGETS_MAX)] = ()


class Body(Message, frozen=True):
    """Park a body for the SUBMITs that follow on this connection (spec 50 §2). It has no answer."""

    KIND: ClassVar[Kind] = Kind.BODY
    handle: U32
    octets: Annotated[bytes, octets_up_to(BODY_BYTES_MAX, 1)]


class Ack(Message, frozen=True):
    """Say what of a lane is kept, and grant credit (spec 50 §3).

    ``ranges`` are pairs above the floor, ascending and apart; ``undecryptable`` are sequences that the
    device acknowledges without having been able to open them.
    """

    KIND: ClassVar[Kind] = Kind.ACK
    epoch: U64
    lane: Lane
    floor: U64
    ranges: Annotated[tuple[tuple[U64, U64], ...], sequence(ACK_RANGES_MAX)]
    credit: Credit
    undecryptable: Annotated[tuple[U64, ...], sequence(UNDECRYPTABLE_MAX)]


class Ephemeral(Message, frozen=True):
    """Pass something on to whoever of a target is there now (spec 50 §9).

    It has no number and no answer whatever happens, and never touches the disk.
    """

    KIND: ClassVar[Kind] = Kind.EPHEMERAL
    target: Target
    pass_: _Pass = b""


class PutPrekeys(Message, frozen=True):
    """Deposit prekeys; a signed or last-resort one replaces its predecessor (spec 60 §1). Answer: PREKEYS_LEFT."""

    KIND: ClassVar[Kind] = Kind.PUT_PREKEYS
    prekeys: Annotated[tuple[SignedPrekey, ...], sequence(PREKEYS_PER_FRAME_MAX, 1)]


class GetBundles(Message, frozen=True):
    """Ask for an account's device list and one bundle for each of the devices named (none: all). Answer: BUNDLES."""

    KIND: ClassVar[Kind] = Kind.GET_BUNDLES
    account: _Account
    devices: Annotated[tuple[_Device, ...], sequence(DEVICES_MAX)]
    pass_: _Pass = b""


class Lookup(Message, frozen=True):
    """Ask which account an address names; exact match only. Answer: ACCOUNT."""

    KIND: ClassVar[Kind] = Kind.LOOKUP
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]


class PutDevices(Message, frozen=True):
    """Replace the account's device list by its next version (spec 55 §2). Answer: DEVICES."""

    KIND: ClassVar[Kind] = Kind.PUT_DEVICES
    devices: Annotated[bytes, octets_up_to(DEVICE_LIST_BYTES_MAX)]
    signature: Annotated[bytes, octets(64)]


class GetDevices(Message, frozen=True):
    """Ask for an account's newest device list. Answer: DEVICES."""

    KIND: ClassVar[Kind] = Kind.GET_DEVICES
    account: _Account
    pass_: _Pass = b""


class GetRelayKeys(Message, frozen=True):
    """Ask for the relay's key descriptors, the stamp keys among them. Answer: RELAY_KEYS."""

    KIND: ClassVar[Kind] = Kind.GET_RELAY_KEYS


class Block(Message, frozen=True):
    """Refuse an account from now on, or no longer; it can't tell that from not existing (spec 50 §5). Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.BLOCK
    account: _Account
    blocked: bool


class Report(Message, frozen=True):
    """Hand evidence in for the moderators, sealed to both of them (spec 65 §6). Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.REPORT
    sealed: Annotated[bytes, octets(REPORT_BYTES)]


class Act(Message, frozen=True):
    """Change something of an organisation: an act and its device's signature (spec 70 §2). Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.ACT
    octets: Annotated[bytes, octets_up_to(ACT_BYTES_MAX, 1)]
    signature: Annotated[bytes, octets(64)]


class PutPolicy(Message, frozen=True):
    """Tighten what others may do to oneself: a permission for each standing of theirs and action. Answer: DONE.

    ``said_ms``: when it was said (unix ms of relay time) that is told again after a restore; 0: it is said now.
    """

    KIND: ClassVar[Kind] = Kind.PUT_POLICY
    row: Annotated[bytes, octets(ROW_BYTES)]
    said_ms: U64 = 0


class PutProfile(Message, frozen=True):
    """Say a line of oneself, and hide fields from viewers: a visibility for each (spec 88 §3). Answer: DONE.

    ``said_ms`` is as in PUT_POLICY.
    """

    KIND: ClassVar[Kind] = Kind.PUT_PROFILE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"about"})
    about: Annotated[str, text(ABOUT_CHARS_MAX)]
    hidden: Annotated[bytes, octets(VISIBILITY_BYTES)]
    said_ms: U64 = 0


class Invite(Message, frozen=True):
    """The operator's: make a ticket that binds an address, good once, for so long. Answer: INVITED."""

    KIND: ClassVar[Kind] = Kind.INVITE
    address: Annotated[str, text(ADDRESS_CHARS_MAX)]
    ttl_s: Annotated[int, uint(90 * 86400, 60)]


class GetStatus(Message, frozen=True):
    """The operator's: how is the relay? Answer: STATUS."""

    KIND: ClassVar[Kind] = Kind.GET_STATUS


class ConfirmClock(Message, frozen=True):
    """The operator's: the wall clock that ran ahead is right, expire by it (spec 50 §4). Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.CONFIRM_CLOCK


DeviceCommand = (
    Submit | Body | Ack | Ephemeral | PutPrekeys | GetBundles | Lookup | PutDevices | GetDevices | GetRelayKeys
    | Block | Report | Act | PutPolicy | PutProfile | PutRoster | Claim | Question
)  # fmt: skip
"""What a device may ask on an open connection."""

EnrolCommand = Enrol | GetCode | Register
"""What somebody without an account may ask, on an enrolment connection."""

OperatorCommand = Invite | GetStatus | ConfirmClock | BreakGlass | LocalCommand
"""What the local operator may ask on the Unix socket."""

COMMANDS = table(
    Hello, Enrol, GetCode, Register,
    Submit, Body, Ack, Ephemeral, PutPrekeys, GetBundles, Lookup, PutDevices, GetDevices, GetRelayKeys,
    Block, Report, Act, PutPolicy, PutProfile, Invite, GetStatus, ConfirmClock, BreakGlass,
    PutRoster, Claim,
) | LOCAL_COMMANDS | QUESTIONS  # fmt: skip
