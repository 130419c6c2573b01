"""The store room: who has blocked whom (spec 50 §5).

Two accounts enter; a yes or a no leaves. The rules of this file: what lies on disk is a hash that only the master key
makes, so that a stolen database names nobody; and an account that has blocked somebody is to them one that is not
there, for the price of one look-up either way.
"""

from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store.commit import Commit
from relayproto.codes import Code
from relayproto.ids import AccountId
from relayproto.limits import BLOCKED_MAX


def block(commit: Commit, seat: Seat, account: AccountId, *, blocked: bool) -> None:
    """Block an account, or no longer; whether there is one of that id makes no difference. Refusal(LIMIT)."""
    commit.require(seat)
    owner = commit.party(seat.account)
    if owner is None or account == seat.account:
        return
    marks, key = commit.tools.marks, (owner.row, commit.tools.marks.of(seat.account, account))
    if not blocked:
        commit.db.execute("DELETE FROM block WHERE account = ? AND mark = ?", key)
    elif not marks.blocked(commit.db, owner.row, seat.account, account):
        (count,) = commit.db.execute("SELECT count(*) FROM block WHERE account = ?", (owner.row,)).fetchone()
        if count >= BLOCKED_MAX:
            raise Refusal(Code.LIMIT)
        commit.db.execute("INSERT INTO block (account, mark) VALUES (?, ?)", key)
    commit.tools.residents.forget_account(seat.account)
