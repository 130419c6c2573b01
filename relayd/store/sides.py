"""The store room: what standing and tables say of an account, put together from all that concern it (spec 70 §6).

A unit, a standing and a person's own row enter; a side leaves. The rule of this file: what holds is the strictest of
the platform's table, of every unit's from the account's own upwards, and of its own row; of bounds the least.
"""

import sqlite3
from dataclasses import replace
from typing import Final

from relayd.domain.bounds import least
from relayd.domain.permits import Side
from relayproto import visibility
from relayproto.ids import UnitId
from relayproto.limits import UNIT_DEPTH_MAX
from relayproto.policy import PLATFORM_DEFAULT, TABLE_BYTES, inbound, outbound, strictest
from relayproto.standing import PLATFORM, Standing, UnitState

KEPT_MAX: Final = 8_192
"""Sides that are kept: 500 organisations with three standings each in five units that have a policy of their own."""
_NOTHING_DENIED: Final = bytes(TABLE_BYTES)
_ABOVE: Final = """
WITH RECURSIVE above (rank, id, under, state, policy, bounds, visibility) AS (
    SELECT 1, id, under, state, policy, bounds, visibility FROM unit
    WHERE id = coalesce(nullif(?1, 0), (SELECT min(id) FROM unit))
    UNION ALL
    SELECT rank + 1, unit.id, unit.under, unit.state, unit.policy, unit.bounds, unit.visibility FROM above
    JOIN unit ON unit.id = iif(above.under = 0, above.id, above.under) WHERE rank < ?2
)
SELECT state, policy, bounds, visibility FROM above
"""
"""A unit and what is above it, the topmost as often as it takes to have UNIT_DEPTH_MAX rows: that changes nothing, and
time does not tell how deep somebody is. Of the platform's people, and of who is not there, any unit's rows are read."""


def read(db: sqlite3.Connection, unit: UnitId, standing: Standing) -> Side:
    """Return the side of people of a standing in a unit, by the same work for every unit and for none."""
    platform, bounds, views = db.execute("SELECT policy, bounds, visibility FROM platform").fetchone()
    above = db.execute(_ABOVE, (unit, UNIT_DEPTH_MAX)).fetchall()
    if unit == PLATFORM:
        above = [(UnitState.ACTIVE, None, None, None)] * len(above)
    tables = [policy or _NOTHING_DENIED for _, policy, _, _ in above]
    table = strictest([platform or PLATFORM_DEFAULT, *tables])
    active = all([state == UnitState.ACTIVE for state, *_ in above])  # noqa: C419 - all of them, whatever they say
    bound = least(each for each in (bounds, *[bounds for _, _, bounds, _ in above]) if each is not None)
    hidden = [views or visibility.NOTHING_HIDDEN for *_, views in above]
    shown = visibility.strictest([views or visibility.PLATFORM_DEFAULT, *hidden])
    root = db.execute("SELECT organisation FROM unit WHERE id = ?", (unit,)).fetchone()
    organisation = PLATFORM if root is None else UnitId(root[0])
    return Side(
        standing, inbound(table, standing), outbound(table, standing), active, bound, organisation, unit, shown
    )  # fmt: skip


def own_side(side: Side, own: bytes | None, *, suspended: bool = False) -> Side:
    """Return the side of one person: with what the person has tightened, and not active where suspended."""
    if own is not None:
        side = replace(side, inbound=strictest([side.inbound, own]))
    return replace(side, active=False) if suspended else side


class Sides:
    """Those that commits have already put together; the writer's thread only. Few differ, so people share them."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], Side] = {}

    def of(
        self, db: sqlite3.Connection, unit: UnitId, standing: Standing, own: bytes | None, *, suspended: bool = False
    ) -> Side:
        """Return an account's side."""
        side = self._kept.get((unit, standing))
        if side is None:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            side = self._kept[unit, standing] = read(db, unit, standing)
        return own_side(side, own, suspended=suspended)

    def forget(self) -> None:
        """Forget all, because a table, a unit or a state has changed."""
        self._kept.clear()
