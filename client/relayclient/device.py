"""A device, without a network: commands leave, replies and notices enter, events are told.

The driver (``client.Client``) gives it everything the relay says, in order, and sends everything it hands out. No
asyncio here. The rule of this file: one step is one SQLite transaction that reads all it needs, so that two processes
may use one home; what a method hands out or tells has been committed before, and synced. What is marked * is synced by
``make_last``, once for all that came and is to be said in a turn (decision 0043).

The order of calls on a connection::

    hello() -> HELLO           welcomed(WELCOME) -> events
    then in any order, after each thing that the relay said and whenever something was queued:
    * next_needs() -> commands, next_submits() -> commands, acks() -> commands
    * answered(reply, command), noticed(notice) -> events
    make_last(), and only then these commands are sent and these events told
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from relayclient import (
    answers,
    badges,
    greeting,
    housekeeping,
    inbox,
    membership,
    notified,
    outbox,
    parcels,
    passing,
    people,
    position,
    prekeys,
    relaykeys,
    retelling,
    safety,
    submissions,
)
from relayclient.administration import Administration
from relayclient.badges import Badge
from relayclient.entropy import system_entropy
from relayclient.errors import AlreadyJoined, Cloned, NotJoined
from relayclient.events import Event, MessageReceived, MessageState
from relayclient.flow import Flow
from relayclient.link import Link
from relayclient.linking import Linking
from relayclient.membership import Endpoint, Identity, Shown, Summary
from relayclient.outbox import Outgoing
from relayclient.people import Contact
from relayclient.store.database import FILE_NAME, Step, Store, unless_it_fails
from relayproto.codes import Class
from relayproto.commands import (
    Ack,
    Body,
    Credit,
    DeviceCommand,
    Enrol,
    Ephemeral,
    GetRelayKeys,
    Hello,
    PutPrekeys,
    Register,
    Submit,
)
from relayproto.ids import AccountId, Address, MessageId
from relayproto.invitation import Invitation
from relayproto.notices import Notice
from relayproto.primitives import Entropy
from relayproto.replies import Enrolled, Reply, Welcome

__all__ = ["Contact", "Device", "Endpoint", "Identity", "Outgoing", "Summary"]

WINDOW = Credit(64, 1 << 20)
"""64 messages and 1 MiB under way: fills a line of 10 Mbit/s and half a second."""


class Device(AbstractContextManager["Device"]):
    """One device in one home. Close it, or use it in a ``with`` block."""

    def __init__(self, store: Store) -> None:
        """Take an open store with a device in it; ``create`` and ``open`` make one."""
        self._store = store
        self._link = Link(Flow(WINDOW, (0, 0, 0)))
        self.administration = Administration(store, lambda: self._link)
        self.linking = Linking(store)
        with self._step() as step:
            self._identity = membership.who(step)

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

        Called again for a home where joining was cut off, with the same invitation, it goes on with the same keys; with
        another invitation it begins anew. In a home that has joined, an invitation for the same address at the same
        relay enrols the same account again: a restore of the relay may have lost it. Raises AlreadyJoined,
        HomeUnusable, HomeNotPrivate, PassphraseNeeded, WrongPassphrase.
        """
        if (home / FILE_NAME).exists():
            with unless_it_fails(Store.open(home, passphrase=passphrase, entropy=entropy)) as store:
                with store.step() as step:
                    done, same = membership.joined(step), membership.same_ticket(step, invitation)
                    again = done and membership.come_again(step, invitation, now_ms)
                if again or (same and not done):
                    return cls(store)
            store.close()
            if done:
                raise AlreadyJoined(str(home))
            for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"):
                (home / name).unlink(missing_ok=True)
        with unless_it_fails(Store.create(home, passphrase=passphrase, entropy=entropy)) as store:
            with store.step() as step:
                membership.prepare(step, invitation, now_ms)
            return cls(store)

    @classmethod
    def open(cls, home: Path, *, passphrase: str | None = None, entropy: Entropy = system_entropy) -> "Device":
        """Open a joined device.

        Raises NotJoined, HomeNotPrivate, PassphraseNeeded, WrongPassphrase, StoreDamaged and StoreNewer.
        """
        with unless_it_fails(Store.open(home, passphrase=passphrase, entropy=entropy)) as store:
            with store.step() as step:
                joined = membership.joined(step)
            if not joined:
                raise NotJoined(str(home))
            return cls(store)

    def close(self) -> None:
        """Close the store. Nothing needs saving: every step was committed."""
        self._store.close()

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def _step(self, *, lasting: bool = True) -> AbstractContextManager[Step]:
        return self._store.step(lasting=lasting)

    def enrol_command(self, shown: Shown | None = None) -> Enrol | Register:
        """Return what turns the invitation's ticket, or a code that is shown, into this account; the same each time."""
        with self._step() as step:
            return membership.command(step, shown)

    def enrolled(self, reply: Enrolled) -> None:
        """Take in the relay's answer: the device is joined. Raises RelayUntrusted."""
        with self._step() as step:
            membership.complete(step, reply)
            self._identity = membership.who(step)

    @property
    def identity(self) -> Identity:
        """Who this device is."""
        return self._identity

    def endpoint(self) -> Endpoint:
        """Return where to connect and the newest relay key known."""
        with self._step() as step:
            return membership.endpoint(step)

    def relay_key_is_over(self, now_ms: int) -> bool:
        """Say whether the endpoint's key is past its date, and so must not be connected with."""
        with self._step() as step:
            return relaykeys.is_over(step, now_ms)

    def descriptor(self, descriptor: bytes, now_ms: int) -> list[Event]:
        """Take in a key descriptor that a relay answered a preface with. Raises RelayUntrusted."""
        with self._step() as step:
            relaykeys.keep(step, descriptor)
            return relaykeys.choose(step, now_ms)

    # --- a connection ---------------------------------------------------------------------
    def hello(self, *, window: Credit = WINDOW, build: str = "") -> Hello:
        """Begin a connection: return HELLO; whatever an earlier connection left unfinished starts again.

        ``window`` is how many messages and bytes may be under way. Raises Cloned.
        """
        with self._step() as step:
            if greeting.is_cloned(step):
                raise Cloned
            flow = Flow(window, position.hello_floors(step))
            hello = greeting.hello(step, self._identity, credit=flow.credit(), build=build)
        # Its floors acknowledge, and a process before this one may have been killed between its commit and its sync.
        self._store.sync()
        self._link = Link(flow)
        return hello

    def welcomed(self, welcome: Welcome, now_ms: int) -> list[Event]:
        """Take in WELCOME. Raises Cloned where the relay has recorded submissions that this store never made."""
        with self._step() as step:
            cloned = greeting.found_cloned(step, welcome)
            events = [] if cloned else greeting.welcomed(step, self._link, self._identity, welcome, now_ms)
        if cloned:
            raise Cloned
        return events

    def next_needs(self, now_ms: int) -> list[DeviceCommand]:
        """Return what must be asked or deposited now, each only once until it is answered.

        Call it before ``next_submits``: read receipts and retry requests are put together here.
        """
        link = self._link
        if not link.open:
            return []
        with self._step(lasting=False) as step:
            inbox.tell_read(step, now_ms)
            inbox.ask_for_lost(step, now_ms)
            wanted: list[DeviceCommand] = [] if link.lacking is None else [link.lacking]
            if not link.keys_fetched:
                wanted.append(GetRelayKeys())
            wanted += retelling.needs(step, link)
            wanted += parcels.needs(step, now_ms) + safety.needs(step) + badges.needs(step, link, now_ms)
            if link.left is not None and not link.asking.under_way(PutPrekeys):
                wanted += prekeys.due(step, link.left, now_ms)
        return [command for command in wanted if link.asking.ask(command, now_ms, link.came)]

    def next_submits(self, limit: int, now_ms: int) -> list[Submit | Body]:
        """Return at most ``limit`` submissions to send now, in this order; a BODY goes right before its SUBMIT.

        First those without an answer that this connection has not sent, byte for byte as before; then what is queued
        is sealed, numbered and written to the outbox before it is returned.
        """
        link = self._link
        if not link.open or now_ms < link.not_before_ms:
            return []
        with self._step(lasting=False) as step:
            groups = submissions.stored_after(step, link.sent, limit)
            room = min(limit - len(groups), submissions.room(step))
            if room > 0:
                groups += [submissions.seal(step, batch, now_ms) for batch in parcels.ready(step, room, now_ms)]
            sent = submissions.highest(step) if room > 0 else link.sent
        commands = [command for group in groups for command in group]
        link.sent = max([sent, *(command.submission for command in commands if isinstance(command, Submit))])
        return commands

    def answered(self, reply: Reply, command: DeviceCommand, now_ms: int) -> list[Event]:
        """Take in the answer to a command that was handed out, or any Lookup or GetDevices. Raises RelayUntrusted."""
        with self._step(lasting=False) as step:
            events = answers.take_in(step, self._link, reply, command, now_ms)
        if command == self._link.lacking:
            self._link.lacking = None
        return events + notified.release(self._store, self._link, now_ms)

    def noticed(self, notice: Notice, now_ms: int) -> list[Event]:
        """Take in what the relay says unasked.

        A DELIVER that needs something first (``next_needs``) is held and told of after the answer.
        """
        return notified.take_in(self._store, self._link, notice, now_ms)

    def typing(self, to: Address | AccountId, now_ms: int) -> Ephemeral | None:
        """Return what tells somebody that the user types; None where it was just said or nobody could hear it."""
        if not self._link.open:
            return None
        with self._step() as step:
            return passing.typing(step, self._link, to, now_ms)

    def acks(self) -> list[Ack]:
        """Return the acknowledgements and credit that the relay has not been given yet on this connection."""
        if not self._link.open:
            return []
        with self._step(lasting=False) as step:
            return self._link.flow.acks(step)

    def together(self) -> AbstractContextManager[object]:
        """Let what is called in the block share a transaction: what a connection has to say in a turn, and its wait."""
        return self._step(lasting=False)

    def make_last(self) -> None:
        """Sync what the connection has written, so that it may be told and said; where that is nothing, do nothing."""
        if self._store.unsynced:
            self._store.sync()

    def wait_ms(self, now_ms: int) -> int | None:
        """Return in how many milliseconds ``next_needs`` or ``next_submits`` may have more to give; None: no time."""
        link = self._link
        with self._step(lasting=False) as step:
            parcel_ms = parcels.next_ms(step, now_ms)
        times = [at_ms for at_ms in (link.not_before_ms, link.asking.next_ms(now_ms), parcel_ms) if at_ms is not None]
        return min((at_ms - now_ms for at_ms in times if at_ms > now_ms), default=None)

    def housekeep(self, now_ms: int) -> list[Event]:
        """Drop what is too old to matter and tell what expired in the queue; call it at least once an hour."""
        with self._step() as step:
            return housekeeping.sweep(step, now_ms)

    def empty_log(self) -> bool:
        """Overwrite and empty the store's log, where deleted keys live on, twice a minute; False: not now."""
        return self._store.empty_log()

    # --- people ---------------------------------------------------------------------------
    def queue(
        self, to: Address | AccountId, text: str, *, now_ms: int, class_: Class = Class.CHAT, ttl_s: int | None = None
    ) -> MessageId:
        """Put a text into the outbox. An Address is a str, an AccountId 32 bytes.

        Raises BadAddress, TextEmpty, TextTooLong, BadLifetime, ToYourself.
        """
        with self._step() as step:
            return outbox.queue_text(step, to, text, now_ms=now_ms, class_=class_, ttl_s=ttl_s)

    def mark_read(self, messages: Iterable[MessageId], now_ms: int) -> None:
        """Note that the user has seen these; their senders are told, many in one receipt."""
        with self._step() as step:
            for message in messages:
                inbox.mark_read(step, message, now_ms)

    def state_of(self, message: MessageId) -> tuple[MessageState, int | None] | None:
        """Return the state and the refusal's code of a text that was queued here, None for an unknown one."""
        with self._step() as step:
            return outbox.state_of(step, message)

    def history(self, message: MessageId) -> list[tuple[MessageState, int]]:
        """Return the states that a text of this device's reached, each with its time (unix ms), in order."""
        with self._step() as step:
            return outbox.history(step, message)

    def outbox(self, limit: int = 50) -> list[Outgoing]:
        """Return the newest texts that were queued here, newest first."""
        with self._step() as step:
            return outbox.newest(step, limit)

    def inbox(self, limit: int = 50, *, unread: bool = False) -> list[MessageReceived]:
        """Return the newest texts received, newest first."""
        with self._step() as step:
            return inbox.newest(step, limit, unread=unread)

    def contacts(self) -> list[Contact]:
        """Return every account that this device knows, but its own."""
        with self._step() as step:
            return people.everybody(step)

    def contact(self, who: Address | AccountId) -> Contact:
        """Return one. Raises UnknownContact."""
        with self._step() as step:
            return people.find(step, who)

    def badge(self, account: AccountId, now_ms: int) -> Badge | None:
        """Return what is attested of an account, or why that is doubted; None for nothing."""
        with self._step() as step:
            return badges.badge(step, account, now_ms)

    def safety_number(self, account: AccountId) -> str:
        """Return the 60 digits to compare with that person. Raises UnknownContact."""
        with self._step() as step:
            return people.safety_number(step, account)

    def verification_code(self, account: AccountId) -> bytes:
        """Return the bytes of the QR code to show to that person. Raises UnknownContact."""
        with self._step() as step:
            return people.verification_code(step, account)

    def verify(self, account: AccountId, scanned: bytes | None = None) -> bool:
        """Note that the numbers were compared; with a scanned code only if it matches. Returns whether it did."""
        with self._step() as step:
            return people.verify(step, account, scanned)

    def accept_identity(self, address: Address, offered: AccountId) -> None:
        """Let an address name the account that was offered for it (IdentityChanged).

        Raises UnknownContact where that one is not, or no longer, what is offered.
        """
        with self._step() as step:
            people.accept(step, Address(address.strip().lower()), offered)

    def block(self, account: AccountId, *, blocked: bool = True) -> None:
        """Show nothing more of an account, or again; the relay is told as soon as it can be (BlockSettled)."""
        with self._step() as step:
            safety.block(step, account, blocked=blocked)

    def moderated(self, now_ms: int) -> bool:
        """Say whether the relay has moderators who could open a report."""
        with self._step() as step:
            return bool(relaykeys.moderators(step, now_ms))

    def report(self, received: MessageReceived, now_ms: int) -> int:
        """Seal a message of the inbox for the moderators; return its number. Raises NoModerators. (ReportSettled)."""
        with self._step() as step:
            return safety.report(step, received, now_ms)

    def report_state(self, number: int) -> tuple[bool, int | None]:
        """Return whether a report still waits, and the relay's code where it did not take it, for good or for now."""
        with self._step() as step:
            return safety.report_state(step, number)

    def summary(self) -> Summary:
        """Return how this device stands."""
        with self._step() as step:
            return Summary(*outbox.counts(step), inbox.unread(step), len(people.everybody(step)))
