"""The domain room: which fields of somebody a viewer is shown (spec 88 §2).

Two sides and what one hides himself enter; fields leave. The rules of this file: where the two stand decides, not who
they are; of all tables that concern whom it is about the strictest counts.
"""

from relayd.domain.permits import Side
from relayproto.standing import PLATFORM, Field, Standing, Viewer
from relayproto.visibility import shown, strictest


def viewer(who: Side, whom: Side) -> Viewer:
    """Return as what ``who`` looks at ``whom``. Two people who belong to nobody are at home on the platform.

    Who was only invited into a unit, or is attested no longer, looks as anybody does.
    """
    if who.standing is Standing.INVITED and who.unit != PLATFORM:
        return Viewer.PUBLIC
    if who.unit == whom.unit:
        return Viewer.SAME_UNIT
    if who.organisation == whom.organisation != PLATFORM:
        return Viewer.SAME_ORGANISATION
    match who.standing:
        case Standing.VERIFIED | Standing.OFFICE:
            return Viewer.OFFICERS
        case Standing.APPLICATION:
            return Viewer.APPLICATION
        case _:
            return Viewer.PUBLIC


def visible(who: Side, whom: Side, hidden: bytes | None) -> frozenset[Field]:
    """Return what ``who`` is shown of ``whom``; ``hidden`` is what that one hides himself, None for nothing."""
    table = whom.visibility if hidden is None else strictest([whom.visibility, hidden])
    return shown(table, viewer(who, whom))
