"""The store room: what is tightened, by a person or by the document of a unit (spec 70 §6, spec 88 §3).

Tables enter; rows change. The rule of this file: whatever has changed is forgotten in memory, in the same commit.
"""

from relayd.domain.seat import Seat
from relayd.store.commit import Commit
from relayproto.ids import UnitId
from relayproto.standing import PLATFORM


def put_own(commit: Commit, seat: Seat, row: bytes) -> None:
    """Keep what the seat's account has tightened for itself, ROW_BYTES that were checked; Refusal(AUTHENTICATION)."""
    commit.require(seat)
    kept = row if any(row) else None
    commit.db.execute("UPDATE account SET policy = ? WHERE account = ?", (kept, seat.account))
    commit.tools.residents.forget_account(seat.account)


def put_profile(commit: Commit, seat: Seat, about: str, hidden: bytes) -> None:
    """Keep what the seat's account says of itself and hides, a table that was checked; Refusal(AUTHENTICATION)."""
    commit.require(seat)
    kept = hidden if any(hidden) else None
    commit.db.execute("UPDATE account SET about = ?, hidden = ? WHERE account = ?", (about, kept, seat.account))


def put(
    commit: Commit, unit: UnitId, table: bytes | None, bounds: bytes | None = None, views: bytes | None = None
) -> None:  # fmt: skip
    """Let tables of permissions and visibilities, and bounds, hold for a unit and below, or for everybody.

    They were checked. None: it says nothing more of that.
    """
    said = (table, bounds, views)
    if unit == PLATFORM:
        commit.db.execute("UPDATE platform SET policy = ?, bounds = ?, visibility = ?", said)
    else:
        commit.db.execute("UPDATE unit SET policy = ?, bounds = ?, visibility = ? WHERE id = ?", (*said, unit))
    commit.tools.residents.forget_parties()
