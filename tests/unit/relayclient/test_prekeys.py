"""The device's own prekeys."""

from relayclient import prekeys
from relayclient.events import EnvelopeFailed, Failure
from relayproto import notices
from relayproto.codes import PrekeyKind
from support.small_relay import DAY_MS, NOW_MS
from support.talk import BOB, of


def test_a_new_device_deposits_its_prekeys(relay, alice):
    held = relay.seat(alice).prekeys

    assert {kind.name: len(keys) for kind, keys in held.items()} == {
        "SIGNED": 1, "ONE_TIME": 100, "KEM_LAST_RESORT": 1, "KEM_ONE_TIME": 20,
    }  # fmt: skip


def test_prekeys_are_filled_up_when_few_are_left(relay, alice):
    line = relay.connect(alice)
    line.run()
    del relay.seat(alice).prekeys[PrekeyKind.ONE_TIME][5:]
    line.notice(notices.PrekeysLow(5, 20))

    line.run()

    assert len(relay.seat(alice).prekeys[PrekeyKind.ONE_TIME]) == 100
    assert len(relay.seat(alice).prekeys[PrekeyKind.KEM_ONE_TIME]) == 20


def test_signed_prekeys_are_renewed_weekly_and_old_secrets_die_a_month_later(relay, alice):
    first = relay.seat(alice).prekeys[PrekeyKind.SIGNED][0].id
    relay.now_ms += 7 * DAY_MS
    relay.connect(alice).run()
    second = relay.seat(alice).prekeys[PrekeyKind.SIGNED][0].id

    alice.housekeep(relay.now_ms + 30 * DAY_MS)
    kept = secrets_of(alice, PrekeyKind.SIGNED)
    alice.housekeep(relay.now_ms + 30 * DAY_MS + 1)

    assert kept == [first, second]
    assert secrets_of(alice, PrekeyKind.SIGNED) == [second]


def test_a_deposit_whose_answer_was_lost_is_made_again(relay, alice):
    relay.now_ms += 7 * DAY_MS
    line = relay.connect(alice)
    line.deaf = True
    line.turn()
    lost = relay.seat(alice).prekeys[PrekeyKind.SIGNED][0]

    relay.connect(alice).run()

    assert relay.seat(alice).prekeys[PrekeyKind.SIGNED] == [lost]


def test_a_relay_that_was_restored_from_before_the_deposit_gets_them_again(relay, alice):
    before = {kind: list(keys) for kind, keys in relay.seat(alice).prekeys.items()}
    relay.restore()
    for keys in relay.seat(alice).prekeys.values():
        keys.clear()

    relay.connect(alice).run()

    held = relay.seat(alice).prekeys
    assert {kind.name: len(keys) for kind, keys in held.items()} == {
        "SIGNED": 1, "ONE_TIME": 100, "KEM_LAST_RESORT": 1, "KEM_ONE_TIME": 20,
    }  # fmt: skip
    for kind in (PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT):
        assert held[kind] == before[kind]


def test_a_one_time_secret_dies_with_its_use(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    relay.connect(bob).run()

    assert len(secrets_of(bob, PrekeyKind.ONE_TIME)) == 99
    assert len(secrets_of(bob, PrekeyKind.KEM_ONE_TIME)) == 19


def test_a_message_for_a_secret_that_is_no_more_does_not_open(relay, alice, bob):
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice).run()
    with bob._store.step() as step:
        step.run("DELETE FROM prekey WHERE kind = ?", PrekeyKind.ONE_TIME)

    told = relay.connect(bob).run()

    assert [event.failure for event in of(EnvelopeFailed, told)] == [Failure.SESSION]


def secrets_of(device, kind):
    with device._store.step() as step:
        return [number for (number,) in step.rows("SELECT id FROM prekey WHERE kind = ? ORDER BY id", kind)]


def test_what_others_begin_sessions_with_is_deposited_or_not(relay, alice):
    with alice._store.step() as step:
        before = prekeys.are_deposited(step)
        step.run("UPDATE prekey SET deposited = 0 WHERE kind = ?", PrekeyKind.KEM_LAST_RESORT)
        without_one = prekeys.are_deposited(step)

    assert (before, without_one) == (True, False)
