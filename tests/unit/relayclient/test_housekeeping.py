"""What is dropped because nothing can come of it any more."""

from relayclient.events import MessageState, StateChanged
from support.small_relay import DAY_MS, NOW_MS
from support.talk import BOB, introduce


def test_what_cannot_matter_any_more_is_forgotten(relay, alice, bob):
    introduce(relay, alice, bob)
    bob.mark_read([event.message for event in bob.inbox()], NOW_MS)
    relay.connect(bob).run()
    with bob._store.step() as step:
        step.run("INSERT INTO report (message, made_ms) VALUES (?, ?)", bytes(16), NOW_MS)
        step.run("INSERT INTO report (message, boxed, made_ms) VALUES (?, ?, ?)", bytes(16), b"waits", NOW_MS)

    bob.housekeep(NOW_MS + 38 * DAY_MS)

    with bob._store.step() as step:
        counts = [step.number(f"SELECT COUNT(*) FROM {table}") for table in ("seen", "submission", "submission_target")]
        control = step.number("SELECT COUNT(*) FROM message WHERE NOT is_text")
        reports = step.rows("SELECT boxed FROM report")
    assert counts == [0, 0, 0]
    assert control == 0
    assert reports == [(b"waits",)]
    assert len(bob.inbox()) == 1


def test_what_has_waited_too_long_is_told(alice):
    message = alice.queue(BOB, "nobody came", now_ms=NOW_MS, ttl_s=60)

    assert alice.housekeep(NOW_MS + 60_000) == [StateChanged(message, MessageState.EXPIRED)]
