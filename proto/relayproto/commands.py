"""The contract: what a device asks of the relay (spec 40).

Each class is one command; its docstring says what it means, its readers say what is allowed.
"""

from typing import Any, ClassVar, NamedTuple

from relayproto.administration import QUESTIONS, BreakGlass, Question
from relayproto.codes import Class, Kind, Lane, PrekeyKind
from relayproto.fields import Reader, flag, octets, octets_up_to, one_of, optional, record, sequence, text, uint
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
from relayproto.visibility import TABLE_BYTES as VISIBILITY_BYTES

_U32 = (1 << 32) - 1
_account: Reader[bytes] = octets(32)
_device = uint(_U32, 1)
_version = uint(_U32)
_u64 = uint()
_pass: Reader[bytes] = octets_up_to(PASS_BYTES)


class Credit(NamedTuple):
    """How much may have been delivered since HELLO, cumulative, so that a repeated grant does no harm."""

    messages: int
    octets: int


class Wrap(NamedTuple):
    """What one device of a target gets beside the body; ``sealed`` is empty where a sender key is used."""

    device: DeviceId
    sealed: bytes


class Target(NamedTuple):
    """An account, the version of its device list that the sender knows, and a wrap for each of its devices."""

    account: AccountId
    list_version: int
    wraps: tuple[Wrap, ...]


class SignedPrekey(NamedTuple):
    """A prekey as it is deposited; ``signature`` is its device's, over account and device too (spec 55 §5)."""

    kind: PrekeyKind
    id: int
    key: bytes
    signature: bytes


credit: Reader[Credit] = record(Credit, _u64, _u64)
prekey: Reader[SignedPrekey] = record(
    SignedPrekey, one_of(PrekeyKind), uint(_U32, 1), octets_up_to(KEM_PUBLIC_BYTES, 32), octets(64)
)
_wrap: Reader[Wrap] = record(Wrap, _device, octets_up_to(WRAP_BYTES_MAX))
_target: Reader[Target] = record(Target, _account, _version, sequence(_wrap, DEVICES_MAX))


class Hello(Message, frozen=True):
    """The third handshake message's payload: who connects, and how far it is (spec 20 §5).

    ``epoch`` and ``ledger_epoch`` are 0 for a device that does not know them yet; ``floors`` are the highest
    acknowledged sequences of the normal, urgent and outcome lanes; ``submission`` is the highest number that the
    device has ever used.
    """

    KIND: ClassVar[Kind] = Kind.HELLO
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _account, _device, _version, _u64, sequence(_u64, 3, 3), _u64, _u64, _u64, credit, text(BUILD_CHARS_MAX)
    )  # fmt: skip
    account: AccountId
    device: DeviceId
    list_version: int
    epoch: int
    floors: tuple[int, ...]
    ledger_epoch: int
    submission: int
    features: int
    credit: Credit
    build: str


class Enrol(Message, frozen=True):
    """Turn a ticket into an account with one device (spec 40 §3); repeated, it gets the same answer.

    ``devices`` and ``signature`` are the first device list; the prekeys are the signed one and the KEM last resort.
    """

    KIND: ClassVar[Kind] = Kind.ENROL
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        octets(TICKET_BYTES), octets_up_to(DEVICE_LIST_BYTES_MAX), octets(64), sequence(prekey, 4, 2)
    )  # fmt: skip
    ticket: bytes
    devices: bytes
    signature: bytes
    prekeys: tuple[SignedPrekey, ...]


class GetCode(Message, frozen=True):
    """Have a code sent to a contact, a mail address, to register with (spec 89 §2). Answer: DONE, whoever it is."""

    KIND: ClassVar[Kind] = Kind.GET_CODE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"contact"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (text(ADDRESS_CHARS_MAX),)
    contact: str


class Register(Message, frozen=True):
    """Turn a code into an account with one device (spec 89 §3); repeated, it gets the same answer. Answer: ENROLLED.

    What follows the address is as in ENROL.
    """

    KIND: ClassVar[Kind] = Kind.REGISTER
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"contact", "code"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        text(ADDRESS_CHARS_MAX), text(CODE_CHARS_MAX), text(ADDRESS_CHARS_MAX), *Enrol.READERS[1:]
    )  # fmt: skip
    contact: str
    code: str
    address: str
    devices: bytes
    signature: bytes
    prekeys: tuple[SignedPrekey, ...]


class Submit(Message, frozen=True):
    """Store one envelope for each device of each target (spec 50 §2).

    ``body`` is the content's ciphertext, or nil where ``handle`` names a BODY sent before on this connection;
    ``condition`` is kept for groups and is nil. ``passes`` are by position, and empty where nobody needs one: what
    came with an envelope of somebody who may be answered, though not written to first (spec 70 §6).
    """

    KIND: ClassVar[Kind] = Kind.SUBMIT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        uint(minimum=1), uint(0), one_of(Class), uint(_U32, 1), uint(3), octets(COMMITMENT_BYTES),
        optional(octets_up_to(BODY_BYTES_MAX, 1)), optional(uint(_U32)), sequence(_target, TARGETS_MAX, 1),
        optional(octets_up_to(64)), sequence(_pass, TARGETS_MAX),
    )  # fmt: skip
    submission: int
    slot: int
    class_: Class
    ttl_s: int
    flags: int
    commitment: bytes
    body: bytes | None
    handle: int | None
    targets: tuple[Target, ...]
    condition: bytes | None
    passes: tuple[bytes, ...] = ()


class Body(Message, frozen=True):
    """Park a body for the SUBMITs that follow on this connection (spec 50 §2). It has no answer."""

    KIND: ClassVar[Kind] = Kind.BODY
    READERS: ClassVar[tuple[Reader[Any], ...]] = (uint(_U32), octets_up_to(BODY_BYTES_MAX, 1))
    handle: int
    octets: bytes


class Ack(Message, frozen=True):
    """Say what of a lane is kept, and grant credit (spec 50 §3).

    ``ranges`` are pairs above the floor, ascending and apart; ``undecryptable`` are sequences that the
    device acknowledges without having been able to open them.
    """

    KIND: ClassVar[Kind] = Kind.ACK
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _u64, one_of(Lane), _u64, sequence(record(lambda first, last: (first, last), _u64, _u64), ACK_RANGES_MAX),
        credit, sequence(_u64, UNDECRYPTABLE_MAX),
    )  # fmt: skip
    epoch: int
    lane: Lane
    floor: int
    ranges: tuple[tuple[int, int], ...]
    credit: Credit
    undecryptable: tuple[int, ...]


class Ephemeral(Message, frozen=True):
    """Pass something on to whoever of a target is there now (spec 50 §9).

    It has no number and no answer whatever happens, and never touches the disk.
    """

    KIND: ClassVar[Kind] = Kind.EPHEMERAL
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_target, _pass)
    target: Target
    pass_: bytes = b""


class PutPrekeys(Message, frozen=True):
    """Deposit prekeys; a signed or last-resort one replaces its predecessor (spec 60 §1). Answer: PREKEYS_LEFT."""

    KIND: ClassVar[Kind] = Kind.PUT_PREKEYS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(prekey, PREKEYS_PER_FRAME_MAX, 1),)
    prekeys: tuple[SignedPrekey, ...]


class GetBundles(Message, frozen=True):
    """Ask for an account's device list and one bundle for each of the devices named (none: all). Answer: BUNDLES."""

    KIND: ClassVar[Kind] = Kind.GET_BUNDLES
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_account, sequence(_device, DEVICES_MAX), _pass)
    account: AccountId
    devices: tuple[DeviceId, ...]
    pass_: bytes = b""


class Lookup(Message, frozen=True):
    """Ask which account an address names; exact match only. Answer: ACCOUNT."""

    KIND: ClassVar[Kind] = Kind.LOOKUP
    READERS: ClassVar[tuple[Reader[Any], ...]] = (text(ADDRESS_CHARS_MAX),)
    address: str


class PutDevices(Message, frozen=True):
    """Replace the account's device list by its next version (spec 55 §2). Answer: DEVICES."""

    KIND: ClassVar[Kind] = Kind.PUT_DEVICES
    READERS: ClassVar[tuple[Reader[Any], ...]] = (octets_up_to(DEVICE_LIST_BYTES_MAX), octets(64))
    devices: bytes
    signature: bytes


class GetDevices(Message, frozen=True):
    """Ask for an account's newest device list. Answer: DEVICES."""

    KIND: ClassVar[Kind] = Kind.GET_DEVICES
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_account, _pass)
    account: AccountId
    pass_: bytes = b""


class GetRelayKeys(Message, frozen=True):
    """Ask for the relay's key descriptors, the stamp keys among them. Answer: RELAY_KEYS."""

    KIND: ClassVar[Kind] = Kind.GET_RELAY_KEYS


class Block(Message, frozen=True):
    """Refuse an account from now on, or no longer; it can't tell that from not existing (spec 50 §5). Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.BLOCK
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_account, flag)
    account: AccountId
    blocked: bool


class Report(Message, frozen=True):
    """Hand evidence in for the moderators, sealed to both of them (spec 65 §6). Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.REPORT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (octets(REPORT_BYTES),)
    sealed: bytes


class Act(Message, frozen=True):
    """Change something of an organisation: an act and its device's signature (spec 70 §2). Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.ACT
    READERS: ClassVar[tuple[Reader[Any], ...]] = (octets_up_to(ACT_BYTES_MAX, 1), octets(64))
    octets: bytes
    signature: bytes


class PutPolicy(Message, frozen=True):
    """Tighten what others may do to oneself: a permission for each standing of theirs and action. Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.PUT_POLICY
    READERS: ClassVar[tuple[Reader[Any], ...]] = (octets(ROW_BYTES),)
    row: bytes


class PutProfile(Message, frozen=True):
    """Say a line of oneself, and hide fields from viewers: a visibility for each (spec 88 §3). Answer: DONE."""

    KIND: ClassVar[Kind] = Kind.PUT_PROFILE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"about"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (text(ABOUT_CHARS_MAX), octets(VISIBILITY_BYTES))
    about: str
    hidden: bytes


class Invite(Message, frozen=True):
    """The operator's: make a ticket that binds an address, good once, for so long. Answer: INVITED."""

    KIND: ClassVar[Kind] = Kind.INVITE
    READERS: ClassVar[tuple[Reader[Any], ...]] = (text(ADDRESS_CHARS_MAX), uint(90 * 86_400, 60))
    address: str
    ttl_s: int


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
