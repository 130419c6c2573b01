"""What is sent from here: messages, and the parcels in which each goes to an account.

Texts, receipts and retry requests enter; the states that people see leave. The rule of this file: a row is there
before anything is sent, and a state only rises (events.MessageState).
"""

from typing import ClassVar, Final

from relayclient import contacts, sessions
from relayclient.errors import BadAddress, BadLifetime, TextEmpty, TextTooLong, ToYourself
from relayclient.events import Event, MessageState, StateChanged
from relayclient.store.database import Row, Step
from relayproto.codes import Class
from relayproto.e2e import content
from relayproto.e2e.content import Read, Retry, Text
from relayproto.ids import AccountId, Address, MessageId
from relayproto.limits import LIFETIME_S_DEFAULT, LIFETIME_S_MAX, TEXT_BYTES_MAX
from relayproto.value import Value

WAITING: Final = 0
SUBMITTED: Final = 1
ACCEPTED: Final = 2
ENDED: Final = 3
"""The states of a parcel."""

_S: Final = 1000
_ID_BYTES: Final = 16


class Outgoing(Value, frozen=True):
    """A text that was queued here, as the outbox shows it. ``peer`` is None until its address was looked up."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})
    message: MessageId
    peer: AccountId | None
    address: Address | None
    text: str
    queued_ms: int
    class_: Class
    state: MessageState
    code: int | None


def queue_text(
    step: Step, to: Address | AccountId, text: str, *, now_ms: int, class_: Class, ttl_s: int | None
) -> MessageId:
    """Queue a text for the account, or for whichever account the address names. Raises what ``Device.queue`` says."""
    if not text:
        raise TextEmpty
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise TextTooLong(f"{len(text.encode())} bytes, {TEXT_BYTES_MAX} fit")
    ttl_s = LIFETIME_S_DEFAULT[class_] if ttl_s is None else ttl_s
    if not 0 < ttl_s <= LIFETIME_S_MAX[class_]:
        raise BadLifetime(f"1 to {LIFETIME_S_MAX[class_]} seconds")
    account, address = _recipient(step, to)
    if account == step.setting("account"):
        raise ToYourself
    # The number is given when the content is sealed: only then is the conversation known for sure.
    packed = content.encode(Text(text, 0))
    return _insert(step, account, address, packed, is_text=True, now_ms=now_ms, class_=class_, ttl_s=ttl_s)


def queue_control(step: Step, account: AccountId, said: Read | Retry, now_ms: int) -> None:
    """Queue what devices say to each other without a person: a read receipt or a retry request.

    What a retry request names is put in when it is sealed: until then more may turn out to be lost.
    """
    packed, ttl_s = content.encode(said), LIFETIME_S_DEFAULT[Class.RECEIPT]
    _insert(step, account, None, packed, is_text=False, now_ms=now_ms, class_=Class.RECEIPT, ttl_s=ttl_s)


def _recipient(step: Step, to: Address | AccountId) -> tuple[AccountId | None, Address | None]:
    if isinstance(to, bytes):
        return AccountId(to), None
    address = Address(to.strip().lower())
    if not contacts.plausible(address):
        raise BadAddress(to)
    return contacts.named(step, address), address


def _insert(
    step: Step,
    account: AccountId | None,
    address: Address | None,
    packed: bytes,
    *,
    is_text: bool,
    now_ms: int,
    class_: Class,
    ttl_s: int,
) -> MessageId:
    message = MessageId(step.entropy(_ID_BYTES))
    row = step.run(
        "INSERT INTO message (id, account, address, is_text, class, queued_ms, expires_ms, state, sealed_content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        message, account, address, is_text, class_, now_ms, now_ms + ttl_s * _S, MessageState.QUEUED,
        step.seal(packed, b"message", message),
    ).lastrowid  # fmt: skip
    _note_state(step, row, MessageState.QUEUED, now_ms)
    insert = "INSERT INTO parcel (message, own, account, address) VALUES (?, ?, ?, ?)"
    step.run(insert, row, 0, account, address)
    own = step.setting("account")
    mine = contacts.devices(step, own)
    if is_text and mine is not None and sessions.others(step, mine):
        step.run(insert, row, 1, own, None)
    return message


def addressed(step: Step, address: Address) -> None:
    """Give the account that an address is pinned to to everything that waits for it."""
    account = contacts.named(step, address)
    step.run("UPDATE message SET account = ? WHERE address = ? AND account IS NULL", account, address)
    step.run("UPDATE parcel SET account = ? WHERE address = ? AND account IS NULL", account, address)


def readdressed(step: Step, address: Address) -> None:
    """Let everything that waits for an address go to the account that the user has accepted for it."""
    account = contacts.named(step, address)
    step.run(
        "UPDATE message SET account = ?, sealed_envelope = NULL, commitment = NULL WHERE row IN"
        " (SELECT message FROM parcel WHERE address = ? AND state = ?)",
        account, address, WAITING,
    )  # fmt: skip
    step.run("UPDATE parcel SET account = ? WHERE address = ? AND state = ?", account, address, WAITING)


def refuse_waiting(step: Step, column: str, value: str | bytes, code: int, now_ms: int) -> list[Event]:
    """End everything that waits for an ``address`` or an ``account`` (the column), with the relay's code."""
    found = step.rows(f"SELECT row FROM parcel WHERE state = 0 AND {column} = ?", value)  # noqa: S608 - our own word
    events = [event for (row,) in found for event in refuse_parcel(step, row, code, now_ms)]
    # The copies for the user's other devices waited to learn whom they are to.
    step.run(
        "UPDATE parcel SET state = ? WHERE state = ? AND own AND message IN"
        " (SELECT row FROM message WHERE account IS NULL AND state = ?)",
        ENDED, WAITING, MessageState.REFUSED,
    )  # fmt: skip
    return events


def advance(step: Step, message_row: int, state: MessageState, now_ms: int, code: int | None = None) -> list[Event]:
    """Raise a message's state; tell of it where it is a text's and did rise."""
    message, text, before = step.rows("SELECT id, is_text, state FROM message WHERE row = ?", message_row)[0]
    if state.rank <= MessageState(before).rank:
        return []
    step.run("UPDATE message SET state = ?, code = ? WHERE row = ?", state, code, message_row)
    _note_state(step, message_row, state, now_ms)
    return [StateChanged(MessageId(message), state, code)] if text else []


def accept_parcel(step: Step, row: int, now_ms: int) -> list[Event]:
    """Note that the relay has stored a parcel; one that a retry request asked for meanwhile waits again."""
    step.run(
        "UPDATE parcel SET state = CASE WHEN again THEN 0 ELSE MAX(state, ?) END, again = 0, attempts = 0, stored = 1"
        " WHERE row = ?",
        ACCEPTED, row,
    )  # fmt: skip
    return _advance_parcel(step, row, MessageState.ACCEPTED, now_ms)


def writable(step: Step, account: AccountId) -> None:
    """Let everything that waits to be submitted again to an account go now: its mailbox has room."""
    step.run(
        "UPDATE parcel SET not_before_ms = 0 WHERE account = ? AND state = ? AND not_before_ms > 0", account, WAITING
    )


def hold_up(step: Step, row: int, code: int) -> list[Event]:
    """Note why a message still waits; tell of it where that is news."""
    message, own = step.rows("SELECT message, own FROM parcel WHERE row = ?", row)[0]
    changed = step.run(
        "UPDATE message SET code = ?1 WHERE row = ?2 AND is_text AND state = ?3 AND code IS NOT ?1",
        code, message, MessageState.QUEUED,
    )  # fmt: skip
    if own or not changed.rowcount:
        return []
    id_ = step.rows("SELECT id FROM message WHERE row = ?", message)[0][0]
    return [StateChanged(MessageId(id_), MessageState.QUEUED, code)]


def wait_again(step: Step, row: int, not_before_ms: int) -> None:
    """Let a parcel wait for another submission, not before a time."""
    step.run(
        "UPDATE parcel SET state = ?, again = 0, attempts = attempts + 1, not_before_ms = ? WHERE row = ?",
        WAITING, not_before_ms, row,
    )  # fmt: skip


def settle_parcel(step: Step, row: int, state: MessageState, now_ms: int) -> list[Event]:
    """Note the outcome of a parcel, unless a retry request has let it go again meanwhile."""
    step.run(
        "UPDATE parcel SET state = ? WHERE row = ? AND state IN (?, ?) AND NOT again", ENDED, row, SUBMITTED, ACCEPTED
    )
    return _advance_parcel(step, row, state, now_ms)


def refuse_parcel(step: Step, row: int, code: int, now_ms: int) -> list[Event]:
    """Note that the relay will never take a parcel."""
    step.run("UPDATE parcel SET state = ?, again = 0 WHERE row = ?", ENDED, row)
    return _advance_parcel(step, row, MessageState.REFUSED, now_ms, code)


def _advance_parcel(step: Step, row: int, state: MessageState, now_ms: int, code: int | None = None) -> list[Event]:
    message, own = step.rows("SELECT message, own FROM parcel WHERE row = ?", row)[0]
    return [] if own else advance(step, message, state, now_ms, code)


def _note_state(step: Step, message_row: int | None, state: MessageState, now_ms: int) -> None:
    step.run("INSERT OR IGNORE INTO message_state (message, state, at_ms) VALUES (?, ?, ?)", message_row, state, now_ms)


def read_by(step: Step, reader: AccountId, messages: tuple[MessageId, ...], now_ms: int) -> list[Event]:
    """Note that an account says that it has read these; only those that were sent to it count."""
    events: list[Event] = []
    for message in messages:
        found = step.row("SELECT row FROM message WHERE id = ? AND account = ? AND is_text", message, reader)
        if found:
            events += advance(step, found[0], MessageState.READ, now_ms)
    return events


def expire(step: Step, now_ms: int) -> list[Event]:
    """End what has waited longer than it may live."""
    found = step.rows(
        "SELECT parcel.row FROM parcel JOIN message ON message.row = parcel.message"
        " WHERE parcel.state = 0 AND message.expires_ms <= ?",
        now_ms,
    )
    events = []
    for (row,) in found:
        step.run("UPDATE parcel SET state = ? WHERE row = ?", ENDED, row)
        events += _advance_parcel(step, row, MessageState.EXPIRED, now_ms)
    return events


def forget_control(step: Step, before_ms: int) -> None:
    """Delete receipts and retry requests that were queued before a time."""
    step.run("DELETE FROM message WHERE is_text = 0 AND queued_ms < ?", before_ms)


def state_of(step: Step, message: MessageId) -> tuple[MessageState, int | None] | None:
    """Return the state of a text that was queued here."""
    found = step.row("SELECT state, code FROM message WHERE id = ? AND is_text", message)
    return (MessageState(found[0]), found[1]) if found else None


def counts(step: Step) -> tuple[int, int]:
    """Return how many texts wait to be taken by the relay, and how many it has taken and not yet delivered."""
    count = "SELECT COUNT(*) FROM message WHERE is_text AND state = ?"
    return step.number(count, MessageState.QUEUED), step.number(count, MessageState.ACCEPTED)


def history(step: Step, message: MessageId) -> list[tuple[MessageState, int]]:
    """Return the states that a text has reached and when (unix ms), in order."""
    rows = step.rows(
        "SELECT message_state.state, at_ms FROM message_state JOIN message ON message.row = message_state.message"
        " WHERE id = ? AND is_text",
        message,
    )
    reached = [(MessageState(state), at_ms) for state, at_ms in rows]
    return sorted(reached, key=lambda state_at: (state_at[1], state_at[0].rank))


def newest(step: Step, limit: int) -> list[Outgoing]:
    """Return the newest texts, newest first."""
    rows = step.rows(
        "SELECT id, account, address, sealed_content, queued_ms, class, state, code FROM message WHERE is_text"
        " ORDER BY row DESC LIMIT ?",
        limit,
    )
    return [_outgoing(step, row) for row in rows]


def _outgoing(step: Step, row: Row) -> Outgoing:
    message, account, address, sealed, queued_ms, class_, state, code = row
    said = content.decode(step.open(sealed, b"message", message))
    text = said.text if isinstance(said, Text) else ""
    if address is None and account is not None:
        address = contacts.address_of(step, account)
    return Outgoing(message, account, address, text, queued_ms, Class(class_), MessageState(state), code)
