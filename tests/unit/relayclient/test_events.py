"""The states of a message, and what events show of it."""

import itertools

from relayclient.events import MessageReceived, MessageState
from relayproto.codes import Class

ENDS = {MessageState.REFUSED, MessageState.EXPIRED, MessageState.UNDECRYPTABLE, MessageState.PURGED}


def test_ends_are_above_accepted_and_below_delivered():
    assert {state.rank for state in ENDS} == {2}
    order = [MessageState.QUEUED, MessageState.ACCEPTED, MessageState.PURGED, MessageState.DELIVERED, MessageState.READ]
    assert all(low.rank < high.rank for low, high in itertools.pairwise(order))


def test_every_state_has_a_rank():
    assert all(isinstance(state.rank, int) for state in MessageState)


def test_a_text_is_not_in_a_repr():
    event = MessageReceived(
        bytes(16), bytes(32), None, 1, None, "between us", 0, 1, Class.CHAT, verified=False, forwarded=False
    )

    assert "between us" not in repr(event)
