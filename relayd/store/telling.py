"""The store room: what the event loop does once a commit was synced.

``Done`` enters; answers go to those who asked, entries and holes to those who listen, figures to the counters. The
rule of this file: it runs after the commit and before the next one, in the order in which things were decided.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from relayd.domain.entry import Entry
from relayd.incidents import Reporter
from relayd.metrics import Counters
from relayd.store.commit import Accepted, Done, Placement, Tally
from relayproto.codes import Lane
from relayproto.limits import SERIALS_TOGETHER_MAX
from relayproto.message import Message
from relayproto.notices import Deliver, Gap, Overflow, Revoked, Writable


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told: of entries, of holes, of anything else, all at once; and which mailboxes somebody listens to.

    ``speak`` is called when all is told: whoever has something to say by then says it at once.
    """

    wake: Callable[[list[Entry]], None]
    explain: Callable[[int, Gap], None]
    say: Callable[[int, Message], None]
    announce: Callable[[Message], None]
    listening: Container[int]
    speak: Callable[[], None]


def tell(done: Done, ears: Ears, counters: Counters, incident: Reporter) -> None:
    """Tell everybody what was committed, all but the verbs' answers."""
    for settle, settlement in done.settlements:
        try:
            settle(settlement)
        except Exception as error:  # noqa: BLE001 - one connection's bug; the others have their answers due
            incident(error, where="answer")
    listening = ears.listening
    entries = [_entry(one, each) for one in done.accepted for each in one.placements if each.mailbox in listening]
    entries += [
        Entry(told.mailbox, Lane.OUTCOME, told.outcome.sequence, told.expires_ms, 0, told.outcome)
        for told in done.told
        if told.mailbox in listening
    ]
    if entries:
        ears.wake(entries)
    for mailbox, gap in done.gaps:
        ears.explain(mailbox, gap)
    for mailbox, refused in done.refused.items():
        ears.say(mailbox, Overflow(refused))
    for waiter in done.served:
        ears.say(waiter.seat.row, Writable(waiter.account))
    if done.revoked:
        few = len(done.revoked) <= SERIALS_TOGETHER_MAX
        ears.announce(Revoked(done.revoked[-1][0], tuple(serial for _, serial in done.revoked) if few else ()))
    count(done.tally, counters)
    ears.speak()


def _entry(one: Accepted, placement: Placement) -> Entry:
    lane, sequence, expires_ms, work = one.lane, placement.sequence, one.expires_ms, one.work
    seat, command = work.seat, work.command
    deliver = Deliver(
        lane, sequence, seat.account, seat.device, command.class_, expires_ms, command.commitment, one.stamp,
        placement.wrap.sealed, work.body, placement.pass_,
    )  # fmt: skip
    return Entry(placement.mailbox, lane, sequence, expires_ms, deliver.cost(), deliver)


def count(tally: Tally, counters: Counters) -> None:
    """Add a commit's figures to the process's."""
    counters.envelopes_queued += tally.messages
    counters.queued_bytes += tally.octets
    counters.outcomes_queued += tally.outcomes_queued
    counters.acknowledged += tally.acknowledged
    counters.expired += tally.expired
    counters.submissions.update(tally.codes)
    counters.outcomes.update(tally.outcomes)
    counters.prekeys_handed_out += tally.prekeys
    counters.last_resort_handed_out += tally.last_resort
    counters.accounts_enrolled += tally.enrolled
    counters.reports += tally.reports
    counters.waits_connected.observe_all(tally.waited_connected)
    counters.waits_away.observe_all(tally.waited_away)
