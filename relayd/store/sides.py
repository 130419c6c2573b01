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
from relayproto.policy import PLATFORM_DEFAULT, inbound, outbound, strictest
from relayproto.standing import PLATFORM, Standing, UnitState

KEPT_MAX: Final = 8_192
"""Sides that are kept: 500 organisations with three standings each in five units that have a policy of their own."""
_ABOVE: Final = """
WITH RECURSIVE above (under, state, policy, bounds, visibility) AS (
    SELECT under, state, policy, bounds, visibility FROM unit WHERE id = ?
    UNION ALL
    SELECT unit.under, unit.state, unit.policy, unit.bounds, unit.visibility FROM unit
    JOIN above ON unit.id = above.under
)
SELECT state, policy, bounds, visibility FROM above
"""


def read(db: sqlite3.Connection, unit: UnitId, standing: Standing) -> Side:
    """Return the side of people of a standing in a unit."""
    platform, bounds, views = db.execute("SELECT policy, bounds, visibility FROM platform").fetchone()
    above = db.execute(_ABOVE, (unit,)).fetchall()
    table = strictest([platform or PLATFORM_DEFAULT, *[policy for _, policy, _, _ in above if policy is not None]])
    active = all(state == UnitState.ACTIVE for state, *_ in above)
    bound = least(each for each in (bounds, *[bounds for _, _, bounds, _ in above]) if each is not None)
    shown = visibility.strictest(
        [views or visibility.PLATFORM_DEFAULT, *[views for *_, views in above if views is not None]]
    )
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
