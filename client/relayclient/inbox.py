"""What comes: an envelope is judged, opened and taken in, once.

A DELIVER enters; events leave, or ``Lacking`` with what must be asked first. The rule of this file: nothing is written
before everything has been checked; then session, message, marks and position are written in one step, so that an
acknowledged envelope is in the inbox and none is there twice (spec 50 §3, 60 §8).
"""

from collections.abc import Callable
from typing import Final, assert_never

from relayclient import contacts, outbox, position, relaykeys, resends, sessions
from relayclient.events import ContentUnknown, EnvelopeFailed, Event, Failure, MessageReceived
from relayclient.link import Lacking
from relayclient.store.database import Row, Step
from relayproto import stamp
from relayproto.codes import Class
from relayproto.commands import GetDevices, GetRelayKeys
from relayproto.e2e import body
from relayproto.e2e.body import Opened
from relayproto.e2e.commitment import Context, conversation_id
from relayproto.e2e.content import Read, Retry, Text, Unknown
from relayproto.e2e.handshake import NewerList
from relayproto.e2e.session import Peer, Received
from relayproto.e2e.wrap import is_withheld, read_wrapped
from relayproto.errors import CryptoFailure
from relayproto.identity import DeviceList, SplitView
from relayproto.ids import AccountId, DeviceId, MessageId
from relayproto.limits import DEDUPE_DAYS, READ_MAX
from relayproto.notices import Deliver
from relayproto.packed import pack

_DAY_MS: Final = 86_400_000
UNREAD: Final = 0
TO_TELL: Final = 1
TOLD: Final = 2
"""Whether the user has seen a text, and its sender been told.

Whoever asks for less than TOLD says ``told < 2`` as well: only by these very words SQLite knows that the index of what
is not told (inbox_told) has all that is asked for. It would go through the whole inbox.
"""


class _Unshown(Exception):  # noqa: N818 - an outcome, caught in this file
    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


def take_in(step: Step, delivered: Deliver, now_ms: int, fetched: Callable[[AccountId | None], bool]) -> list[Event]:
    """Deal with one envelope and note it in its lane.

    ``fetched`` says of an account whether what the relay has was asked for after this envelope came, or of None whether
    the relay's keys were on this connection: only then is what doesn't fit a failure. Raises Lacking, and then nothing
    was written.
    """
    lane, sequence = delivered.lane, delivered.sequence
    if position.read(step, lane).holds(sequence):
        return []
    if delivered.expires_ms <= now_ms or _seen(step, delivered, delivered.commitment):
        position.cover(step, lane, sequence, sequence)
        return []
    try:
        received, opened = _open(step, delivered, now_ms, fetched)
    except _Unshown as unshown:
        return _unopened(step, delivered, unshown.failure, now_ms)
    if opened is None:
        position.cover_unopened(step, lane, sequence)
        return sessions.commit(step, received, now_ms)
    if delivered.pass_:
        contacts.keep_pass(step, delivered.sender, delivered.pass_)
    position.cover(step, lane, sequence, sequence)
    events = sessions.commit(step, received, now_ms, answer=isinstance(opened.content, Retry))
    sessions.found(step, delivered)
    _mark(step, delivered, delivered.commitment, now_ms)
    if _seen(step, delivered, opened.context.message) or _shown_before(step, opened.context):
        return events
    _mark(step, delivered, opened.context.message, now_ms)
    return events + _meant(step, delivered, opened, now_ms)


def _open(
    step: Step, delivered: Deliver, now_ms: int, fetched: Callable[[AccountId | None], bool]
) -> tuple[Received, Opened | None]:
    """Check everything and write nothing; None for a content that its sender keeps from this device."""
    keys = relaykeys.known(step)
    try:
        stamp.check_known(delivered.stamp, delivered.commitment, keys)
    except CryptoFailure:
        _ask_unless(fetched(None), GetRelayKeys())
        raise _Unshown(Failure.STAMP) from None
    own = step.setting("account")
    if not contacts.version(step, own):
        # A device is let in without its account's list, and what waits for it may come before the list does.
        _ask_unless(fetched(own), GetDevices(own))
        raise _Unshown(Failure.SESSION)
    newest = _sender(step, delivered, fetched)
    try:
        received = sessions.opened(step, delivered, newest, now_ms)
    except NewerList:
        _ask_unless(fetched(delivered.sender), GetDevices(delivered.sender, delivered.pass_))
        raise _Unshown(Failure.SENDER) from None
    except SplitView:
        raise _Unshown(Failure.SPLIT_VIEW) from None
    except CryptoFailure:
        raise _Unshown(Failure.SESSION) from None
    if is_withheld(received.plaintext):
        return received, None
    try:
        peer = Peer(delivered.sender, delivered.sender_device)
        opened = body.open_body(delivered, read_wrapped(received.plaintext), peer, keys)
    except CryptoFailure:
        raise _Unshown(Failure.CONTENT) from None
    if delivered.sender != own and opened.context.conversation != conversation_id(own, delivered.sender):
        raise _Unshown(Failure.CONTENT)
    return received, opened


def _ask_unless(fetched: bool, command: GetDevices | GetRelayKeys) -> None:  # noqa: FBT001 - reads as a sentence
    if not fetched:
        raise Lacking(command)


def _sender(step: Step, delivered: Deliver, fetched: Callable[[AccountId | None], bool]) -> DeviceList:
    newest = contacts.devices(step, delivered.sender)
    ourselves = (delivered.sender, delivered.sender_device) == (step.setting("account"), step.setting("device"))
    if newest is not None and newest.entry(delivered.sender_device) is not None and not ourselves:
        return newest
    _ask_unless(fetched(delivered.sender) or ourselves, GetDevices(delivered.sender, delivered.pass_))
    raise _Unshown(Failure.SENDER)


def refuse(step: Step, delivered: Deliver) -> list[Event]:
    """Leave an envelope alone that this program can't deal with, and note it in its lane."""
    if position.read(step, delivered.lane).holds(delivered.sequence):
        return []
    position.cover_unopened(step, delivered.lane, delivered.sequence)
    return [EnvelopeFailed(delivered.sender, delivered.sender_device, Failure.POISON)]


def _unopened(step: Step, delivered: Deliver, failure: Failure, now_ms: int) -> list[Event]:
    sender, device = delivered.sender, delivered.sender_device
    position.cover_unopened(step, delivered.lane, delivered.sequence)
    if failure is Failure.SESSION:
        sessions.lost(step, delivered, now_ms)
    return [EnvelopeFailed(sender, device, failure)]


def _meant(step: Step, delivered: Deliver, opened: Opened, now_ms: int) -> list[Event]:
    """Do what the content means."""
    context, said = opened.context, opened.content
    match said:
        case Text() | Unknown() if contacts.is_blocked(step, context.sender):
            return []
        case Text():
            return [_shown(step, _insert(step, delivered, opened, said))]
        case Read():
            return outbox.read_by(step, context.sender, said.messages, now_ms)
        case Retry():
            resends.named(step, context.sender, context.device, said.commitments, now_ms)
            if sessions.may_heed(step, context.sender, context.device, now_ms):
                resends.since(step, context.sender, context.device, said.since_ms, now_ms)
            return []
        case Unknown():
            return [ContentUnknown(context.sender, context.device, context.message)]
        case _ as never:
            assert_never(never)


def _insert(step: Step, delivered: Deliver, opened: Opened, said: Text) -> Row:
    context = opened.context
    own = context.sender == step.setting("account")
    peer = contacts.account_in(step, context.conversation) if own else context.sender
    evidence = opened.forward().original
    place = (context.sender, context.device.to_bytes(4), context.message)
    proof = pack(evidence.content, evidence.hidden, evidence.opening, evidence.commitment, evidence.stamp)
    cursor = step.run(
        "INSERT INTO inbox (id, sender, device, peer, class, sent_ms, number, forwarded, told, sealed_text,"
        " sealed_evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        context.message, context.sender, context.device, peer, delivered.class_, context.sent_ms, said.number,
        opened.origin is not None, TOLD if own else UNREAD, step.seal(said.text.encode(), b"text", *place),
        step.seal(proof, b"evidence", *place),
    )  # fmt: skip
    return step.rows(f"SELECT {_COLUMNS} FROM inbox WHERE row = ?", cursor.lastrowid)[0]  # noqa: S608 - our own words


_COLUMNS: Final = "id, sender, device, peer, class, sent_ms, number, forwarded, sealed_text"


def _shown(step: Step, row: Row) -> MessageReceived:
    message, sender, device, peer, class_, sent_ms, number, forwarded, sealed = row
    return MessageReceived(
        message=MessageId(message),
        sender=AccountId(sender),
        address=contacts.address_of(step, sender),
        device=DeviceId(device),
        peer=peer,
        text=step.open(sealed, b"text", sender, device.to_bytes(4), message).decode(),
        sent_ms=sent_ms,
        number=number,
        class_=Class(class_),
        verified=contacts.verified(step, sender),
        forwarded=bool(forwarded),
    )


def newest(step: Step, limit: int, *, unread: bool) -> list[MessageReceived]:
    """Return the newest texts, newest first."""
    where = "WHERE told = 0 AND told < 2" if unread else ""
    query = f"SELECT {_COLUMNS} FROM inbox {where} ORDER BY row DESC LIMIT ?"  # noqa: S608 - our own words
    return [_shown(step, row) for row in step.rows(query, limit)]


def unread(step: Step) -> int:
    """Return how many texts the user has not seen."""
    return step.number("SELECT COUNT(*) FROM inbox WHERE told = ? AND told < 2", UNREAD)


def mark_read(step: Step, message: MessageId, now_ms: int) -> None:
    """Note that the user has seen a text."""
    step.run("UPDATE inbox SET told = ?, read_ms = ? WHERE id = ? AND told = ?", TO_TELL, now_ms, message, UNREAD)


def tell_read(step: Step, now_ms: int) -> None:
    """Queue read receipts for everything seen since the last time: one for up to READ_MAX texts of a sender."""
    for (sender,) in step.rows("SELECT DISTINCT sender FROM inbox WHERE told = ? AND told < 2", TO_TELL):
        seen = "SELECT id, read_ms FROM inbox WHERE told = ? AND told < 2 AND sender = ? ORDER BY row"
        rows = step.rows(seen, TO_TELL, sender)
        for at in range(0, len(rows), READ_MAX):
            batch = rows[at : at + READ_MAX]
            messages = tuple(MessageId(message) for message, _ in batch)
            outbox.queue_control(step, sender, Read(messages, max(read_ms for _, read_ms in batch)), now_ms)
    step.run("UPDATE inbox SET told = ? WHERE told = ? AND told < 2", TOLD, TO_TELL)


def ask_for_lost(step: Step, now_ms: int) -> None:
    """Queue retry requests for what was not opened (spec 60 §5)."""
    for account in sessions.to_ask(step, now_ms):
        outbox.queue_control(step, account, Retry(now_ms - resends.RESEND_MS, ()), now_ms)


def _seen(step: Step, delivered: Deliver, mark: bytes) -> bool:
    query = "SELECT 1 FROM seen WHERE sender = ? AND device = ? AND mark = ?"
    return step.row(query, delivered.sender, delivered.sender_device, mark) is not None


def _shown_before(step: Step, context: Context) -> bool:
    """Say whether a text of that id is in the inbox: it stays there for longer than the marks."""
    query = "SELECT 1 FROM inbox WHERE sender = ? AND device = ? AND id = ?"
    return step.row(query, context.sender, context.device, context.message) is not None


def _mark(step: Step, delivered: Deliver, mark: bytes, now_ms: int) -> None:
    step.run(
        "INSERT INTO seen (sender, device, mark, seen_ms) VALUES (?, ?, ?, ?)",
        delivered.sender, delivered.sender_device, mark, now_ms,
    )  # fmt: skip


def forget(step: Step, now_ms: int) -> None:
    """Forget the marks of what can't come again (spec 50 §3: 37 days)."""
    step.run("DELETE FROM seen WHERE seen_ms < ?", now_ms - DEDUPE_DAYS * _DAY_MS)
