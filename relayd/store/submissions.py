"""The store room: submissions - from a number and its targets to envelopes in mailboxes (protocol.md §3, §5).

Submissions enter in order of arrival; recorded outcomes or free numbers leave, and rows to put in. The rules of this
file: what a number got once it gets again; all devices of an account or none; a refusal changes nothing but its
ledger; one stamp a submission.
"""

import struct
from collections.abc import Iterable
from typing import Final

from relayd.domain import fates, permits
from relayd.domain.bounds import Bounds
from relayd.domain.fates import FATE_OF_CODE
from relayd.domain.ledger import Verdict
from relayd.domain.lifetimes import expires_ms
from relayd.domain.mailbox import OVER_QUOTA_RETRY_MS, Mailbox, Share
from relayd.domain.party import Party
from relayd.store.commit import Accepted, Commit, Placement
from relayd.store.contacts import Sent, sent
from relayd.store.daykeys import KeyGone
from relayd.store.residents import Sender
from relayd.store.vault import Contents, Origin
from relayd.store.works import Settlement, Submission
from relayproto.codes import Class, Code, GoawayCode, Lane, Scope, SubmitFlag
from relayproto.commands import Target, Wrap
from relayproto.errors import RemoteProtocolError
from relayproto.ids import AccountId
from relayproto.limits import LANE_OF, UNANSWERED_MAX
from relayproto.replies import Mismatch, NotTaken, Submitted
from relayproto.stamp import Author
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


def take(commit: Commit, works: Iterable[Submission]) -> None:
    """Settle each submission and put in what it stores."""
    seat = sender = who = None
    settlements, accepted = commit.done.settlements, commit.done.accepted
    for work in works:
        if work.seat is not seat:  # what one device says mostly comes together
            seat, sender = work.seat, commit.current(work.seat)
            who = commit.party(seat.account)
            assert who is not None or sender is None, "a sender has an account"  # noqa: S101
        settlement = None if sender is None or who is None else _settle(commit, work, sender, who)
        settlements.append((work.settle, settlement))
    stamps = commit.tools.stamper.stamp(commit.db, commit.now_ms, [_authored(commit, one) for one in accepted])
    for one, stamp in zip(accepted, stamps, strict=True):
        one.stamp = stamp
        _place(commit, one)


def _settle(commit: Commit, work: Submission, sender: Sender, who: Party) -> Settlement:
    command = work.command
    number, ledger = command.submission, sender.ledger
    match ledger.judge(number):
        case Verdict.NEW:
            return _record(commit, work, sender, who)
        case Verdict.REPEATED:
            return _repeat(commit, work, who, refused=number in ledger.refused)
        case Verdict.TOO_OLD:
            return Submitted(number, (Code.TOO_OLD,) * len(command.targets), (), 0)
        case Verdict.GO_BACK:
            return NotTaken(number, Code.GO_BACK, 0)
        case Verdict.TOO_FAR:
            return RemoteProtocolError(GoawayCode.BAD_SUBMISSION, "a submission far above the lowest unanswered")


def _record(commit: Commit, work: Submission, sender: Sender, who: Party) -> Settlement:
    """Decide a new submission and record what was decided, unless it can't be taken now."""
    row, number, ledger = work.seat.row, work.command.submission, sender.ledger
    if commit.disk_tight:
        return NotTaken(number, Code.DISK, DISK_RETRY_MS)
    if work.command.flags & _ASKS_OUTCOME:
        mailbox = commit.tools.residents.mailbox(commit.db, row)
        assert mailbox is not None, "a sender has a mailbox"  # noqa: S101
        if mailbox.outcomes >= OUTCOMES_MAX:
            return NotTaken(number, Code.BUSY, OUTCOMES_RETRY_MS)
    reply = _decide(commit, work, who)
    refused = any(reply.codes)
    if refused:
        commit.pending.refusals[row, number] = _pack(reply.codes)
    forgotten = number - UNANSWERED_MAX
    if forgotten in ledger.refused:
        commit.pending.refusals.pop((row, forgotten), None)
        commit.db.execute("DELETE FROM refusal WHERE device = ? AND submission = ?", (row, forgotten))
    ledger.record(number, refused=refused)
    commit.pending.senders[row] = sender
    _count(commit, work, who, reply.codes)
    return reply


def _count(commit: Commit, work: Submission, who: Party, codes: tuple[int, ...]) -> None:
    """Count what became of each target, for operators and for the statistics (spec 87 §1)."""
    command, octets, tally = work.command, len(work.body), commit.done.tally
    organisation, class_ = who.side.organisation, command.class_
    tally.codes += codes
    for target, code in zip(command.targets, codes, strict=True):
        wraps = target.wraps
        size = octets + len(wraps[0].sealed) if wraps else octets
        tally.targets.append(fates.key(organisation, class_, size, FATE_OF_CODE[code]))


def _pack(codes: tuple[int, ...]) -> bytes:
    return struct.pack(f">{len(codes)}H", *codes)


def _repeat(commit: Commit, work: Submission, who: Party, *, refused: bool) -> Submitted:
    """Return what was recorded. How devices differ is not recorded, so it is told as it is now."""
    command, key = work.command, (work.seat.row, work.command.submission)
    if not refused:
        return Submitted(command.submission, (Code.STORED,) * len(command.targets), (), 0)
    packed = commit.pending.refusals.get(key)
    if packed is None:
        packed = commit.db.execute("SELECT codes FROM refusal WHERE device = ? AND submission = ?", key).fetchone()[0]
    codes = struct.unpack(f">{len(packed) // 2}H", packed)
    mismatches: list[Mismatch] = []
    for position, (code, target) in enumerate(zip(codes, command.targets, strict=False)):
        party = commit.party(target.account) if code == Code.MISMATCHED_DEVICES else None
        if party is None:
            continue
        permitted = _freely(who, party, command.class_) or _may_send(commit, work, who, party, position)
        if not commit.is_there(party, who, permitted=permitted):
            continue
        mismatch = party.mismatch(position, target, work.seat.row)
        if mismatch is not None and len(mismatches) < MISMATCHES_MAX:
            mismatches.append(mismatch)
    return Submitted(command.submission, codes, tuple(mismatches), _retry_after_ms(codes))


def _retry_after_ms(codes: Iterable[int]) -> int:
    return OVER_QUOTA_RETRY_MS if Code.OVER_QUOTA in codes else 0


def _decide(commit: Commit, work: Submission, who: Party) -> Submitted:
    """Give every target its code, and numbers to the envelopes of those that are stored."""
    command, class_, sender = work.command, work.command.class_, work.seat.row
    bounds = who.side.bounds
    refusal = _refusal(commit, work, bounds)
    if refusal is not None:
        return Submitted(command.submission, (refusal,) * len(command.targets), (), 0)
    # spec 75 §4: a document shortens a lifetime and refuses none, so that nobody has to know it before he writes.
    ttl_s = command.ttl_s if bounds is None else min(command.ttl_s, bounds.longest_s[class_])
    one = Accepted(work, LANE_OF[class_], expires_ms(commit.now_ms, ttl_s), [])
    codes: list[Code] = []
    mismatches: list[Mismatch] = []
    for position, target in enumerate(command.targets):
        party = commit.party(target.account)
        freely = party is not None and _freely(who, party, class_)
        if party is None or not commit.is_there(
            party, who, permitted=freely or _may_send(commit, work, who, party, position)
        ):
            codes.append(Code.NOT_AVAILABLE)
            continue
        mismatch = party.mismatch(position, target, sender)
        if mismatch is not None:
            codes.append(Code.MISMATCHED_DEVICES)
            if len(mismatches) < MISMATCHES_MAX:
                mismatches.append(mismatch)
            continue
        full = _put_in(commit, one, who, party, position)
        if full is not None:
            codes.append(Code.OVER_QUOTA)
            _overflow(commit, work, target, full)
            continue
        codes.append(Code.STORED)
        if not freely:
            commit.tools.contacts.stored(who, party, _sent(work, position), commit.now_ms)
    if one.placements:
        commit.done.accepted.append(one)
    return Submitted(command.submission, tuple(codes), tuple(mismatches), _retry_after_ms(codes))


def _freely(who: Party, whom: Party, class_: Class) -> bool:
    """Say whether nothing but the tables has to be asked; within one account nothing has."""
    return whom.row == who.row or permits.freely(who.side, whom.side, _CALL if class_ is Class.CALL else _TEXT)


def _may_send(commit: Commit, work: Submission, who: Party, whom: Party, position: int) -> bool:
    """Say whether a pass or a request lets an envelope go where the tables alone do not (spec 70 §6)."""
    return commit.tools.contacts.may_send(who, whom, _sent(work, position), commit.now_ms)


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


def _put_in(commit: Commit, one: Accepted, who: Party, party: Party, position: int) -> int | None:
    """Give numbers to the envelopes of a target, or none of them and return the mailbox of a device without room."""
    work, lane, quota, residents = one.work, one.lane, commit.tools.quota, commit.tools.residents
    command, body, sender = work.command, len(work.body), work.seat.account
    class_, wraps = command.class_, command.targets[position].wraps
    rooms: list[tuple[Wrap, int, Mailbox, int]] = []
    for wrap in wraps:
        row = party.mailboxes[wrap.device]
        mailbox = residents.mailbox(commit.db, row)
        assert mailbox is not None, "a device of a party has a mailbox"  # noqa: S101
        cost = body + len(wrap.sealed)
        if not mailbox.admits(quota, lane, class_, cost):
            return row
        if mailbox.half_full(quota, cost):
            if mailbox.shares is None:
                mailbox.shares = _shares(commit, row, [*commit.done.accepted, one])
            if not mailbox.has_share_left(quota, sender, cost):
                return row
        rooms.append((wrap, row, mailbox, cost))
    fan = _fan(commit, len(wraps)) if command.flags & _ASKS_OUTCOME else None
    # A receipt, which programs send unasked, brings no pass.
    pass_ = b"" if class_ is Class.RECEIPT else commit.tools.contacts.pass_for(party, who, commit.now_ms)
    tally, changed = commit.done.tally, commit.pending.mailboxes
    for wrap, row, mailbox, cost in rooms:
        changed[row] = mailbox
        sequence = mailbox.put(quota, lane, class_, cost, sender)
        one.placements.append(Placement(position, row, sequence, fan, wrap, pass_))
        tally.messages += 1
        tally.octets += cost
    return None


def _fan(commit: Commit, devices: int) -> int:
    """Return the number under which a target's devices share one outcome, 0 where there is nothing to share."""
    if devices <= 1:
        return 0
    fan = commit.tools.numbers.fan()
    commit.pending.fans[fan] = [devices, 0]
    return fan


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


def _authored(commit: Commit, one: Accepted) -> tuple[Author, bytes]:
    """Return what the stamp of a submission says, and of which commitment."""
    seat, command = one.work.seat, one.work.command
    scope = Scope.PERSON
    if command.class_ is Class.BROADCAST:
        scope = Scope.BROADCAST
    elif len(command.targets) > 1:
        others = sum(1 for target in command.targets if target.account != seat.account)
        scope = Scope.GROUP if others > 1 else Scope.PERSON
    return Author(seat.account, seat.device, scope, commit.now_ms), command.commitment


def _place(commit: Commit, one: Accepted) -> None:
    """Seal the envelopes of a submission and put them in; a body for more than one is put in once."""
    pending, vault, work, expires = commit.pending, commit.tools.vault, one.work, one.expires_ms
    command, seat, body = work.command, work.seat, work.body
    octets, inline, shared = len(body), body, None
    if len(one.placements) > 1:
        shared, inline = commit.tools.numbers.body(), b""
        pending.bodies.append((shared, len(one.placements), vault.seal_body(shared, expires, body)))
    for each in one.placements:
        name, sequence, wrap = each.mailbox * 4 + one.lane, each.sequence, each.wrap.sealed
        origin = Origin(seat.account, seat.device, seat.row, command.submission, each.position)
        contents = Contents(command.commitment, one.stamp, wrap, each.pass_, inline)
        sealed = vault.seal_envelope(name, sequence, expires, origin, contents)
        pending.envelopes.append(
            (name, sequence, expires, command.class_, octets + len(wrap), shared, each.fan, sealed)
        )
