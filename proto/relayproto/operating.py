"""The contract: what the local operator does and sees at night, on the relay's Unix socket (spec 40 §5).

Each class is one command or reply. The rules of this file: a reply has numbers, never content, who sent something, or
the address of a machine; a command that concerns one person has room for the reason why.
"""

from typing import Annotated, ClassVar, Final

from relayproto.codes import Kind
from relayproto.fields import U64, octets, sequence, text, uint
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
from relayproto.value import Packable

_U32: Final = (1 << 32) - 1
_device: Final = uint(_U32)
_Reason = Annotated[str, text(LOCAL_REASON_CHARS_MAX)]
_Whom = Annotated[str, text(ADDRESS_CHARS_MAX)]
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
"""What the relay's log can be set to; on the wire each is its position."""


class GetConnections(Message, frozen=True):
    """Count connections, and list those of devices after a mailbox's number; no rows: count only. Answer: CONNECTIONS.

    A list is written to the audit log, counts are not.
    """

    KIND: ClassVar[Kind] = Kind.GET_CONNECTIONS
    after: U64
    rows: Annotated[int, uint(PAGE_ROWS_MAX)]


class GetMailbox(Message, frozen=True):
    """Look at the numbers of an account's mailboxes. Answer: MAILBOXES.

    ``whom`` is an address, or an account as 64 hexadecimal digits; here and in the commands below.
    """

    KIND: ClassVar[Kind] = Kind.GET_MAILBOX
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    whom: _Whom
    reason: _Reason


class Kick(Message, frozen=True):
    """End the connections of an account, or of one device (0: all), which come back ``after_ms`` later. Answer: ACTED.

    ACTED's ``value`` is how many there were.
    """

    KIND: ClassVar[Kind] = Kind.KICK
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    whom: _Whom
    device: Annotated[int, _device]
    after_ms: Annotated[int, uint(GOAWAY_AFTER_MS_MAX)]
    reason: _Reason


class Suspend(Message, frozen=True):
    """Suspend an account, which is then like unknown to others and may only fetch, or let it be. Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.SUSPEND
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    whom: _Whom
    suspended: bool
    reason: _Reason


class Purge(Message, frozen=True):
    """Empty the mailboxes of an account, or of one device (0: all), in a new epoch; senders are told. Answer: ACTED.

    ACTED's ``value`` is how many envelopes there were.
    """

    KIND: ClassVar[Kind] = Kind.PURGE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"reason"})
    whom: _Whom
    device: Annotated[int, _device]
    reason: _Reason


class Drain(Message, frozen=True):
    """Send every device away and let none in, or let them in again. Answer: ACTED; ``value``: connections left."""

    KIND: ClassVar[Kind] = Kind.DRAIN
    draining: bool


class MoveLog(Message, frozen=True):
    """Move the store's write-ahead log into its file. Answer: ACTED; ``value``: bytes of the log that are left."""

    KIND: ClassVar[Kind] = Kind.MOVE_LOG


class SetLogLevel(Message, frozen=True):
    """Set the level of the relay's log until it restarts or reloads. Answer: ACTED."""

    KIND: ClassVar[Kind] = Kind.SET_LOG_LEVEL
    level: Annotated[int, uint(len(LOG_LEVELS) - 1)]


class SelfCheck(Message, frozen=True):
    """Check the store's invariants while it runs, for some seconds at most. Answer: CHECKED."""

    KIND: ClassVar[Kind] = Kind.SELF_CHECK


class Line(Packable, frozen=True):
    """One device's connection, by its mailbox's number.

    ``since_ms`` is relay time of its login; ``received`` and ``sent`` are bytes; ``window`` is how many envelopes it
    would still take, ``owed`` how many it was sent and has not acknowledged; ``waiting`` are bytes that were written
    and that it has not read.
    """

    mailbox: U64
    since_ms: U64
    received: U64
    sent: U64
    window: U64
    owed: U64
    waiting: U64


class Queue(Packable, frozen=True):
    """What waits in one lane: numbers up to ``floor`` were acknowledged, ``next`` is the next to be given."""

    floor: U64
    next: U64
    envelopes: U64
    octets: U64


class Box(Packable, frozen=True):
    """One device's mailbox; ``queues`` are of the normal, the urgent and the outcome lane.

    ``over``: it was full and has not come down; ``refused`` had no room since the device last acknowledged;
    ``earliest_ms`` is when the first of it expires, 0 where nothing waits.
    """

    device: Annotated[int, _device]
    mailbox: U64
    epoch: U64
    queues: Annotated[tuple[Queue, ...], sequence(3, 3)]
    receipts: U64
    over: bool
    refused: U64
    earliest_ms: U64


class Found(Packable, frozen=True):
    """What came of one invariant; ``first`` says where it is broken first."""

    rule: Annotated[str, text(200)]
    looked_at: U64
    wrong: U64
    first: Annotated[str, text(200)]


class Connections(Message, frozen=True):
    """How many connections there are, of them half-open and of devices; works that wait for a commit; and a list."""

    KIND: ClassVar[Kind] = Kind.CONNECTIONS
    open: U64
    half_open: U64
    devices: U64
    works: U64
    draining: bool
    lines: Annotated[tuple[Line, ...], sequence(PAGE_ROWS_MAX)]
    more: bool


class Mailboxes(Message, frozen=True):
    """An account's mailboxes in numbers, what each may hold, and the audit record of this look."""

    KIND: ClassVar[Kind] = Kind.MAILBOXES
    record: U64
    account: Annotated[AccountId, octets(32)]
    unit: Annotated[UnitId, _device]
    suspended: bool
    envelopes_max: U64
    octets_max: U64
    now_ms: Annotated[int, uint(TIME_MS_MAX)]
    boxes: Annotated[tuple[Box, ...], sequence(DEVICES_MAX)]


class Checked(Message, frozen=True):
    """What came of the invariants; ``unfinished`` are those for which there was no time."""

    KIND: ClassVar[Kind] = Kind.CHECKED
    found: Annotated[tuple[Found, ...], sequence(FINDINGS_MAX)]
    unfinished: Annotated[tuple[Annotated[str, text(200)], ...], sequence(FINDINGS_MAX)]


LocalCommand = GetConnections | GetMailbox | Kick | Suspend | Purge | Drain | MoveLog | SetLogLevel | SelfCheck

LOCAL_COMMANDS = table(GetConnections, GetMailbox, Kick, Suspend, Purge, Drain, MoveLog, SetLogLevel, SelfCheck)
LOCAL_REPLIES = table(Connections, Mailboxes, Checked)
