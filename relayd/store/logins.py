"""The store room: a device connects (spec 20 §5, §6).

HELLO and the key that the handshake proved enter; a seat, WELCOME and where delivery begins leave. The rules of this
file: whatever is wrong about who it says to be is one refusal; a floor is believed only in its own epoch and never
beyond what was given; each login outdates the connection before it.
"""

from typing import TYPE_CHECKING, Final

from relayd.domain.answers import Login
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import attempts, prekeys, removals
from relayd.store.commit import Commit
from relayproto.codes import VERSION, Code, Feature, GoawayCode, Lane
from relayproto.commands import Ack, Credit, Hello
from relayproto.errors import RemoteProtocolError
from relayproto.ids import UnitId
from relayproto.notices import Overflow, RolledBack
from relayproto.primitives import equal
from relayproto.replies import LaneState, Welcome
from relayproto.standing import PLATFORM, Standing

if TYPE_CHECKING:
    from relayproto.message import Message

_NO_CREDIT: Final = Credit(0, 0)
_NO_KEY: Final = bytes(32)
"""What an unknown device's key is compared with, so that unknown takes as long as wrong. No key is all zeros: its
public point would be of low order, and no handshake can end with it."""


def login(commit: Commit, hello: Hello, static_key: bytes) -> Login:
    """Let a device in, or raise Refusal(AUTHENTICATION) or RemoteProtocolError(BAD_ACK)."""
    found = commit.db.execute(
        "SELECT d.id, d.dh_key, a.list_version, a.standing, a.unit, a.act"
        " FROM account a JOIN device d ON d.account = a.id WHERE a.account = ? AND d.device = ?",
        (hello.account, hello.device),
    ).fetchone()
    row, dh_key, list_version, standing, unit, act = found or (0, _NO_KEY, 0, Standing.PUBLIC, PLATFORM, 0)
    if not equal(dh_key, static_key):
        raise Refusal(Code.AUTHENTICATION)
    mailbox, sender = commit.mailbox(row), commit.sender(row)
    if mailbox is None or sender is None:
        raise Refusal(Code.AUTHENTICATION)
    floors = hello.floors if hello.epoch == mailbox.epoch else (0, 0, 0)
    if any(floor >= following for floor, following in zip(floors, mailbox.nexts, strict=True)):
        raise RemoteProtocolError(GoawayCode.BAD_ACK, "HELLO acknowledges what was never given")
    notices: list[Message] = []
    for lane, floor in zip(Lane, floors, strict=True):
        if floor < mailbox.floors[lane] and hello.epoch in {mailbox.epoch, 0}:
            notices.append(RolledBack(lane, mailbox.floors[lane]))
        removals.acknowledge(commit, row, mailbox, Ack(mailbox.epoch, lane, floor, (), _NO_CREDIT, ()),
                             since_ms=commit.now_ms)  # fmt: skip
    if mailbox.refused:
        notices.append(Overflow(mailbox.refused))
    sender.generation += 1
    commit.pending.senders[row] = sender
    alone = attempts.count(commit, row, mailbox)
    left = prekeys.left(commit, row)
    welcome = Welcome(
        version=VERSION,
        features=Feature.NONE,
        now_ms=commit.now_ms,
        epoch=mailbox.epoch,
        lanes=tuple(LaneState(*state) for state in zip(mailbox.floors, mailbox.nexts, strict=True)),
        ledger_epoch=sender.ledger.epoch,
        ledger_floor=sender.ledger.floor,
        list_version=list_version,
        one_time_left=left.one_time,
        kem_left=left.kem,
        standing=Standing(standing),
        unit=UnitId(unit),
        act=act,
    )
    seat = Seat(row, sender.generation, hello.account, hello.device, commit.now_ms)
    return Login(seat, welcome, tuple(notices), floors, alone)
