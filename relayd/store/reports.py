"""The store room: what recipients report, kept for the moderators (spec 65 §6).

A sealed report enters. The rules of this file: it is kept without its reporter and with the day only; how many there
are is bounded; and they go when retention ends.
"""

from typing import Final

from relayd.domain.lifetimes import day
from relayd.domain.refusals import Fault, Refusal
from relayd.domain.seat import Seat
from relayd.store.commit import Commit
from relayd.store.submissions import DISK_RETRY_MS
from relayproto.codes import Code

REPORTS_MAX: Final = 10_000
"""150 MB. Moderators who leave more than this unread have to take some away before there is room for the next."""


def keep(commit: Commit, seat: Seat, sealed: bytes) -> None:
    """Keep a report. Raises Refusal(LIMIT) where too many are unread, Fault(DISK) while the disk is nearly full."""
    commit.require(seat)
    if commit.disk_tight:
        raise Fault(Code.DISK, DISK_RETRY_MS)
    (count,) = commit.db.execute("SELECT count(*) FROM report").fetchone()
    if count >= REPORTS_MAX:
        raise Refusal(Code.LIMIT)
    commit.db.execute("INSERT INTO report (day, sealed) VALUES (?, ?)", (day(commit.now_ms), sealed))
    commit.done.tally.reports += 1


def forget(commit: Commit) -> None:
    """Delete the reports whose retention is over."""
    commit.db.execute("DELETE FROM report WHERE day < ?", (day(commit.now_ms) - commit.tools.retention_days,))
