"""What is sent again, and to which devices: those that it was sealed to, and no others (spec 60 §5).

Retry requests enter, and parcels wait again. The rule of this file: whoever asks gets what was meant for that very
device, has not been read, is at most seven days old, and three times at most; a device that came later, or a thief who
asks again and again, gets nothing from before.
"""

from collections.abc import Iterable
from typing import Final

from relayclient import contacts, outbox, sessions
from relayclient.events import MessageState
from relayclient.store.database import Step
from relayproto.ids import AccountId, DeviceId

RESEND_MS: Final = 7 * 86_400_000
"""How far back a retry request reaches (cryptography.md 3)."""
AGAIN_MAX: Final = 3
"""How often a message is sent again because one device asks: each answer may be lost, and so may the next; more than
that is a device that cannot open it, or a thief."""


def receivers(step: Step, parcel: int, account: AccountId, devices: Iterable[DeviceId]) -> frozenset[DeviceId]:
    """Return those of an account's devices that a parcel is sealed to now, and note them.

    All of them, until the relay has stored it once; from then on those that it was sealed to.
    """
    message, stored = step.rows("SELECT message, stored FROM parcel WHERE row = ?", parcel)[0]
    if not stored:
        for device in devices:
            step.run(
                "INSERT OR IGNORE INTO sealed_to (message, account, device) VALUES (?, ?, ?)", message, account, device
            )
    sealed = step.rows("SELECT device FROM sealed_to WHERE message = ? AND account = ?", message, account)
    return frozenset(DeviceId(device) for (device,) in sealed)


def since(step: Step, account: AccountId, device: DeviceId, since_ms: int, now_ms: int) -> None:
    """Let every text of the last 7 days wait again that the account's device isn't known to have opened.

    Where an account has several devices, DELIVERED says that one of them has it and not which: it goes again, and those
    that have it recognise it by its commitment.
    """
    devices = contacts.devices(step, account)
    single = devices is not None and len(sessions.others(step, devices)) == 1
    known = (MessageState.READ, MessageState.REFUSED, MessageState.DELIVERED if single else MessageState.READ)
    found = step.rows(
        "SELECT parcel.row, message.row FROM parcel JOIN message ON message.row = parcel.message"
        " JOIN sealed_to ON sealed_to.message = message.row AND sealed_to.account = ?1 AND device = ?2"
        " WHERE parcel.account = ?1 AND is_text AND queued_ms >= ?3 AND expires_ms > ?4 AND sealed_to.again < ?5"
        " AND message.state NOT IN (?6, ?7, ?8) AND parcel.state != ?9 AND NOT parcel.again",
        account, device, max(since_ms, now_ms - RESEND_MS), now_ms, AGAIN_MAX, *known, outbox.WAITING,
    )  # fmt: skip
    for parcel, message in found:
        _let_go_again(step, parcel, message, account, device)


def named(step: Step, account: AccountId, device: DeviceId, commitments: Iterable[bytes], now_ms: int) -> None:
    """Let what a device says it could not open wait again, whatever its state says, unless it was read.

    A device that has acknowledged without opening, and whose report of that was lost, counts as delivered. Once an hour
    for each message, so that asking costs the asker as much as us. What the recipient has read may still be lacking on
    one of the user's own devices.
    """
    for commitment in commitments:
        found = step.row(
            "SELECT parcel.row, message.row FROM parcel JOIN message ON message.row = parcel.message"
            " JOIN sealed_to ON sealed_to.message = message.row AND sealed_to.account = ?1 AND device = ?2"
            " WHERE parcel.account = ?1 AND commitment = ?3 AND queued_ms >= ?4 AND expires_ms > ?5 AND named_ms <= ?6"
            " AND sealed_to.again < ?7 AND (own OR message.state != ?8)",
            account, device, commitment, now_ms - RESEND_MS, now_ms, now_ms - sessions.HEED_MS, AGAIN_MAX,
            MessageState.READ,
        )  # fmt: skip
        if found is not None:
            _let_go_again(step, found[0], found[1], account, device)
            step.run("UPDATE message SET named_ms = ? WHERE row = ?", now_ms, found[1])


def _let_go_again(step: Step, parcel: int, message: int, account: AccountId, device: DeviceId) -> None:
    """Let a parcel wait once more; one that has no answer yet does so when it has."""
    step.run(
        "UPDATE parcel SET again = (state = ?1), state = CASE state WHEN ?1 THEN ?1 ELSE ?2 END,"
        " attempts = 0, not_before_ms = 0 WHERE row = ?3",
        outbox.SUBMITTED, outbox.WAITING, parcel,
    )  # fmt: skip
    step.run(
        "UPDATE sealed_to SET again = again + 1 WHERE message = ? AND account = ? AND device = ?",
        message, account, device,
    )  # fmt: skip


def forget(step: Step, before_ms: int) -> None:
    """Forget the devices of messages that were queued before a time: nothing of theirs is sent again."""
    step.run("DELETE FROM sealed_to WHERE message IN (SELECT row FROM message WHERE queued_ms < ?)", before_ms)
