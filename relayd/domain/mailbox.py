"""The domain room: one device's mailbox - its numbers, its counters and what may still be put in (protocol.md §2, §5).

Envelopes and outcomes enter and leave as class and cost. The rules of this file: a number is given once in an epoch;
counters equal a recount; a refusal changes nothing, and whether a mailbox is over depends only on what was put in
and taken out.
"""

from dataclasses import dataclass, field
from typing import Final

from relayproto.codes import Class, Lane
from relayproto.ids import AccountId
from relayproto.limits import BODY_BYTES_MAX, WRAP_BYTES_MAX

OVER_QUOTA_RETRY_MS: Final = 60_000
"""A mailbox reopens when its device comes and takes a fifth of it: that is minutes away, not seconds."""
_URGENT_PERCENT: Final = 5
_RECEIPTS_PERCENT: Final = 20
_SENDER_PERCENT: Final = 50
_REFUSED_MAX: Final = (1 << 32) - 1
_ENVELOPE_BYTES_MAX: Final = BODY_BYTES_MAX + WRAP_BYTES_MAX


class Quota:
    """How much one mailbox holds (protocol.md §5); the same for every mailbox.

    5 % is kept for the urgent lane, read receipts may take 20 %, one sending account half.
    """

    __slots__ = (
        "messages", "normal_messages", "normal_octets", "octets", "receipts", "reopen_messages", "reopen_octets",
        "sender_messages", "sender_octets",
    )  # fmt: skip

    def __init__(self, *, messages: int, octets: int, reopen_percent: int) -> None:
        """Take the largest number of envelopes and of their bytes, and the share below which a mailbox reopens."""
        self.messages = messages
        self.octets = octets
        self.normal_messages = messages - messages * _URGENT_PERCENT // 100
        self.normal_octets = octets - octets * _URGENT_PERCENT // 100
        self.receipts = max(1, messages * _RECEIPTS_PERCENT // 100)
        self.reopen_messages = messages * reopen_percent // 100
        self.reopen_octets = octets * reopen_percent // 100
        self.sender_messages = max(1, messages * _SENDER_PERCENT // 100)
        self.sender_octets = octets * _SENDER_PERCENT // 100


@dataclass(slots=True)
class Share:
    """What one sending account has waiting in a mailbox."""

    messages: int = 0
    octets: int = 0

    def add(self, cost: int) -> None:
        """Count one envelope more."""
        self.messages += 1
        self.octets += cost


def _zeros() -> list[int]:
    return [0, 0, 0]


def _ones() -> list[int]:
    return [1, 1, 1]


@dataclass(slots=True)
class Mailbox:
    """One device's mailbox; ``floors`` and ``nexts`` are indexed by lane.

    ``shares`` is known from when the mailbox is half full, when it can matter, until it is down to half of that: who
    makes it go up and down at the border must not make the relay count each time. ``holed`` says whether
    holes may be recorded for it; ``refused`` counts envelopes that had no room since the device last acknowledged.
    """

    epoch: int
    floors: list[int] = field(default_factory=_zeros)
    nexts: list[int] = field(default_factory=_ones)
    messages: int = 0
    octets: int = 0
    receipts: int = 0
    outcomes: int = 0
    over: bool = False
    holed: bool = False
    refused: int = 0
    shares: dict[AccountId, Share] | None = None

    def admits(self, quota: Quota, lane: Lane, class_: Class, cost: int) -> bool:
        """Say whether an envelope may be put in, all but its sender's share considered; changes nothing."""
        if lane is Lane.URGENT:
            return self.messages < quota.messages and self.octets + cost <= quota.octets
        if self.over or self.messages >= quota.normal_messages or self.octets + cost > quota.normal_octets:
            return False
        return class_ is not Class.RECEIPT or self.receipts < quota.receipts

    def half_full(self, quota: Quota, cost: int) -> bool:
        """Say whether, with ``cost`` more bytes, one sender could be beyond its share."""
        return self.messages >= quota.sender_messages or self.octets + cost > quota.sender_octets

    def has_share_left(self, quota: Quota, sender: AccountId, cost: int) -> bool:
        """Say whether the sender may have one envelope more here; ``shares`` must be known."""
        share = self.shares.get(sender) if self.shares else None
        if share is None:
            return True
        return share.messages < quota.sender_messages and share.octets + cost <= quota.sender_octets

    def writable(self, quota: Quota, sender: AccountId) -> bool:
        """Say whether any envelope of the sender's, a receipt apart, may be put in again."""
        cost = _ENVELOPE_BYTES_MAX
        return self.admits(quota, Lane.NORMAL, Class.CHAT, cost) and self.has_share_left(quota, sender, cost)

    def refuse(self) -> int:
        """Count an envelope that had no room, and return how many there were."""
        self.refused = min(self.refused + 1, _REFUSED_MAX)
        return self.refused

    def put(self, quota: Quota, lane: Lane, class_: Class, cost: int, sender: AccountId) -> int:
        """Count an envelope in and return its sequence."""
        self.messages += 1
        self.octets += cost
        if class_ is Class.RECEIPT:
            self.receipts += 1
        if self.messages >= quota.normal_messages or self.octets + _ENVELOPE_BYTES_MAX > quota.normal_octets:
            self.over = True
        if self.shares is not None:
            self.shares.setdefault(sender, Share()).add(cost)
        sequence = self.nexts[lane]
        self.nexts[lane] = sequence + 1
        return sequence

    def put_outcome(self) -> int:
        """Count an outcome in, which takes no quota, and return its sequence."""
        self.outcomes += 1
        sequence = self.nexts[Lane.OUTCOME]
        self.nexts[Lane.OUTCOME] = sequence + 1
        return sequence

    def take(self, quota: Quota, class_: int, cost: int) -> None:
        """Count an envelope out: acknowledged, expired or purged."""
        self.messages -= 1
        self.octets -= cost
        if class_ == Class.RECEIPT:
            self.receipts -= 1
        if self.over and self.messages <= quota.reopen_messages and self.octets <= quota.reopen_octets:
            self.over = False
        if (
            self.shares is not None
            and self.messages * 2 < quota.sender_messages
            and self.octets * 2 < quota.sender_octets
        ):
            self.shares = None

    def take_share(self, sender: AccountId, cost: int) -> None:
        """Count an envelope out of its sender's share, where shares are known."""
        if self.shares is None:
            return
        share = self.shares[sender]
        share.messages -= 1
        share.octets -= cost
        if not share.messages:
            del self.shares[sender]

    def acknowledge(self, lane: Lane, floor: int) -> int:
        """Raise a lane's floor, never beyond what was given, and return what it is now."""
        self.floors[lane] = max(self.floors[lane], min(floor, self.nexts[lane] - 1))
        return self.floors[lane]
