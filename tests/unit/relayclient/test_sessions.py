"""Sessions with other devices, begun, lost and begun again."""

from relayclient import outbox, sessions
from relayclient.events import EnvelopeFailed, Failure, MessageState
from relayproto.codes import Class, Code, Lane, PrekeyKind
from relayproto.commands import GetBundles, GetDevices, Submit
from relayproto.e2e.content import Retry
from relayproto.e2e.session import Peer
from relayproto.e2e.wrap import UNSEALED
from relayproto.limits import RETRY_MAX
from relayproto.notices import Deliver
from relayproto.replies import Refused
from support.changed import replace
from support.small_relay import NOW_MS, join_second
from support.talk import ALICE, BOB, HOUR_MS, forget_own_list, forget_sessions, introduce, of, sent_by, states, texts


def test_what_does_not_open_is_asked_for_again_and_comes_under_a_new_session(relay, alice, bob):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "please read", now_ms=NOW_MS)
    relay.connect(alice).run()
    box = relay.seat(bob).boxes[Lane.NORMAL]
    sequence = max(box.rows)
    wrap = box.rows[sequence].wrap
    box.rows[sequence] = replace(box.rows[sequence], wrap=wrap[:-1] + bytes((wrap[-1] ^ 1,)))

    failed = relay.connect(bob).run()
    before = relay.connect(alice).run()
    came = relay.connect(bob).run()
    after = relay.connect(alice).run()

    assert of(EnvelopeFailed, failed) == [EnvelopeFailed(alice.identity.account, 1, Failure.SESSION)]
    assert (message, MessageState.UNDECRYPTABLE) in states(before)
    assert texts(came) == ["please read"]
    assert states(after) == [(message, MessageState.DELIVERED)]


def test_no_session_is_begun_before_ones_own_list_is_known(relay, alice, bob):
    forget_own_list(alice)
    relay.answers[GetDevices] = Refused(Code.BUSY, 1_000)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    line = relay.connect(alice)

    line.run()
    asked, waiting = of(GetBundles, line.commands), relay.connect(bob).run()
    del relay.answers[GetDevices]
    relay.now_ms += HOUR_MS
    line.run()

    assert (asked, texts(waiting)) == ([], [])  # a bundle that can't be used would take a prekey of somebody's
    assert texts(relay.connect(bob).run()) == ["text"]


def test_a_retry_is_asked_for_once_an_hour(relay, alice, bob):
    introduce(relay, alice, bob)
    box = relay.seat(bob).boxes[Lane.NORMAL]

    def spoil():
        alice.queue(BOB, "text", now_ms=relay.now_ms)
        relay.connect(alice).run()
        for sequence, row in box.rows.items():
            box.rows[sequence] = replace(row, wrap=row.wrap[:-1] + bytes((row.wrap[-1] ^ 1,)))
        return [submit.class_ for submit in sent_by(relay, bob)]

    first, second = spoil(), spoil()
    relay.now_ms += HOUR_MS

    assert (first, second, spoil()) == ([Class.RECEIPT], [], [Class.RECEIPT])


def test_more_than_one_request_can_name_is_named_an_hour_later(relay, alice, bob):
    introduce(relay, alice, bob)
    for number in range(RETRY_MAX + 2):
        alice.queue(BOB, f"{number}", now_ms=NOW_MS)
    relay.connect(alice).run()
    forget_sessions(bob)
    failed = of(EnvelopeFailed, relay.connect(bob).run())

    with bob._store.step() as step:
        left = step.number("SELECT COUNT(*) FROM lost")
    relay.now_ms += HOUR_MS
    asked = [submit.class_ for submit in sent_by(relay, bob)]
    with bob._store.step() as step:
        none_left = step.number("SELECT COUNT(*) FROM lost")

    assert len(failed) == RETRY_MAX + 2
    assert (left, asked, none_left) == (2, [Class.RECEIPT], 0)


def test_what_came_after_all_is_not_asked_for(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    [row] = relay.seat(bob).boxes[Lane.NORMAL].rows.values()
    with bob._store.step() as step:
        sessions.lost(step, row, NOW_MS)
        step.run("UPDATE session SET asked_ms = ?", NOW_MS)

    relay.connect(bob).run()

    with bob._store.step() as step:
        assert step.number("SELECT COUNT(*) FROM lost") == 0


def test_what_is_remembered_as_lost_is_bounded_and_forgotten(relay, alice, bob):
    introduce(relay, alice, bob)
    row = Deliver(
        Lane.NORMAL, 9, alice.identity.account, 1, Class.CHAT, NOW_MS + 1, bytes(33), b"", b"", b"body"
    )  # fmt: skip

    with bob._store.step() as step:
        for number in range(300):
            sessions.lost(step, replace(row, commitment=number.to_bytes(33)), NOW_MS)
        kept = step.number("SELECT COUNT(*) FROM lost")
    bob.housekeep(NOW_MS + 8 * 24 * HOUR_MS)

    with bob._store.step() as step:
        assert (kept, step.number("SELECT COUNT(*) FROM lost")) == (256, 0)


def test_a_session_that_the_other_side_has_lost_does_not_come_back(relay, alice, bob):
    introduce(relay, alice, bob)
    peer = Peer(bob.identity.account, 1)
    with alice._store.step() as step:
        dead = sessions._held(step, peer).sessions[0]
    for _ in range(2):
        forget_sessions(bob)
        alice.queue(BOB, "lost and sent again", now_ms=relay.now_ms)
        for device in (alice, bob, alice):
            relay.connect(device).run()
        relay.now_ms += HOUR_MS

    with alice._store.step() as step:
        orders = [one.order for one in sessions._held(step, peer).sessions]

    assert orders == [dead.order + 2, dead.order + 1, dead.order]


def test_a_first_message_is_not_opened_twice(relay, alice, bob):
    for kind in (PrekeyKind.ONE_TIME, PrekeyKind.KEM_ONE_TIME):
        relay.seat(bob).prekeys[kind].clear()
    alice.queue(BOB, "once", now_ms=NOW_MS)
    relay.connect(alice).run()
    row = relay.seat(bob).boxes[Lane.NORMAL].rows[1]
    relay.connect(bob).run()
    with bob._store.step() as step:
        step.run("DELETE FROM seen")
        step.run("DELETE FROM session")
    relay.seat(bob).boxes[Lane.NORMAL].rows[2] = replace(row, sequence=2)
    relay.seat(bob).boxes[Lane.NORMAL].next = 3

    told = relay.connect(bob).run()

    assert texts(told) == []
    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SESSION]


def test_bundles_that_do_not_hold_begin_no_session(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    signed = relay.seat(bob).prekeys[PrekeyKind.SIGNED]
    good = signed[0]
    signed[0] = replace(signed[0], signature=bytes(64))
    line = relay.connect(alice)
    line.run()
    waiting = alice.state_of(message)

    signed[0] = good
    relay.now_ms += 30_000
    line.run()

    assert waiting == (MessageState.QUEUED, None)
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_device_without_prekeys_keeps_nobody_from_writing_and_asks_when_it_comes(relay, alice, bob, tmp_path):
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        seat = relay.seat(tablet)
        signed, seat.prekeys[PrekeyKind.SIGNED] = seat.prekeys[PrekeyKind.SIGNED], []
        message = alice.queue(BOB, "for both", now_ms=NOW_MS)
        line = relay.connect(alice)
        line.run()
        wraps = {wrap.device: wrap.sealed for submit in of(Submit, line.commands) for wrap in submit.targets[0].wraps}
        came = texts(relay.connect(bob).run())
        bob.queue(ALICE, "from the first", now_ms=NOW_MS)
        relay.connect(bob).run()
        answered = texts(relay.connect(alice).run())

        seat.prekeys[PrekeyKind.SIGNED] = signed
        failed = relay.connect(tablet).run()
        relay.connect(alice).run()
        late = relay.connect(tablet).run()
        relay.connect(alice).run()

    assert (came, answered) == (["for both"], ["from the first"])
    assert wraps[tablet.identity.device] == UNSEALED
    assert Failure.SESSION in [event.failure for event in of(EnvelopeFailed, failed)]
    assert texts(late) == ["for both"]
    assert alice.state_of(message)[0] is MessageState.DELIVERED


def test_a_device_without_prekeys_is_asked_about_again_after_ten_minutes(relay, alice, bob, tmp_path):
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        seat = relay.seat(tablet)
        signed, seat.prekeys[PrekeyKind.SIGNED] = seat.prekeys[PrekeyKind.SIGNED], []
        alice.queue(BOB, "one", now_ms=NOW_MS)
        relay.connect(alice).run()
        seat.prekeys[PrekeyKind.SIGNED] = signed
        relay.now_ms += sessions.UNREADY_MS - 1
        alice.queue(BOB, "two", now_ms=relay.now_ms)
        early = relay.connect(alice)
        early.run()
        relay.now_ms += 1
        alice.queue(BOB, "three", now_ms=relay.now_ms)
        relay.connect(alice).run()

        assert of(GetBundles, early.commands) == []
        assert texts(relay.connect(tablet).run()) == ["three"]


def test_to_an_account_of_which_no_device_has_prekeys_nothing_goes(relay, alice, bob):
    prekeys = relay.seat(bob).prekeys
    signed, prekeys[PrekeyKind.SIGNED] = prekeys[PrekeyKind.SIGNED], []
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    waiting = alice.state_of(message)
    prekeys[PrekeyKind.SIGNED] = signed
    relay.now_ms += 30_000
    relay.connect(alice).run()

    assert waiting == (MessageState.QUEUED, None)
    assert texts(relay.connect(bob).run()) == ["text"]


def test_a_retry_request_is_heeded_once_an_hour(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "unread", now_ms=NOW_MS)
    relay.connect(alice).run()
    with bob._store.step() as step:
        outbox.queue_control(step, alice.identity.account, Retry(0, ()), NOW_MS)
        outbox.queue_control(step, alice.identity.account, Retry(0, ()), NOW_MS)
    line = relay.connect(bob)
    line._commands()

    first = sent_by(relay, alice)
    with bob._store.step() as step:
        outbox.queue_control(step, alice.identity.account, Retry(0, ()), NOW_MS)
    relay.connect(bob)._commands()
    second = sent_by(relay, alice)

    assert len(first) == 1
    assert second == []


def test_what_goes_again_to_all_devices_is_shown_again_by_none(relay, alice, bob, tmp_path):
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        introduce(relay, alice, bob)
        relay.connect(tablet).run()
        alice.queue(BOB, "for both", now_ms=NOW_MS)
        relay.connect(alice).run()
        relay.connect(bob).run()
        forget_sessions(tablet)

        failed = relay.connect(tablet).run()
        for _ in range(2):
            relay.connect(alice).run()
            came = [texts(relay.connect(device).run()) for device in (bob, tablet)]
            if came[1]:
                break

    assert [event.failure for event in of(EnvelopeFailed, failed)] == [Failure.SESSION]
    assert came == [[], ["for both"]]


def test_a_bundle_for_a_device_that_is_not_in_the_list_is_ignored(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    line = relay.connect(alice)
    bundles = relay.answer(line.key, GetBundles(bob.identity.account, ()))
    stray = replace(bundles.bundles[0], device=9)
    relay.answers[GetBundles] = replace(bundles, bundles=(stray, *bundles.bundles))

    line.run()

    assert alice.state_of(message) == (MessageState.ACCEPTED, None)
