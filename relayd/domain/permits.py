"""The domain room: who may do what to whom, as a look-up (spec 70 §6).

Two people and an action enter; the strictest permission leaves. The rules of this file: both sides' tables count; what
is not asked of the tables is not decided here - passes and requests are the store's.
"""

from dataclasses import dataclass
from typing import Final

from relayd.domain.bounds import Bounds
from relayproto.ids import UnitId
from relayproto.policy import ACTIONS, ROW_BYTES
from relayproto.standing import PLATFORM, Action, Permission, Standing
from relayproto.visibility import NOTHING_HIDDEN

_OPEN: Final = bytes(ROW_BYTES)
_FIRST: Final = int(Action.FIRST_CONTACT)
_LOOKUP: Final = int(Action.LOOKUP)


@dataclass(frozen=True, slots=True)
class Side:
    """What an account's standing and tables say of it.

    ``inbound`` is what may be done to it, by standing of who does it and action; ``outbound`` what it may do, by
    standing of whom it is done to. ``active`` is false where its organisation is suspended: then it does nothing and is
    not there. ``bounds`` are those of its submissions, None where no document has any; ``organisation`` is where
    its ``unit`` belongs, for counting and for who looks at it; ``visibility`` is what documents let be shown of it.
    """

    standing: Standing = Standing.PUBLIC
    inbound: bytes = _OPEN
    outbound: bytes = _OPEN
    active: bool = True
    bounds: Bounds | None = None
    organisation: UnitId = PLATFORM
    unit: UnitId = PLATFORM
    visibility: bytes = NOTHING_HIDDEN


NOWHERE: Final = Side()
"""The side of somebody whom no table concerns."""


def permission(who: Side, whom: Side, action: int) -> int:
    """Return the strictest word on it of both sides' tables."""
    theirs, ours = whom.inbound[who.standing * ACTIONS + action], who.outbound[whom.standing * ACTIONS + action]
    return max(ours, theirs)


def freely(who: Side, whom: Side, action: int) -> bool:
    """Say whether somebody may send to somebody, without looking further; what nearly every envelope needs."""
    theirs, ours = who.standing * ACTIONS, whom.standing * ACTIONS
    inbound, outbound = whom.inbound, who.outbound
    return not (
        inbound[theirs + action] or outbound[ours + action] or inbound[theirs + _FIRST] or outbound[ours + _FIRST]
    )


def may_find(who: Side, whom: Side) -> bool:
    """Say whether somebody may look for somebody's list and keys, without a pass."""
    return permission(who, whom, Action.LOOKUP) == Permission.ALLOW


def needs_pass(who: Side, whom: Side) -> bool:
    """Say whether ``who`` may write to ``whom`` only in answer, or may not even look for its keys."""
    theirs, ours = who.standing * ACTIONS, whom.standing * ACTIONS
    inbound, outbound = whom.inbound, who.outbound
    return bool(
        inbound[theirs + _FIRST] or outbound[ours + _FIRST] or inbound[theirs + _LOOKUP] or outbound[ours + _LOOKUP]
    )
