"""Credit and acknowledgements of one connection."""

from relayproto import notices
from relayproto.codes import Class, GapReason, Lane
from relayproto.commands import Credit
from relayproto.notices import Deliver, Gap
from support.changed import replace
from support.small_relay import NOW_MS
from support.talk import BOB, introduce, texts


def test_credit_bounds_what_is_under_way_and_is_given_back(relay, alice, bob):
    for number in range(50):
        alice.queue(BOB, f"text {number}", now_ms=NOW_MS)
    relay.connect(alice).run()

    line = relay.connect(bob, window=Credit(3, 2_500))

    assert len(texts(line.run())) == 50


def test_ranges_and_reports_fit_their_frames(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob, window=Credit(500, 1 << 24))
    line.run()
    row = notices.Deliver(
        Lane.NORMAL, 2, alice.identity.account, 1, Class.CHAT, NOW_MS + 1000, bytes(33),
        relay.stamped(line.key, bytes(33)), bytes(100), b"body",
    )  # fmt: skip

    for sequence in range(2, 202):
        bob.noticed(replace(row, sequence=sequence), NOW_MS)
    acks = bob.acks()

    assert [len(ack.undecryptable) for ack in acks] == [64, 64, 64, 8]
    assert [ack.floor for ack in acks] == [65, 129, 193, 201]
    assert bob.acks() == []


def test_more_holes_than_an_ack_holds_are_acknowledged_from_the_lowest(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob, window=Credit(500, 1 << 24))
    line.run()
    for sequence in range(3, 103, 2):
        line.notice(Gap(Lane.URGENT, sequence, sequence, GapReason.EXPIRED))

    acks = bob.acks()

    assert [ack.floor for ack in acks] == [0]
    assert acks[0].ranges == tuple((sequence, sequence) for sequence in range(3, 67, 2))


def test_credit_alone_goes_with_the_normal_lane(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob)
    line.run()
    row = Deliver(
        Lane.NORMAL, 1, alice.identity.account, 1, Class.CHAT, NOW_MS + 1000, bytes(33), bytes(10), bytes(9), b"body"
    )

    line.notice(row)
    acks = bob.acks()

    assert [(ack.lane, ack.floor, ack.ranges) for ack in acks] == [(Lane.NORMAL, 1, ())]
    assert acks[0].credit.octets == line.credit.octets + 13
