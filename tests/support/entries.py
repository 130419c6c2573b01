"""Factories of what a mailbox holds, for the tests of the rooms above the store."""

from relayd.domain.entry import Entry, Page
from relayproto.codes import Class, GapReason, Lane, Result
from relayproto.ids import AccountId, DeviceId
from relayproto.notices import Deliver, Gap, Outcome

NEVER_MS = 1 << 50


def envelope(
    sequence: int, *, lane: Lane = Lane.NORMAL, mailbox: int = 1, expires_ms: int = NEVER_MS, body: bytes = b"sealed"
) -> Entry:
    class_ = Class.OTP if lane is Lane.URGENT else Class.CHAT
    notice = Deliver(
        lane, sequence, AccountId(bytes(32)), DeviceId(1), class_, expires_ms, bytes(33), b"stamp", b"wrap", body
    )
    return Entry(mailbox, lane, sequence, expires_ms, notice.cost(), notice)


def outcome(sequence: int, *, submission: int = 1, mailbox: int = 1, expires_ms: int = NEVER_MS) -> Entry:
    return Entry(mailbox, Lane.OUTCOME, sequence, expires_ms, 0, Outcome(sequence, submission, 0, Result.DELIVERED))


def gap(first: int, last: int, *, lane: Lane = Lane.NORMAL, reason: GapReason = GapReason.EXPIRED) -> Gap:
    return Gap(lane, first, last, reason)


def page(*items: Entry | Gap, more: bool = False) -> Page:
    return Page(items, more)
