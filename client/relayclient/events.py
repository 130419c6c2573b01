"""What a device tells its user: a closed union of frozen values.

They leave ``Device`` (and ``Client``, which adds what happens to the connection). The rule of this file: an event is
told after what it says has been committed, so that none is told of something which a crash then undoes.
"""

from enum import StrEnum
from typing import ClassVar

from relayproto.codes import Class, GapReason, Lane
from relayproto.ids import AccountId, Address, DeviceId, KeyId, MessageId, UnitId
from relayproto.value import Value


class MessageState(StrEnum):
    """What became of a message that was sent from here. A state never moves to one of a lower rank.

    The four ends have one rank: the first stays. Delivered and read are above them, for a message that could not be
    opened may be sent again, and what its reader says is the last word.
    """

    QUEUED = "queued"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNDECRYPTABLE = "undecryptable"
    PURGED = "purged"
    DELIVERED = "delivered"
    READ = "read"

    @property
    def rank(self) -> int:
        """The height at which states are compared."""
        return _RANKS[self]


_RANKS = {
    MessageState.QUEUED: 0,
    MessageState.ACCEPTED: 1,
    MessageState.REFUSED: 2,
    MessageState.EXPIRED: 2,
    MessageState.UNDECRYPTABLE: 2,
    MessageState.PURGED: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
}


class MessageReceived(Value, frozen=True):
    """A text for the user; it was stamped, opened, is in the inbox and can be reported.

    ``sender`` is the account that wrote it: another person's, or the user's own where another of the user's devices
    sent it. ``peer`` is the other person of the conversation, None where an own device wrote to somebody whom this
    one doesn't know. ``address`` is the one of ``sender``, None where none is known. ``number`` counts the messages of
    that sending device in the conversation, from 1: a hole in it is a message that has not come. ``verified``: the
    user has compared numbers with the sender. ``forwarded``: the text is somebody else's, shown with a valid stamp.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})
    message: MessageId
    sender: AccountId
    address: Address | None
    device: DeviceId
    peer: AccountId | None
    text: str
    sent_ms: int
    number: int
    class_: Class
    verified: bool
    forwarded: bool


class StateChanged(Value, frozen=True):
    """A message that was sent from here moved on; ``code`` is the relay's where it was refused.

    QUEUED with a code: it waits, for a reason that will pass.
    """

    message: MessageId
    state: MessageState
    code: int | None = None


class GapSeen(Value, frozen=True):
    """The relay will not deliver these numbers of a lane; ``reason`` None: it left them out and did not say why."""

    lane: Lane
    first: int
    last: int
    reason: GapReason | None


class Failure(StrEnum):
    """Why an envelope was not shown."""

    STAMP = "its origin stamp does not check"
    SENDER = "its sender is not among the account's devices"
    SPLIT_VIEW = "its sender's device list and the one that the relay showed here contradict each other"
    SESSION = "it does not open"
    CONTENT = "its content is not what was committed to"
    POISON = "this program ended each time it tried to open it, and does not try any more"


class EnvelopeFailed(Value, frozen=True):
    """An envelope came that could not be shown; it was recorded, reported to the relay and acknowledged."""

    sender: AccountId
    device: DeviceId
    failure: Failure


class ContentUnknown(Value, frozen=True):
    """A message came whose kind this program is too old to show."""

    sender: AccountId
    device: DeviceId
    message: MessageId


class IdentityChanged(Value, frozen=True):
    """An address that is known for one account now names another. Nothing is sent to it until the user accepts."""

    address: Address
    known: AccountId
    offered: AccountId


class DevicesChanged(Value, frozen=True):
    """An account has other devices than before, by a list that it signed."""

    account: AccountId
    added: tuple[DeviceId, ...]
    removed: tuple[DeviceId, ...]


class SessionBegunAnew(Value, frozen=True):
    """A device began a session beside one that was in use: it could not open something, or a thief has its key."""

    account: AccountId
    device: DeviceId
    at_ms: int


class DevicesRefused(Value, frozen=True):
    """The relay showed a device list that is older than, or contradicts, the one known; the known one stays."""

    account: AccountId
    detail: str


class RelayKeyChanged(Value, frozen=True):
    """The relay has a new key, signed by its root; it is used from the next connection on."""

    key_id: KeyId


class RolledBack(Value, frozen=True):
    """The relay says that this device has acknowledged more than it knows of: the store is an old copy."""

    lane: Lane
    floor: int


class RelayRestored(Value, frozen=True):
    """The relay came back from a backup: what it may have lost is sent again."""


class TypingSeen(Value, frozen=True):
    """Somebody writes to the user at this moment."""

    sender: AccountId
    address: Address | None
    device: DeviceId


class QuotaRefused(Value, frozen=True):
    """The mailbox was full: the relay refused so many envelopes. Their senders have them and try again."""

    refused: int


class BlockSettled(Value, frozen=True):
    """The relay refuses an account from now on, or no longer; ``code`` where it would not."""

    account: AccountId
    blocked: bool
    code: int | None


class ReportSettled(Value, frozen=True):
    """The relay keeps a report for the moderators; ``code`` where it would not."""

    message: MessageId
    code: int | None


class ReportHeldUp(Value, frozen=True):
    """The relay takes a report later, and ``code`` says why; it is handed in again by itself."""

    message: MessageId
    code: int


class OrganisationRefused(Value, frozen=True):
    """What the relay shows of an organisation does not lead on from what is known of it; its people have no badge."""

    unit: UnitId


class Drained(Value, frozen=True):
    """Everything that was waiting when the device connected has come."""


class Connected(Value, frozen=True):
    """A connection is open (told by ``Client``)."""


class Disconnected(Value, frozen=True):
    """The connection ended; ``retry_in_s`` None: it is not tried again (told by ``Client``)."""

    reason: str
    retry_in_s: float | None


Event = (
    MessageReceived | StateChanged | GapSeen | EnvelopeFailed | ContentUnknown | IdentityChanged | DevicesChanged
    | DevicesRefused | RelayKeyChanged | RolledBack | RelayRestored | TypingSeen | QuotaRefused | BlockSettled
    | ReportSettled | ReportHeldUp | OrganisationRefused | SessionBegunAnew | Drained | Connected | Disconnected
)  # fmt: skip
