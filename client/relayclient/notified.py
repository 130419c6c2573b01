"""What the relay says unasked: envelopes, gaps, outcomes, and what it knows of the device's place.

A notice enters and events leave. The rule of this file: envelopes are dealt with in the order in which they came, each
in one step; one that needs an answer of the relay's first holds what came after it, and credit bounds how much that is.
No step here is synced: whoever calls makes all of them last at once, before he tells of them (``Device.make_last``).
"""

import contextlib
from collections.abc import Callable
from typing import assert_never

from relayclient import attempts, badges, inbox, outbox, passing, position, submissions
from relayclient.errors import ClientError
from relayclient.events import Drained, Event, GapSeen, QuotaRefused, RolledBack
from relayclient.link import Lacking, Link
from relayclient.store.database import Step, Store
from relayproto import notices
from relayproto.codes import GapReason, Lane
from relayproto.ids import AccountId
from relayproto.notices import Deliver, Gap, NewEpoch, Notice, Outcome, Overflow, Passing, PrekeysLow, Revoked, Writable

_NO_FLOORS = (0, 0, 0)


def take_in(store: Store, link: Link, notice: Notice, now_ms: int) -> list[Event]:
    """Take in a notice."""
    match notice:
        case Deliver() | notices.Drained():
            events = _queued(store, link, notice, now_ms)
        case Gap():
            events = _gap(store, link, notice)
        case Outcome():
            events = _outcome(store, link, notice, now_ms)
        case PrekeysLow(one_time, kem):
            link.left = (one_time, kem)
            events = []
        case Overflow(refused):
            events = [QuotaRefused(refused)]
        case _:
            with store.step(lasting=False) as step:
                events = _noted(step, link, notice, now_ms)
    return events


def _queued(store: Store, link: Link, notice: Deliver | notices.Drained, now_ms: int) -> list[Event]:
    if isinstance(notice, notices.Drained):
        link.held.append(notice)
        return release(store, link, now_ms)
    if link.flow.overrun_by(len(link.held)):
        return []  # beyond the credit nothing is kept: it was not acknowledged and comes again with a new connection
    link.held.append(notice)
    link.came += 1
    return _left_out(store, link, notice) + release(store, link, now_ms)


def _noted(
    step: Step, link: Link, notice: notices.RolledBack | NewEpoch | Passing | Writable | Revoked, now_ms: int
) -> list[Event]:
    match notice:
        case notices.RolledBack(lane, floor):
            position.cover(step, lane, 1, floor)
            link.flow.explained(lane, floor)
            return [RolledBack(lane, floor)]
        case Passing():
            return passing.take_in(step, link, notice, now_ms)
        case Writable(account):
            outbox.writable(step, account)
            return []
        case Revoked():
            badges.revoked(step, link, notice, now_ms)
            return []
        case NewEpoch(epoch):
            if position.enter_epoch(step, epoch, _NO_FLOORS):
                link.flow.restart(_NO_FLOORS)
            return []
        case _ as never:
            assert_never(never)


def release(store: Store, link: Link, now_ms: int) -> list[Event]:
    """Deal with what is held, in order, until something must be asked first."""
    events: list[Event] = []

    def fetched(account: AccountId | None) -> bool:
        return link.keys_fetched if account is None else link.fresh.get(account, 0) > link.dealt_with

    while link.held and link.lacking is None:
        notice = link.held[0]
        if isinstance(notice, notices.Drained):
            events.append(Drained())
        else:
            try:
                events += _dealt_with(store, notice, now_ms, fetched)
            except Lacking as lacking:
                link.lacking = lacking.command
                break
            link.flow.dealt_with(notice.cost())
            link.dealt_with += 1
        link.held.popleft()
    return events


def _dealt_with(
    store: Store, deliver: Deliver, now_ms: int, fetched: Callable[[AccountId | None], bool]
) -> list[Event]:
    """Deal with an envelope, unless this program has died of it too often."""
    with store.step(lasting=False) as step:
        harmless = attempts.begin(step, deliver, now_ms)
    try:
        with store.step(lasting=False) as step:
            if not harmless:
                return inbox.refuse(step, deliver)
            events = inbox.take_in(step, deliver, now_ms, fetched)
            attempts.finish(step, deliver)
    except (Lacking, ClientError):
        with contextlib.suppress(ClientError), store.step(lasting=False) as step:
            attempts.undo(step, deliver)
        raise
    return events


def _left_out(store: Store, link: Link, deliver: Deliver) -> list[Event]:
    """Tell of numbers that the relay went over without a word; numbers that were dealt with before are none."""
    first = link.flow.delivered(deliver.lane, deliver.sequence)
    if first is None:
        return []
    with store.step(lasting=False) as step:
        place = position.read(step, deliver.lane)
    if position.merged(place, first, deliver.sequence - 1) == place:
        return []
    return [GapSeen(deliver.lane, first, deliver.sequence - 1, None)]


def _gap(store: Store, link: Link, gap: Gap) -> list[Event]:
    link.flow.explained(gap.lane, gap.last)
    with store.step(lasting=False) as step:
        before = position.read(step, gap.lane)
        position.cover(step, gap.lane, gap.first, gap.last)
        new = position.read(step, gap.lane) != before
    if not new or gap.reason is GapReason.ACKNOWLEDGED:
        return []
    return [GapSeen(gap.lane, gap.first, gap.last, gap.reason)]


def _outcome(store: Store, link: Link, outcome: Outcome, now_ms: int) -> list[Event]:
    link.flow.delivered(Lane.OUTCOME, outcome.sequence)
    with store.step(lasting=False) as step:
        events = submissions.settled(step, outcome.submission, outcome.position, outcome.result, now_ms)
        position.cover(step, Lane.OUTCOME, outcome.sequence, outcome.sequence)
    link.flow.dealt_with(0)
    return events
