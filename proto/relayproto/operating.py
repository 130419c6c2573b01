"""The contract: what the local operator does and sees at night, on the relay's Unix socket (spec 40 §5).

Each class is one command or reply. The rules of this file: a reply has numbers, never content, who sent something, or
the address of a machine; a command that concerns one person has room for the reason why.
"""

from typing import Any, ClassVar, Final, NamedTuple

from relayproto.codes import Kind
from relayproto.fields import Reader, flag, octets, record, sequence, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import (
    ADDRESS_CHARS_MAX,
    DEVICES_MAX,
    FINDINGS_MAX,
    GOAWAY_AFTER_MS_MAX,
    LOCAL_REASON_CHARS_MAX,
    PAGE_ROWS_MAX,
    TIME_MS_MAX,
)
from relayproto.message import Message, table

_U32: Final = (1 << 32) - 1
_u64 = uint()
_device = uint(_U32)
_reason: Reader[str] = text(LOCAL_REASON_CHARS_MAX)
_whom: Reader[str] = text(ADDRESS_CHARS_MAX)
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
"""What the relay's log can be set to; on the wire each is its position."""


class GetConnections(Message, frozen=True):
    """Count connections, and list those of devices after a mailbox's number; no rows: count only. Answer: CONNECTIONS.

    A list is written to the audit log, counts are not.
    """

    KIND: ClassVar[Kind] = Kind.GET_CONNECTIONS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_u64, uint(PAGE_ROWS_MAX))
    after: int
    rows: int


class GetMailbox(Message, frozen=True):
    """Look at the numbers of an account's mailboxes. Answer: MAILBOXES.

    ``whom`` is an address, or an account as 64 hexadecimal digits; here and in the commands below.
    """

    KIND: ClassVar[Kind] = Kind.GET_MAILBOX
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_whom, _reason)
    whom: str
    reason: str


class Kick(Message, frozen=True):
    """End the connections of an account, or of one device (0: all), which come back ``after_ms`` later. Answer: ACTED.

    ACTED's ``value`` is how many there were.
    """

    KIND: ClassVar[Kind] = Kind.KICK
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_whom, _device, uint(GOAWAY_AFTER_MS_MAX), _reason)
    whom: str
    device: int
    after_ms: int
    reason: str


class Suspend(Message, frozen=True):
    """Suspend an account, which is then like unknown to others and may only fetch, or let it be. Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.SUSPEND
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_whom, flag, _reason)
    whom: str
    suspended: bool
    reason: str


class Purge(Message, frozen=True):
    """Empty the mailboxes of an account, or of one device (0: all), in a new epoch; senders are told. Answer: ACTED.

    ACTED's ``value`` is how many envelopes there were.
    """

    KIND: ClassVar[Kind] = Kind.PURGE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (_whom, _device, _reason)
    whom: str
    device: int
    reason: str


class Drain(Message, frozen=True):
    """Send every device away and let none in, or let them in again. Answer: ACTED; ``value``: connections left."""

    KIND: ClassVar[Kind] = Kind.DRAIN
    READERS: ClassVar[tuple[Reader[Any], ...]] = (flag,)
    draining: bool


class MoveLog(Message, frozen=True):
    """Move the store's write-ahead log into its file. Answer: ACTED; ``value``: bytes of the log that are left."""

    KIND: ClassVar[Kind] = Kind.MOVE_LOG


class SetLogLevel(Message, frozen=True):
    """Set the level of the relay's log until it restarts or reloads. Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.SET_LOG_LEVEL
    READERS: ClassVar[tuple[Reader[Any], ...]] = (uint(len(LOG_LEVELS) - 1),)
    level: int


class SelfCheck(Message, frozen=True):
    """Check the store's invariants while it runs, for some seconds at most. Answer: CHECKED."""

    KIND: ClassVar[Kind] = Kind.SELF_CHECK


class Line(NamedTuple):
    """One device's connection, by its mailbox's number.

    ``since_ms`` is relay time of its login; ``received`` and ``sent`` are bytes; ``window`` is how many envelopes it
    would still take, ``owed`` how many it was sent and has not acknowledged; ``waiting`` are bytes that were written
    and that it has not read.
    """

    mailbox: int
    since_ms: int
    received: int
    sent: int
    window: int
    owed: int
    waiting: int


class Queue(NamedTuple):
    """What waits in one lane: numbers up to ``floor`` were acknowledged, ``next`` is the next to be given."""

    floor: int
    next: int
    envelopes: int
    octets: int


class Box(NamedTuple):
    """One device's mailbox; ``queues`` are of the normal, the urgent and the outcome lane.

    ``over``: it was full and has not come down; ``refused`` had no room since the device last acknowledged;
    ``earliest_ms`` is when the first of it expires, 0 where nothing waits.
    """

    device: int
    mailbox: int
    epoch: int
    queues: tuple[Queue, ...]
    receipts: int
    over: bool
    refused: int
    earliest_ms: int


class Found(NamedTuple):
    """What came of one invariant; ``first`` says where it is broken first."""

    rule: str
    looked_at: int
    wrong: int
    first: str


_line: Reader[Line] = record(Line, _u64, _u64, _u64, _u64, _u64, _u64, _u64)
_queue: Reader[Queue] = record(Queue, _u64, _u64, _u64, _u64)
_box: Reader[Box] = record(Box, _device, _u64, _u64, sequence(_queue, 3, 3), _u64, flag, _u64, _u64)
_found: Reader[Found] = record(Found, text(200), _u64, _u64, text(200))


class Connections(Message, frozen=True):
    """How many connections there are, of them half-open and of devices; works that wait for a commit; and a list."""

    KIND: ClassVar[Kind] = Kind.CONNECTIONS
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _u64, _u64, _u64, _u64, flag, sequence(_line, PAGE_ROWS_MAX), flag,
    )  # fmt: skip
    open: int
    half_open: int
    devices: int
    works: int
    draining: bool
    lines: tuple[Line, ...]
    more: bool


class Mailboxes(Message, frozen=True):
    """An account's mailboxes in numbers, what each may hold, and the audit record of this look."""

    KIND: ClassVar[Kind] = Kind.MAILBOXES
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        _u64, octets(32), _device, flag, _u64, _u64, uint(TIME_MS_MAX), sequence(_box, DEVICES_MAX),
    )  # fmt: skip
    record: int
    account: AccountId
    unit: UnitId
    suspended: bool
    envelopes_max: int
    octets_max: int
    now_ms: int
    boxes: tuple[Box, ...]


class Checked(Message, frozen=True):
    """What came of the invariants; ``unfinished`` are those for which there was no time."""

    KIND: ClassVar[Kind] = Kind.CHECKED
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        sequence(_found, FINDINGS_MAX), sequence(text(200), FINDINGS_MAX),
    )  # fmt: skip
    found: tuple[Found, ...]
    unfinished: tuple[str, ...]


LocalCommand = GetConnections | GetMailbox | Kick | Suspend | Purge | Drain | MoveLog | SetLogLevel | SelfCheck

LOCAL_COMMANDS = table(GetConnections, GetMailbox, Kick, Suspend, Purge, Drain, MoveLog, SetLogLevel, SelfCheck)
LOCAL_REPLIES = table(Connections, Mailboxes, Checked)
