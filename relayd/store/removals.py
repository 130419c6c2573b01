"""The store room: envelopes that leave - acknowledged, expired or purged - and what their senders are told.

Rows that were just deleted enter; counters, references and outcomes follow in the same commit. The rules of this
file: delivered is the first acknowledgement of any device of the target; every other outcome is told only when no
device is left that could deliver; each outcome once (protocol.md §3).
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from relayd.domain import fates
from relayd.domain.mailbox import Mailbox
from relayd.store.commit import Commit, Told
from relayd.store.daykeys import KeyGone
from relayd.store.rows import ID_SHIFT
from relayd.store.vault import Origin
from relayproto.codes import Lane, Result
from relayproto.commands import Ack
from relayproto.limits import OUTCOME_LIFETIME_S
from relayproto.notices import Outcome
from relayproto.standing import PLATFORM

RETURNING: Final = (
    " RETURNING sequence, expires_ms, class, octets, body, fan, CASE WHEN fan IS NOT NULL OR ? THEN sealed END,"
    f" id >> {ID_SHIFT}"
)
"""What ``leave`` has to know of a row, and last when it was stored, ms. The blob only where its sender matters: for an
outcome, or for shares."""
_ALL: Final = "DELETE FROM envelope WHERE lane = ?" + RETURNING  # noqa: S608 - constants
_BELOW: Final = "DELETE FROM envelope WHERE lane = ? AND sequence <= ?" + RETURNING  # noqa: S608 - constants
_BETWEEN: Final = "DELETE FROM envelope WHERE lane = ? AND sequence BETWEEN ? AND ?" + RETURNING  # noqa: S608 - constants

Row = tuple[Any, ...]


def acknowledge(commit: Commit, row: int, mailbox: Mailbox, ack: Ack, *, since_ms: int) -> None:
    """Apply an acknowledgement of the mailbox's own epoch: delete what it covers, raise the floor.

    ``since_ms`` is when the device connected.
    """
    lane, db = ack.lane, commit.db
    name = row * 4 + lane
    shares = mailbox.shares is not None
    bad = frozenset(ack.undecryptable)
    gone: list[Row] = []
    if ack.floor > mailbox.floors[lane]:
        floor = mailbox.acknowledge(lane, ack.floor)
        gone += db.execute(_BELOW, (name, floor, shares)).fetchall()
        if mailbox.holed:
            # The first condition keeps holes above the floor from being looked at, at every acknowledgement.
            db.execute("DELETE FROM hole WHERE lane = ?1 AND first <= ?2 AND last <= ?2", (name, floor))
    for first, last in ack.ranges:
        gone += db.execute(_BETWEEN, (name, first, last, shares)).fetchall()
    for sequence in sorted(bad):
        if sequence <= mailbox.floors[lane]:
            continue
        gone += db.execute(_BETWEEN, (name, sequence, sequence, shares)).fetchall()
    if lane is not Lane.OUTCOME:
        commit.done.tally.acknowledged += len(gone)
        _waited(commit, gone, since_ms)
    if bad:
        leave(
            commit, name, mailbox, gone, lambda sequence: Result.UNDECRYPTABLE if sequence in bad else Result.DELIVERED
        )
    else:
        leave(commit, name, mailbox, gone, _delivered)


def _waited(commit: Commit, gone: Iterable[Row], since_ms: int) -> None:
    """Note how long acknowledged envelopes were here: those that came while their device was connected, and others."""
    connected, away, now_ms = commit.done.tally.waited_connected, commit.done.tally.waited_away, commit.now_ms
    for row in gone:
        stored_ms = row[-1]
        if stored_ms:  # 0: stored by a relay that did not note it
            (connected if stored_ms >= since_ms else away).append((now_ms - stored_ms) / 1000)


def _delivered(sequence: int) -> Result:  # noqa: ARG001 - the same for every sequence
    return Result.DELIVERED


def purge(commit: Commit, name: int, mailbox: Mailbox) -> None:
    """Delete all of a lane and tell senders PURGED; ``name`` is mailbox * 4 + lane."""
    gone = commit.db.execute(_ALL, (name, mailbox.shares is not None)).fetchall()
    leave(commit, name, mailbox, gone, _purged)


def _purged(sequence: int) -> Result:  # noqa: ARG001 - the same for every sequence
    return Result.PURGED


def leave(commit: Commit, name: int, mailbox: Mailbox, gone: Iterable[Row], result: Callable[[int], Result]) -> None:
    """Count rows of one lane out and tell their senders; ``result`` says what became of a sequence.

    ``name`` is mailbox * 4 + lane; each row is what ``RETURNING`` returns.
    """
    tally = commit.done.tally
    if name & 3 == Lane.OUTCOME:
        count = sum(1 for _ in gone)
        mailbox.outcomes -= count
        tally.outcomes_queued -= count
        return
    quota, body_refs = commit.tools.quota, commit.pending.body_refs
    for sequence, expires_ms, class_, octets, body, fan, sealed, _ in gone:
        mailbox.take(quota, class_, octets)
        tally.messages -= 1
        tally.octets -= octets
        if body is not None:
            body_refs[body] -= 1
        if sealed is None:
            continue
        try:
            origin = commit.tools.vault.open_envelope(name, sequence, expires_ms, sealed)[0]
        except KeyGone:
            # Only after a restore: its day is over, its key was deleted, and nobody can say any more who sent it.
            mailbox.shares = None
            continue
        mailbox.take_share(origin.account, octets)
        if fan is not None:
            _became(commit, origin, fan, result(sequence), class_, octets)
    for waiter in commit.tools.waiting.served(name >> 2, mailbox, quota):
        if commit.current(waiter.seat) is not None:
            commit.done.served.append(waiter)


def _became(commit: Commit, origin: Origin, fan: int, result: Result, class_: int, octets: int) -> None:
    """Decide whether what became of one device's envelope settles its target; ``octets`` are that envelope's."""
    if fan:
        state = commit.fan(fan)
        state[0] -= 1
        if state[1] or (result is not Result.DELIVERED and state[0]):
            return
        state[1] = 1
    sender = commit.party(origin.account)
    organisation = PLATFORM if sender is None else sender.side.organisation
    commit.done.tally.targets.append(fates.key(organisation, class_, octets, fates.FATE_OF_RESULT[result]))
    mailbox = commit.mailbox(origin.mailbox)
    if mailbox is None:
        return
    sequence = mailbox.put_outcome()
    name = origin.mailbox * 4 + Lane.OUTCOME
    expires_ms = commit.now_ms + OUTCOME_LIFETIME_S * 1000
    sealed = commit.tools.vault.seal_outcome(name, sequence, expires_ms, (origin.submission, origin.position, result))
    commit.pending.envelopes.append((name, sequence, expires_ms, 0, 0, None, None, sealed))
    outcome = Outcome(sequence, origin.submission, origin.position, result)
    commit.done.told.append(Told(origin.mailbox, expires_ms, outcome))
    commit.done.tally.outcomes_queued += 1
    commit.done.tally.outcomes[result] += 1
