from collections import Counter

from relayd.metrics import Counters
from relayd.store.commit import Done, Tally
from relayd.store.telling import Ears, tell
from relayproto.codes import GapReason, Lane
from relayproto.notices import Gap


def test_answers_come_first_then_holes_and_the_figures_are_added() -> None:
    said: list[object] = []
    gap = Gap(Lane.NORMAL, 1, 2, GapReason.EXPIRED)
    tally = Tally(messages=-2, octets=-9, expired=2, gaps=Counter({GapReason.EXPIRED: 1}), prekeys=1, enrolled=1)
    done = Done(settlements=[(said.append, None)], gaps=[(5, gap)], tally=tally)
    counters = Counters()

    tell(done, Ears(said.append, lambda *told: said.append(told), ()), counters)

    assert said == [None, (5, gap)]
    assert (counters.envelopes_queued, counters.queued_bytes, counters.expired) == (-2, -9, 2)
    assert (counters.gaps, counters.prekeys_handed_out, counters.accounts_enrolled) == ({GapReason.EXPIRED: 1}, 1, 1)
