"""The store room: submissions - from a number and its targets to envelopes in mailboxes (protocol.md §3, §5).

Submissions enter in order of arrival; recorded outcomes or free numbers leave, and rows to put in. The rules of this
file: what a number got once it gets again; all devices of an account or none; a refusal changes nothing but its
ledger; one stamp a submission, one signature a commit.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from relayd.domain import permits
from relayd.domain.bounds import Bounds
from relayd.domain.fates import taken
from relayd.domain.ledger import Verdict
from relayd.domain.lifetimes import expires_ms
from relayd.domain.mailbox import OVER_QUOTA_RETRY_MS, Share
from relayd.domain.party import Party
from relayd.store.commit import Commit, Placed
from relayd.store.contacts import Sent, sent
from relayd.store.daykeys import KeyGone
from relayd.store.residents import Sender
from relayd.store.stamps import Stampable
from relayd.store.vault import Contents, Origin
from relayd.store.works import Settlement, Submission
from relayproto.codes import Class, Code, GoawayCode, Lane, Scope, SubmitFlag
from relayproto.commands import Target, Wrap
from relayproto.errors import RemoteProtocolError
from relayproto.ids import AccountId
from relayproto.limits import LANE_OF, UNANSWERED_MAX
from relayproto.replies import Mismatch, NotTaken, Submitted
from relayproto.standing import Action

_CALL: Final = int(Action.CALL)
_TEXT: Final = int(Action.TEXT)
_ASKS_OUTCOME: Final = int(SubmitFlag.OUTCOME)
_ASKS_WRITABLE: Final = int(SubmitFlag.WRITABLE)
MISMATCHES_MAX: Final = 128
"""At most 92 bytes each: with 512 codes they fit one frame. For the others a device asks for the list."""
OUTCOMES_MAX: Final = 100_000
"""Twice a broadcast to 50,000: 20 MB of a device that submits and never acknowledges what became of it."""
OUTCOMES_RETRY_MS: Final = 1_000
DISK_RETRY_MS: Final = 30_000
"""Space comes back when devices acknowledge, when rows expire, or when the operator acts."""


class Placement(NamedTuple):
    """Where an envelope goes: a number that was given, and what its device gets."""

    position: int
    mailbox: int
    sequence: int
    fan: int | None
    wrap: Wrap
    pass_: bytes


@dataclass(slots=True)
class Accepted:
    """A submission of which something is stored."""

    work: Submission
    lane: Lane
    expires_ms: int
    placements: list[Placement]


def take(commit: Commit, works: Iterable[Submission]) -> None:
    """Settle each submission and put in what it stores."""
    accepted: list[Accepted] = []
    for work in works:
        settlement = _settle(commit, work, accepted)
        commit.done.settlements.append((work.settle, settlement))
    stamps = commit.tools.stamper.stamp(commit.db, commit.now_ms, [_stampable(one) for one in accepted])
    for one, stamp in zip(accepted, stamps, strict=True):
        _place(commit, one, stamp)


def _settle(commit: Commit, work: Submission, accepted: list[Accepted]) -> Settlement:
    seat, command = work.seat, work.command
    sender = commit.sender(seat.row)
    if sender is None or sender.generation != seat.generation:
        return None
    number, ledger = command.submission, sender.ledger
    match ledger.judge(number):
        case Verdict.NEW:
            return _record(commit, work, sender, accepted)
        case Verdict.REPEATED:
            return _repeat(commit, work, refused=number in ledger.refused)
        case Verdict.TOO_OLD:
            return Submitted(number, (Code.TOO_OLD,) * len(command.targets), (), 0)
        case Verdict.GO_BACK:
            return NotTaken(number, Code.GO_BACK, 0)
        case Verdict.TOO_FAR:
            return RemoteProtocolError(GoawayCode.BAD_SUBMISSION, "a submission far above the lowest unanswered")


def _record(commit: Commit, work: Submission, sender: Sender, accepted: list[Accepted]) -> Settlement:
    """Decide a new submission and record what was decided, unless it can't be taken now."""
    row, number, ledger = work.seat.row, work.command.submission, sender.ledger
    if commit.disk_tight:
        return NotTaken(number, Code.DISK, DISK_RETRY_MS)
    if work.command.flags & _ASKS_OUTCOME:
        mailbox = commit.tools.residents.mailbox(commit.db, row)
        assert mailbox is not None, "a sender has a mailbox"  # noqa: S101
        if mailbox.outcomes >= OUTCOMES_MAX:
            return NotTaken(number, Code.BUSY, OUTCOMES_RETRY_MS)
    reply = _decide(commit, work, accepted)
    refused = any(reply.codes)
    if refused:
        commit.pending.refusals[row, number] = _pack(reply.codes)
    forgotten = number - UNANSWERED_MAX
    if forgotten in ledger.refused:
        commit.pending.refusals.pop((row, forgotten), None)
        commit.db.execute("DELETE FROM refusal WHERE device = ? AND submission = ?", (row, forgotten))
    ledger.record(number, refused=refused)
    commit.sender_changed(row, sender)
    counts = commit.done.tally.codes
    for code in reply.codes:
        counts[code] += 1
    _count(commit, work, reply.codes)
    return reply


def _count(commit: Commit, work: Submission, codes: tuple[int, ...]) -> None:
    """Count what became of each target, for the statistics (spec 87 §1)."""
    command, octets, counts = work.command, len(work.body), commit.done.tally.targets
    organisation, class_ = _sender(commit, work).side.organisation, int(command.class_)
    for target, code in zip(command.targets, codes, strict=True):
        wraps = target.wraps
        counts[taken(organisation, class_, octets + len(wraps[0].sealed) if wraps else octets, code)] += 1


def _pack(codes: tuple[int, ...]) -> bytes:
    return struct.pack(f">{len(codes)}H", *codes)


def _repeat(commit: Commit, work: Submission, *, refused: bool) -> Submitted:
    """Return what was recorded. How devices differ is not recorded, so it is told as it is now."""
    command, key = work.command, (work.seat.row, work.command.submission)
    if not refused:
        return Submitted(command.submission, (Code.STORED,) * len(command.targets), (), 0)
    packed = commit.pending.refusals.get(key)
    if packed is None:
        packed = commit.db.execute("SELECT codes FROM refusal WHERE device = ? AND submission = ?", key).fetchone()[0]
    codes = struct.unpack(f">{len(packed) // 2}H", packed)
    mismatches: list[Mismatch] = []
    who = _sender(commit, work)
    for position, (code, target) in enumerate(zip(codes, command.targets, strict=False)):
        party = _reachable(commit, work, who, position) if code == Code.MISMATCHED_DEVICES else None
        mismatch = party.mismatch(position, target, work.seat.row) if party else None
        if mismatch is not None and len(mismatches) < MISMATCHES_MAX:
            mismatches.append(mismatch)
    return Submitted(command.submission, codes, tuple(mismatches), _retry_after_ms(codes))


def _retry_after_ms(codes: Iterable[int]) -> int:
    return OVER_QUOTA_RETRY_MS if Code.OVER_QUOTA in codes else 0


def _decide(commit: Commit, work: Submission, accepted: list[Accepted]) -> Submitted:
    """Give every target its code, and numbers to the envelopes of those that are stored."""
    command = work.command
    who = _sender(commit, work)
    bounds = who.side.bounds
    refusal = _refusal(commit, work, bounds)
    if refusal is not None:
        return Submitted(command.submission, (refusal,) * len(command.targets), (), 0)
    # spec 75 §4: a document shortens a lifetime and refuses none, so that nobody has to know it before he writes.
    ttl_s = command.ttl_s if bounds is None else min(command.ttl_s, bounds.longest_s[command.class_])
    one = Accepted(work, LANE_OF[command.class_], expires_ms(commit.now_ms, ttl_s), [])
    codes: list[Code] = []
    mismatches: list[Mismatch] = []
    for position, target in enumerate(command.targets):
        party = _reachable(commit, work, who, position)
        if party is None:
            codes.append(Code.NOT_AVAILABLE)
            continue
        mismatch = party.mismatch(position, target, work.seat.row)
        if mismatch is not None:
            codes.append(Code.MISMATCHED_DEVICES)
            if len(mismatches) < MISMATCHES_MAX:
                mismatches.append(mismatch)
        elif full := _full(commit, one, accepted, party, target):
            codes.append(Code.OVER_QUOTA)
            _overflow(commit, work, target, full)
        else:
            codes.append(Code.STORED)
            _number(commit, one, party, position, target, _pass_for(commit, command.class_, party, who))
            if not _freely(who, party, command.class_):
                commit.tools.contacts.stored(who, party, _sent(work, position), commit.now_ms)
    if one.placements:
        accepted.append(one)
    return Submitted(command.submission, tuple(codes), tuple(mismatches), _retry_after_ms(codes))


def _sender(commit: Commit, work: Submission) -> Party:
    party = commit.party(work.seat.account)
    assert party is not None, "a sender has an account"  # noqa: S101
    return party


def _reachable(commit: Commit, work: Submission, who: Party, position: int) -> Party | None:
    """Return the devices of a target, or None where there is no such account for the sender (spec 70 §6)."""
    party = commit.party(work.command.targets[position].account)
    if party is None:
        return None
    permitted = _freely(who, party, work.command.class_) or commit.tools.contacts.may_send(
        who, party, _sent(work, position), commit.now_ms
    )
    return party if commit.is_there(party, who, permitted=permitted) else None


def _freely(who: Party, whom: Party, class_: Class) -> bool:
    """Say whether nothing but the tables has to be asked; within one account nothing has."""
    return whom.row == who.row or permits.freely(who.side, whom.side, _CALL if class_ is Class.CALL else _TEXT)


def _pass_for(commit: Commit, class_: Class, whom: Party, who: Party) -> bytes:
    """Return the pass that goes with an envelope; a receipt, which programs send unasked, has none."""
    return b"" if class_ is Class.RECEIPT else commit.tools.contacts.pass_for(whom, who, commit.now_ms)


def _sent(work: Submission, position: int) -> Sent:
    command = work.command
    shown = command.passes[position] if position < len(command.passes) else b""
    return sent(command.class_, len(work.body), shown)


def _refusal(commit: Commit, work: Submission, bounds: Bounds | None) -> Code | None:
    """Return why a submission is refused for every target, whoever they are."""
    command = work.command
    if not work.body:
        return Code.NO_BODY
    if command.condition is not None:
        return Code.UNSUPPORTED
    if command.ttl_s > commit.tools.longest_s[command.class_]:
        return Code.BAD_LIFETIME
    return None if bounds is None else _out_of_bounds(work, bounds)


def _out_of_bounds(work: Submission, bounds: Bounds) -> Code | None:
    """Return why the documents above a sender refuse a submission, whoever its targets are (spec 75 §4)."""
    targets, account = work.command.targets, work.seat.account
    if len(work.body) > bounds.body_bytes:
        return Code.TOO_LARGE
    if len(targets) > bounds.targets and sum(target.account != account for target in targets) > bounds.targets:
        return Code.LIMIT
    return None


def _full(commit: Commit, one: Accepted, before: list[Accepted], party: Party, target: Target) -> int | None:
    """Return the mailbox of the first device of the target that has no room, or None where all have."""
    quota, residents = commit.tools.quota, commit.tools.residents
    sender = one.work.seat.account
    for wrap in target.wraps:
        row = party.mailboxes[wrap.device]
        mailbox = residents.mailbox(commit.db, row)
        assert mailbox is not None, "a device of a party has a mailbox"  # noqa: S101
        cost = len(one.work.body) + len(wrap.sealed)
        if not mailbox.admits(quota, one.lane, one.work.command.class_, cost):
            return row
        if not mailbox.half_full(quota, cost):
            if mailbox.shares_matter_no_more(quota):
                mailbox.shares = None
            continue
        if mailbox.shares is None:
            mailbox.shares = _shares(commit, row, [*before, one])
        if not mailbox.has_share_left(quota, sender, cost):
            return row
    return None


def _overflow(commit: Commit, work: Submission, target: Target, row: int) -> None:
    """Let the recipient know what it did not get, and the sender, if it asks, when there is room."""
    mailbox = commit.mailbox(row)
    assert mailbox is not None, "a device of a party has a mailbox"  # noqa: S101
    commit.done.refused[row] = mailbox.refuse()
    if work.command.flags & _ASKS_WRITABLE:
        commit.tools.waiting.note(commit.db, work.seat, target.account, row, commit.now_ms)


def _shares(commit: Commit, row: int, accepted: Iterable[Accepted]) -> dict[AccountId, Share]:
    """Count who has how much waiting in a mailbox; only when it gets half full, and kept up while it is."""
    shares: dict[AccountId, Share] = {}
    found = commit.db.execute(
        "SELECT lane, sequence, expires_ms, octets, sealed FROM envelope WHERE lane BETWEEN ? AND ?",
        (row * 4 + Lane.NORMAL, row * 4 + Lane.URGENT),
    )
    for lane, sequence, expires, octets, sealed in found.fetchall():
        try:
            origin = commit.tools.vault.open_envelope(lane, sequence, expires, sealed)[0]
        except KeyGone:
            continue
        shares.setdefault(origin.account, Share()).add(octets)
    for one in accepted:
        for placement in one.placements:
            if placement.mailbox == row:
                share = shares.setdefault(one.work.seat.account, Share())
                share.add(len(one.work.body) + len(placement.wrap.sealed))
    return shares


def _number(
    commit: Commit, one: Accepted, party: Party, position: int, target: Target, pass_: bytes
) -> None:  # fmt: skip
    """Give numbers to the envelopes of a target that is stored."""
    command, tally, quota = one.work.command, commit.done.tally, commit.tools.quota
    fan: int | None = None
    if command.flags & _ASKS_OUTCOME:
        fan = 0
        if len(target.wraps) > 1:
            fan = commit.tools.numbers.fan()
            commit.pending.fans[fan] = [len(target.wraps), 0]
    for wrap in target.wraps:
        row = party.mailboxes[wrap.device]
        mailbox = commit.mailbox(row)
        assert mailbox is not None, "a device of a party has a mailbox"  # noqa: S101 - _full has looked
        cost = len(one.work.body) + len(wrap.sealed)
        sequence = mailbox.put(quota, one.lane, command.class_, cost, one.work.seat.account)
        one.placements.append(Placement(position, row, sequence, fan, wrap, pass_))
        tally.messages += 1
        tally.octets += cost


def _stampable(one: Accepted) -> Stampable:
    seat, command = one.work.seat, one.work.command
    scope = Scope.PERSON
    if command.class_ is Class.BROADCAST:
        scope = Scope.BROADCAST
    elif len(command.targets) > 1:
        others = sum(1 for target in command.targets if target.account != seat.account)
        scope = Scope.GROUP if others > 1 else Scope.PERSON
    return Stampable(seat.account, seat.device, scope, command.commitment)


def _place(commit: Commit, one: Accepted, stamp: bytes) -> None:
    """Seal the envelopes of a submission and put them in; a body for more than one is put in once."""
    pending, vault, work = commit.pending, commit.tools.vault, one.work
    command, seat, body = work.command, work.seat, work.body
    octets, inline, shared = len(body), body, None
    if len(one.placements) > 1:
        shared, inline = commit.tools.numbers.body(), b""
        pending.bodies.append((shared, len(one.placements), vault.seal_body(shared, one.expires_ms, body)))
    for position, mailbox, sequence, fan, wrap, pass_ in one.placements:
        name = mailbox * 4 + one.lane
        origin = Origin(seat.account, seat.device, seat.row, command.submission, position)
        contents = Contents(command.commitment, stamp, wrap.sealed, pass_, inline)
        sealed = vault.seal_envelope(name, sequence, one.expires_ms, origin, contents)
        pending.envelopes.append(
            (name, sequence, one.expires_ms, command.class_, octets + len(wrap.sealed), shared, fan, sealed)
        )
        commit.done.placed.append(Placed(mailbox, one.lane, sequence, one.expires_ms, work, wrap, stamp, pass_))
