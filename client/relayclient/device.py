"""A device, without a network: commands leave, replies and notices enter, events are told.

The driver (``client.Client``) gives it everything the relay says, in order, and sends everything it hands out. No
asyncio here. The rule of this file: one step is one SQLite transaction that reads all it needs, so that two processes
may use one home, and what a method hands out or tells has been committed before.

The order of calls on a connection::

    hello() -> HELLO           welcomed(WELCOME) -> events
    then in any order, after each thing that the relay said and whenever something was queued:
    next_needs() -> commands, next_submits() -> commands, acks() -> commands
    answered(reply, command), noticed(notice) -> events
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from relayclient.entropy import system_entropy
from relayclient.events import Event, MessageReceived, MessageState
from relayproto.codes import Class
from relayproto.commands import Ack, Body, Credit, DeviceCommand, Enrol, Hello, Submit
from relayproto.identity import DeviceList
from relayproto.ids import AccountId, Address, DeviceId, KeyId, MessageId
from relayproto.invitation import Invitation
from relayproto.notices import Notice
from relayproto.primitives import Entropy
from relayproto.replies import Enrolled, Reply, Welcome


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the relay is and which key it must show."""

    host: str
    port: int
    key_id: KeyId
    key: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this device is; ``static_key`` is its private X25519 key for the handshake with the relay."""

    account: AccountId
    device: DeviceId
    address: Address
    static_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A text that was queued here, as the outbox shows it. ``peer`` is None until its address was looked up."""

    message: MessageId
    peer: AccountId | None
    address: Address | None
    text: str = field(repr=False)
    queued_ms: int
    class_: Class
    state: MessageState
    code: int | None


@dataclass(frozen=True, slots=True)
class Contact:
    """An account that this device knows. ``offered`` is the account that its address names now, where that differs."""

    account: AccountId
    address: Address | None
    devices: DeviceList | None
    verified: bool
    offered: AccountId | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How this device stands: counts of messages waiting to go, accepted and not yet delivered, unread."""

    waiting: int
    under_way: int
    unread: int
    contacts: int


class Device:
    """One device in one home. Close it, or use it in a ``with`` block."""

    # --- a home ---------------------------------------------------------------------------
    @classmethod
    def create(
        cls,
        home: Path,
        invitation: Invitation,
        *,
        now_ms: int,
        passphrase: str | None = None,
        entropy: Entropy = system_entropy,
    ) -> "Device":
        """Make the keys of a new account and device; it is joined once ``enrolled`` has been called.

        Called again for a home where joining was cut off, with the same invitation, it goes on with the same keys.
        Raises AlreadyJoined, HomeUnusable, HomeNotPrivate, PassphraseNeeded, WrongPassphrase.
        """
        ...

    @classmethod
    def open(cls, home: Path, *, passphrase: str | None = None, entropy: Entropy = system_entropy) -> "Device":
        """Open a joined device. Raises NotJoined, and the errors of ``create``, StoreDamaged and StoreNewer."""
        ...

    def close(self) -> None:
        """Close the store. Nothing needs saving: every step was committed."""
        ...

    def enrol_command(self) -> Enrol:
        """Return what turns the invitation's ticket into this account; the same each time."""
        ...

    def enrolled(self, reply: Enrolled) -> None:
        """Take in the relay's answer: the device is joined. Raises RelayUntrusted."""
        ...

    @property
    def identity(self) -> Identity:
        """Who this device is."""
        ...

    def endpoint(self) -> Endpoint:
        """Return where to connect and the newest relay key known."""
        ...

    def descriptor(self, descriptor: bytes, now_ms: int) -> list[Event]:
        """Take in a key descriptor that a relay answered a preface with. Raises RelayUntrusted."""
        ...

    # --- a connection ---------------------------------------------------------------------
    def hello(self, *, window: Credit = Credit(64, 1 << 20), build: str = "") -> Hello:
        """Begin a connection: return HELLO; whatever an earlier connection left unfinished starts again.

        ``window`` is how many messages and bytes may be under way. Raises Cloned.
        """
        ...

    def welcomed(self, welcome: Welcome, now_ms: int) -> list[Event]:
        """Take in WELCOME. Raises Cloned where the relay has recorded submissions that this store never made."""
        ...

    def next_needs(self, now_ms: int) -> list[DeviceCommand]:
        """Return what must be asked or deposited now; each only once a connection until it is answered."""
        ...

    def next_submits(self, limit: int, now_ms: int) -> list[Submit | Body]:
        """Return at most ``limit`` submissions to send now, in this order; a BODY goes right before its SUBMIT.

        First those without an answer that this connection has not sent, byte for byte as before; then what is queued
        is sealed, numbered and written to the outbox before it is returned.
        """
        ...

    def answered(self, reply: Reply, command: DeviceCommand, now_ms: int) -> list[Event]:
        """Take in the relay's answer to a command that this device handed out (or any Lookup or GetDevices)."""
        ...

    def noticed(self, notice: Notice, now_ms: int) -> list[Event]:
        """Take in what the relay says unasked: DELIVER, GAP, OUTCOME, DRAINED, PREKEYS_LOW, ROLLED_BACK, NEW_EPOCH.

        A DELIVER that needs something first (``next_needs``) is held and told of after the answer.
        """
        ...

    def acks(self) -> list[Ack]:
        """Return the acknowledgements and credit that the relay has not been given yet on this connection."""
        ...

    def wait_ms(self, now_ms: int) -> int | None:
        """Return in how many milliseconds ``next_needs`` or ``next_submits`` may have more to give; None: no time."""
        ...

    def housekeep(self, now_ms: int) -> list[Event]:
        """Drop what is too old to matter and tell what expired in the queue; call it at least once an hour."""
        ...

    # --- people ---------------------------------------------------------------------------
    def queue(
        self, to: Address | AccountId, text: str, *, now_ms: int, class_: Class = Class.CHAT, ttl_s: int | None = None
    ) -> MessageId:
        """Put a text into the outbox. An Address is a str, an AccountId 32 bytes.

        Raises BadAddress, TextEmpty, TextTooLong, BadLifetime, ToYourself.
        """
        ...

    def mark_read(self, messages: Iterable[MessageId], now_ms: int) -> None:
        """Note that the user has seen these; their senders are told, many in one receipt."""
        ...

    def state_of(self, message: MessageId) -> tuple[MessageState, int | None] | None:
        """Return the state and the refusal's code of a message that was queued here, None for an unknown one."""
        ...

    def outbox(self, limit: int = 50) -> list[Outgoing]:
        """Return the newest texts that were queued here, newest first."""
        ...

    def inbox(self, limit: int = 50, *, unread: bool = False) -> list[MessageReceived]:
        """Return the newest texts received, newest first."""
        ...

    def contacts(self) -> list[Contact]:
        """Return every account that this device knows, but its own."""
        ...

    def contact(self, who: Address | AccountId) -> Contact:
        """Return one. Raises UnknownContact."""
        ...

    def safety_number(self, account: AccountId) -> str:
        """Return the 60 digits to compare with that person. Raises UnknownContact."""
        ...

    def verification_code(self, account: AccountId) -> bytes:
        """Return the bytes of the QR code to show to that person. Raises UnknownContact."""
        ...

    def verify(self, account: AccountId, scanned: bytes | None = None) -> bool:
        """Note that the numbers were compared; with a scanned code only if it matches. Returns whether it did."""
        ...

    def accept_identity(self, address: Address) -> None:
        """Let an address name the account that was offered for it (IdentityChanged). Raises UnknownContact."""
        ...

    def summary(self) -> Summary:
        """Return how this device stands."""
        ...
