"""The store room: who may write to whom although the tables alone do not allow it (spec 70 §6).

Passes and requests. The rules of this file: nothing on disk says who has written to whom - a pass is a keyed hash that
its holder keeps, and a request is remembered in memory, as a hash, until the day is over.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from relayd.domain import permits
from relayd.domain.lifetimes import day
from relayd.domain.party import Party
from relayproto.codes import Class
from relayproto.ids import AccountId
from relayproto.limits import PASS_BYTES, PASS_DAYS, REQUEST_BYTES_MAX
from relayproto.primitives import blake2b_256, equal
from relayproto.standing import Action, Permission

REQUESTS_MAX: Final = 65_536
"""Pairs that are remembered for a day, 100 bytes each; above it the oldest may ask once more."""
_VERSION: Final = b"\x01"
_KEY_LABEL: Final = b"relayd/pass-key/1"
_LABEL: Final = b"relayd/pass/1"
_MAC_BYTES: Final = 16


class Passes:
    """Makes and checks passes; any thread may ask."""

    __slots__ = ("_key", "_today")

    def __init__(self, master_key: bytes) -> None:
        self._key = blake2b_256(_KEY_LABEL, key=master_key)
        self._today = (-1, b"")

    def make(self, sender: AccountId, recipient: AccountId, now_ms: int) -> bytes:
        """Return what lets ``recipient`` answer ``sender``, PASS_BYTES."""
        number, when = self._today
        if number != (today := day(now_ms)):
            when = today.to_bytes(2)
            self._today = (today, when)
        return self._of(when, sender, recipient)

    def _of(self, when: bytes, sender: AccountId, recipient: AccountId) -> bytes:
        return _VERSION + when + blake2b_256(_LABEL + when + sender + recipient, key=self._key)[:_MAC_BYTES]

    def good(self, shown: bytes, sender: AccountId, recipient: AccountId, now_ms: int) -> bool:
        """Say whether ``sender`` wrote to ``recipient``, who shows this, within PASS_DAYS."""
        if len(shown) != PASS_BYTES:
            return False
        when = shown[1:3]
        age = day(now_ms) - int.from_bytes(when)
        return 0 <= age <= PASS_DAYS and equal(shown, self._of(when, sender, recipient))


class Sent(NamedTuple):
    """What is sent: which action it is, whether it is short enough for a request, and the pass shown with it."""

    action: Action
    short: bool
    shown: bytes


def sent(class_: Class, octets: int, shown: bytes) -> Sent:
    """Return what an envelope of a class is; ``octets`` is its body's length."""
    action = Action.CALL if class_ is Class.CALL else Action.TEXT
    return Sent(action, class_ is Class.CHAT and octets <= REQUEST_BYTES_MAX, shown)


class Contacts:
    """Decides whether somebody may send; the writer's thread only."""

    __slots__ = ("_asked", "_key", "passes")

    def __init__(self, passes: Passes, key: bytes) -> None:
        """Take what makes passes, and 32 random bytes of this process."""
        self.passes = passes
        self._key = key
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def may_send(self, who: Party, whom: Party, sent: Sent, now_ms: int) -> bool:
        """Say whether an envelope may go, where the tables alone do not let it go freely."""
        if permits.permission(who.side, whom.side, sent.action) != Permission.ALLOW:
            return False
        first = permits.permission(who.side, whom.side, Action.FIRST_CONTACT)
        if first == Permission.ALLOW or self.passes.good(sent.shown, whom.account, who.account, now_ms):
            return True
        if first != Permission.REQUEST or not sent.short:
            return False
        return self._asked.get(self._pair(who.account, whom.account)) != day(now_ms)

    def stored(self, who: Party, whom: Party, sent: Sent, now_ms: int) -> None:
        """Note that an envelope was stored which did not go freely: a request is the pair's one of this day."""
        first = permits.permission(who.side, whom.side, Action.FIRST_CONTACT)
        if first == Permission.ALLOW or self.passes.good(sent.shown, whom.account, who.account, now_ms):
            return
        pair = self._pair(who.account, whom.account)
        self._asked[pair] = day(now_ms)
        self._asked.move_to_end(pair)
        if len(self._asked) > REQUESTS_MAX:
            self._asked.popitem(last=False)

    def pass_for(self, whom: Party, who: Party, now_ms: int) -> bytes:
        """Return what goes with an envelope of ``who`` to ``whom``: a pass where an answer takes one, else nothing."""
        if whom.row == who.row or not permits.needs_pass(whom.side, who.side):
            return b""
        return self.passes.make(who.account, whom.account, now_ms)

    def forget(self) -> None:
        """Forget all requests, because what is here may never have been committed."""
        self._asked.clear()

    def _pair(self, who: AccountId, whom: AccountId) -> bytes:
        return blake2b_256(who + whom, key=self._key)[:_MAC_BYTES]
