"""The store room: what is tightened, by a person or by the document of a unit (spec 70 §6, spec 88 §3).

Tables enter; rows change. The rule of this file: whatever has changed is forgotten in memory, in the same commit.
"""

from relayd.domain.seat import Seat
from relayd.store.commit import Commit
from relayproto.ids import UnitId
from relayproto.standing import PLATFORM


def put_own(commit: Commit, seat: Seat, row: bytes, said_ms: int = 0) -> None:
    """Keep what the seat's account has tightened for itself, ROW_BYTES that were checked; Refusal(AUTHENTICATION).

    ``said_ms`` is when a device had said so that tells it again after a restore (relay time, 0: it says so now); what
    another device has said since stays.
    """
    commit.require(seat)
    kept, at_ms = row if any(row) else None, _said_at(commit, said_ms)
    commit.db.execute(
        "UPDATE account SET policy = ?, policy_ms = ? WHERE account = ? AND policy_ms <= ?",
        (kept, at_ms, seat.account, at_ms),
    )
    commit.tools.residents.forget_account(seat.account)


def put_profile(commit: Commit, seat: Seat, about: str, hidden: bytes, said_ms: int = 0) -> None:
    """Keep what the seat's account says of itself and hides, a table that was checked; Refusal(AUTHENTICATION).

    ``said_ms`` is as in ``put_own``.
    """
    commit.require(seat)
    kept, at_ms = hidden if any(hidden) else None, _said_at(commit, said_ms)
    commit.db.execute(
        "UPDATE account SET about = ?, hidden = ?, profile_ms = ? WHERE account = ? AND profile_ms <= ?",
        (about, kept, at_ms, seat.account, at_ms),
    )


def _said_at(commit: Commit, said_ms: int) -> int:
    """Return when something was said: now, or earlier; never later, which nothing could replace."""
    return min(said_ms or commit.now_ms, commit.now_ms)


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
