"""Numbered submissions: sealed, kept until answered, repeated byte for byte, and their outcomes.

Batches of parcels enter and SUBMITs leave; the relay's answers enter and states move. The rule of this file: a number
is used once in a ledger's epoch, for one frame that was stored before it was sent; and what has no recorded outcome is
sent again, never anew (spec 50 §2).
"""

from typing import Annotated, Final

from msgspec.structs import replace

from relayclient import contacts, outbox, resends, sessions
from relayclient.events import Event, MessageState
from relayclient.parcels import Parcel
from relayclient.store.database import Step
from relayproto import message
from relayproto.codes import Class, Code, CodeRange, Result, SubmitFlag, range_of
from relayproto.commands import Body, Submit, Target, Wrap
from relayproto.e2e import body, content
from relayproto.e2e.commitment import Context, conversation_id
from relayproto.e2e.content import Read, Retry, Text
from relayproto.e2e.wrap import UNSEALED, WRAPPED_BYTES, Wrapped, read_wrapped, withheld
from relayproto.fields import octets_up_to
from relayproto.ids import AccountId, MessageId
from relayproto.limits import BODY_BYTES_MAX, BODY_HANDLES_MAX, FRAME_BYTES_MAX, LIFETIME_S_MAX, UNANSWERED_MAX
from relayproto.packed import pack, unpack
from relayproto.replies import Submitted
from relayproto.value import Packable

_OVERHEAD_BYTES: Final = 1024
"""More than everything of a SUBMIT but body and wraps takes: two accounts, sixteen devices, lengths."""
_BACKOFF_MS: Final = 1_000
_BACKOFF_MAX_MS: Final = 300_000
_ATTEMPTS_MAX: Final = 12
"""Refusals in a row that should have been cured (over half an hour of them) before a message counts as refused."""
_S: Final = 1000


class _Kept(Packable, frozen=True):
    """A submission as it is kept: its frame, and the body that goes before it where that is parked."""

    framed: Annotated[bytes, octets_up_to(FRAME_BYTES_MAX)]
    parked: Annotated[bytes, octets_up_to(BODY_BYTES_MAX)]


_STATES: Final = {
    Result.DELIVERED: MessageState.DELIVERED,
    Result.UNDECRYPTABLE: MessageState.UNDECRYPTABLE,
    Result.EXPIRED: MessageState.EXPIRED,
    Result.PURGED: MessageState.PURGED,
}


def epoch(step: Step) -> int:
    """Return the ledger's epoch, 0 where none is known."""
    return step.setting("ledger_epoch") or 0


def highest(step: Step) -> int:
    """Return the highest number ever used in the ledger's epoch."""
    return step.setting("submission") or 0


def room(step: Step) -> int:
    """Return how many more numbers may be used before the lowest unanswered one has its answer (spec 50 §2)."""
    lowest = step.row(
        "SELECT MIN(number) FROM submission WHERE epoch = ? AND sealed_frame IS NOT NULL", epoch(step)
    )  # fmt: skip
    if lowest is None or lowest[0] is None:
        return UNANSWERED_MAX
    return int(lowest[0]) + UNANSWERED_MAX - 1 - highest(step)


def stored_after(step: Step, number: int, limit: int) -> list[list[Submit | Body]]:
    """Return the unanswered submissions above a number as they were first made, each with its BODY before it."""
    rows = step.rows(
        "SELECT number, sealed_frame FROM submission WHERE epoch = ? AND number > ? AND sealed_frame IS NOT NULL"
        " ORDER BY number LIMIT ?",
        epoch(step), number, limit,
    )  # fmt: skip
    return [_unpacked(step.open(sealed, *_place(step, number_))) for number_, sealed in rows]


def seal(step: Step, batch: list[Parcel], now_ms: int) -> list[Submit | Body]:
    """Seal a batch for its accounts' devices, give it the next number and keep it; return what to send."""
    number = highest(step) + 1
    class_, expires_ms, is_text = step.rows(
        "SELECT class, expires_ms, is_text FROM message WHERE row = ?", batch[0].message
    )[0]
    wrapped, sealed_body = _envelope(step, batch[0].message)
    targets = tuple(_target(step, parcel, wrapped) for parcel in batch)
    passes = tuple(contacts.pass_of(step, parcel.account) for parcel in batch)
    size = len(sealed_body) + sum(len(wrap.sealed) for target in targets for wrap in target.wraps)
    inline = size + _OVERHEAD_BYTES <= FRAME_BYTES_MAX
    submit = Submit(
        submission=number,
        slot=0,
        class_=Class(class_),
        # The process that queued it may have had a clock ahead of the relay's; more than the longest is refused.
        ttl_s=min(-(-(expires_ms - now_ms) // _S), LIFETIME_S_MAX[Class(class_)]),
        flags=SubmitFlag.OUTCOME | SubmitFlag.WRITABLE if is_text else SubmitFlag.NONE,
        commitment=wrapped.commitment,
        body=sealed_body if inline else None,
        handle=None if inline else number % BODY_HANDLES_MAX,
        targets=targets,
        condition=None,
        passes=passes if any(passes) else (),
    )
    kept = pack(message.encode(submit), b"" if inline else sealed_body)
    step.put("submission", number)
    step.run(
        "INSERT INTO submission (epoch, number, sealed_ms, sealed_frame) VALUES (?, ?, ?, ?)",
        epoch(step), number, now_ms, step.seal(kept, *_place(step, number)),
    )  # fmt: skip
    for position, parcel in enumerate(batch):
        step.run(
            "INSERT INTO submission_target (epoch, number, position, parcel) VALUES (?, ?, ?, ?)",
            epoch(step), number, position, parcel.row,
        )  # fmt: skip
        step.run("UPDATE parcel SET state = ? WHERE row = ?", outbox.SUBMITTED, parcel.row)
    return _unpacked(kept)


def _place(step: Step, number: int) -> tuple[bytes, ...]:
    return b"submission", epoch(step).to_bytes(8), number.to_bytes(8)


def _unpacked(kept: bytes) -> list[Submit | Body]:
    said = unpack(kept, _Kept)
    submit = message.read(Submit, said.framed)
    if submit.handle is None:
        return [submit]
    return [Body(submit.handle, said.parked), submit]


def _target(step: Step, parcel: Parcel, wrapped: Wrapped) -> Target:
    account = parcel.account
    devices = contacts.devices(step, account)
    assert devices is not None, "a parcel is ready only where its account's devices are known"  # noqa: S101
    others = sessions.others(step, devices)
    receivers = resends.receivers(step, parcel.row, account, others)
    plaintexts = (wrapped.to_bytes(), withheld(wrapped.commitment))
    unsealable = sessions.unsealable(step, devices)
    wraps = (
        UNSEALED if each in unsealable else sessions.seal(step, account, each, plaintexts[each not in receivers])
        for each in others
    )
    return Target(account, devices.version, tuple(map(Wrap, others, wraps)))


def _envelope(step: Step, row: int) -> tuple[Wrapped, bytes]:
    """Return a message's content key, commitment and body; they are made once, so that a copy is recognised."""
    id_, account, queued_ms, sealed_content, sealed = step.rows(
        "SELECT id, account, queued_ms, sealed_content, sealed_envelope FROM message WHERE row = ?", row
    )[0]
    if sealed is not None:
        opened = step.open(sealed, b"envelope", id_)
        return read_wrapped(opened[:WRAPPED_BYTES]), opened[WRAPPED_BYTES:]
    said = content.decode(step.open(sealed_content, b"message", id_))
    assert isinstance(said, Text | Read | Retry), "the outbox queues nothing else"  # noqa: S101
    own = step.setting("account")
    if isinstance(said, Text):
        said = replace(said, number=_next_number(step, account))
    if isinstance(said, Retry):
        said = replace(said, commitments=sessions.take_lost(step, account))
    context = Context(conversation_id(own, account), MessageId(id_), own, step.setting("device"), queued_ms)
    made = body.seal(said, context, step.entropy)
    kept = made.wrapped.to_bytes() + made.body
    step.run(
        "UPDATE message SET sealed_envelope = ?, commitment = ? WHERE row = ?",
        step.seal(kept, b"envelope", id_), made.commitment, row,
    )  # fmt: skip
    return made.wrapped, made.body


def _next_number(step: Step, account: AccountId) -> int:
    step.run("UPDATE contact SET last_number = last_number + 1 WHERE account = ?", account)
    return step.number("SELECT last_number FROM contact WHERE account = ?", account)


def answered(step: Step, reply: Submitted, now_ms: int) -> list[Event]:
    """Take in the recorded outcome of a submission; one that was answered before changes nothing."""
    changed = step.run(
        "UPDATE submission SET sealed_frame = NULL WHERE epoch = ? AND number = ? AND sealed_frame IS NOT NULL",
        epoch(step), reply.submission,
    )  # fmt: skip
    if changed.rowcount == 0:
        return []
    events: list[Event] = []
    for position, code in enumerate(reply.codes):
        row = _parcel(step, reply.submission, position)
        if row is not None:
            events += _judged(step, row, code, reply.retry_after_ms, now_ms)
    return events


def _parcel(step: Step, number: int, position: int) -> int | None:
    found = step.row(
        "SELECT parcel FROM submission_target WHERE epoch = ? AND number = ? AND position = ?",
        epoch(step), number, position,
    )  # fmt: skip
    return found[0] if found else None


def _judged(step: Step, row: int, code: int, retry_after_ms: int, now_ms: int) -> list[Event]:
    """Act on one target's recorded outcome."""
    if code == Code.STORED:
        return outbox.accept_parcel(step, row, now_ms)
    account, attempts = step.rows("SELECT account, attempts FROM parcel WHERE row = ?", row)[0]
    if code == Code.MISMATCHED_DEVICES:
        contacts.mark_stale(step, account)
    # What TOO_OLD and NO_BODY came to nobody knows: sent under a new number, the recipients recognise a copy.
    curable = code in (Code.MISMATCHED_DEVICES, Code.TOO_OLD, Code.NO_BODY)
    # A quota may be full for days: what is to be tried later waits for as long as the message lives.
    later = range_of(code) in (CodeRange.RETRY_LATER, CodeRange.INTERNAL)
    if not later and (not curable or attempts >= _ATTEMPTS_MAX):
        return outbox.refuse_parcel(step, row, code, now_ms)
    backoff_ms = 0 if code == Code.MISMATCHED_DEVICES and attempts == 0 else _backoff_ms(attempts)
    outbox.wait_again(step, row, now_ms + (retry_after_ms or backoff_ms))
    return outbox.hold_up(step, row, code) if later else []


def not_taken(step: Step, number: int, code: int) -> list[Event]:
    """Note why the relay does not take a submission for now."""
    row = _parcel(step, number, 0)
    return outbox.hold_up(step, row, code) if row is not None else []


def _backoff_ms(attempts: int) -> int:
    return min(_BACKOFF_MS << min(attempts, 16), _BACKOFF_MAX_MS)


def settled(step: Step, number: int, position: int, result: Result, now_ms: int) -> list[Event]:
    """Take in the outcome of one target; one that this device does not remember changes nothing."""
    row = _parcel(step, number, position)
    return outbox.settle_parcel(step, row, _STATES[result], now_ms) if row is not None else []


def enter_epoch(step: Step, epoch_: int) -> bool:
    """Go over to the ledger's epoch where it is another; return whether the device had used one before.

    Numbers begin at 1 again, and whatever has no known outcome waits to be submitted anew. No sending chain is used any
    more: with the numbers goes what shows that this store is an older copy, whose next keys have sealed something else.
    """
    before = epoch(step)
    if epoch_ == before:
        return False
    if before:
        sessions.retire_all(step)
    step.put("ledger_epoch", epoch_)
    step.put("submission", 0)
    step.run("DELETE FROM submission")
    step.run("DELETE FROM submission_target")
    step.run(
        "UPDATE parcel SET state = ?, attempts = 0, not_before_ms = 0, again = 0 WHERE state = ?"
        " OR (state = ? AND message IN (SELECT row FROM message WHERE is_text))",
        outbox.WAITING, outbox.SUBMITTED, outbox.ACCEPTED,
    )  # fmt: skip
    return before != 0


def forget(step: Step, before_ms: int) -> None:
    """Delete answered submissions that were made before a time: no outcome of theirs can come any more."""
    step.run(
        "DELETE FROM submission_target WHERE (epoch, number) IN"
        " (SELECT epoch, number FROM submission WHERE sealed_frame IS NULL AND sealed_ms < ?)",
        before_ms,
    )
    step.run("DELETE FROM submission WHERE sealed_frame IS NULL AND sealed_ms < ?", before_ms)
