"""One message of each kind, with values that stand for themselves: for round trips and for the frozen vectors."""

from relayproto.codes import Class, Code, GapReason, GoawayCode, Lane, PrekeyKind, Result
from relayproto.commands import (
    Ack,
    Block,
    Body,
    ConfirmClock,
    Credit,
    Enrol,
    Ephemeral,
    GetBundles,
    GetDevices,
    GetRelayKeys,
    GetStatus,
    Hello,
    Invite,
    Lookup,
    PutDevices,
    PutPrekeys,
    Report,
    SignedPrekey,
    Submit,
    Target,
    Wrap,
)
from relayproto.message import Message
from relayproto.notices import (
    Deliver,
    Drained,
    Gap,
    Goaway,
    NewEpoch,
    Outcome,
    Overflow,
    Passing,
    Ping,
    Pong,
    PrekeysLow,
    Rekey,
    RolledBack,
    Writable,
)
from relayproto.replies import (
    Account,
    Bundle,
    Bundles,
    Devices,
    Done,
    Enrolled,
    Invited,
    LaneState,
    Mismatch,
    NotTaken,
    PrekeysLeft,
    Refused,
    RelayKeys,
    Status,
    Submitted,
    Welcome,
)


def octets(length: int, start: int = 0) -> bytes:
    """Return bytes that count up, so that a shifted field shows."""
    return bytes((start + n) % 256 for n in range(length))


ALICE, BOB = octets(32, 1), octets(32, 101)
SIGNED = SignedPrekey(PrekeyKind.SIGNED, 1, octets(32, 2), octets(64, 3))
ONE_TIME = SignedPrekey(PrekeyKind.ONE_TIME, 2, octets(32, 4), octets(64, 5))
KEM = SignedPrekey(PrekeyKind.KEM_LAST_RESORT, 3, octets(1184, 6), octets(64, 7))

_ALL: tuple[Message, ...] = (
    Hello(ALICE, 1, 2, 77, (5, 0, 9), 88, 12, 0, Credit(64, 1 << 20), "relayclient 0.1.0"),
    Enrol(octets(16), octets(120), octets(64), (SIGNED, KEM)),
    Submit(
        13, 0, Class.CHAT, 2_592_000, 1, octets(33), octets(160), None, (Target(BOB, 1, (Wrap(1, octets(150)),)),), None
    ),
    Body(3, octets(300)),
    Ack(77, Lane.NORMAL, 5, ((7, 9), (11, 11)), Credit(70, 1 << 21), (9,)),
    Ephemeral(Target(BOB, 1, (Wrap(1, octets(150)),))),
    PutPrekeys((ONE_TIME,)),
    GetBundles(BOB, (1, 2)),
    Lookup("bob@gad.example"),
    PutDevices(octets(120), octets(64)),
    GetDevices(BOB),
    GetRelayKeys(),
    Invite("alice@gad.example", 604_800),
    GetStatus(),
    Block(BOB, True),
    Report(octets(15_360)),
    ConfirmClock(),
    Welcome(1, 0, 1_700_000_000_000, 77, (LaneState(5, 9), LaneState(0, 1), LaneState(9, 10)), 88, 12, 2, 100, 20),
    Enrolled(ALICE, "alice@gad.example", octets(200)),
    Submitted(13, (Code.STORED, Code.MISMATCHED_DEVICES), (Mismatch(1, 4, (2,), (7,), (3,)),), 0),
    NotTaken(14, Code.RATE, 1_500),
    PrekeysLeft(99, 19),
    Bundles(octets(120), octets(64), (Bundle(1, SIGNED, ONE_TIME, KEM), Bundle(2, SIGNED, None, KEM))),
    Account(BOB, "bob@gad.example", octets(120), octets(64)),
    Devices(octets(120), octets(64), "bob@gad.example"),
    RelayKeys((octets(200),)),
    Done(),
    Refused(Code.NOT_AVAILABLE, 0),
    Invited("alice@gad.example", octets(16), 1_700_000_600_000, "relay.example:7443", octets(200)),
    Status("0.1.0", (("connections_open", 3), ("envelopes_queued", 12))),
    Deliver(Lane.NORMAL, 6, ALICE, 1, Class.CHAT, 1_702_592_000_000, octets(33), octets(150), octets(150), octets(160)),
    Gap(Lane.URGENT, 1, 4, GapReason.EXPIRED),
    Drained(),
    Outcome(10, 13, 0, Result.DELIVERED),
    PrekeysLow(9, 3),
    RolledBack(Lane.NORMAL, 5),
    NewEpoch(78),
    Passing(ALICE, 1, octets(150)),
    Overflow(3),
    Writable(BOB),
    Ping(),
    Pong(),
    Rekey(),
    Goaway(GoawayCode.RESTART, True, 2_000),
)  # fmt: skip

SAMPLES: dict[int, Message] = {said.KIND: said for said in _ALL}
