from relayd.delivery.window import Stall, Window
from relayproto.commands import Credit


def test_nothing_fits_beyond_what_was_granted() -> None:
    window = Window(Credit(2, 100))

    taken = [window.take(60), window.take(1), window.take(1)]

    assert taken == [True, True, False]
    assert window.messages_left == 0
    assert not window.fits(1)


def test_the_last_envelope_may_be_larger_than_the_bytes_that_are_left() -> None:
    window = Window(Credit(9, 100))
    window.take(60)

    assert window.fits(10_000)
    window.take(10_000)
    assert not window.fits(1)


def test_what_has_no_bytes_needs_a_message_only() -> None:
    window = Window(Credit(1, 0))

    assert window.fits(0)
    assert not window.fits(1)
    window.take(0)
    assert not window.fits(0)


def test_a_grant_is_cumulative_and_never_taken_back() -> None:
    window = Window(Credit(2, 100))

    window.take(100)
    window.acknowledged(Credit(1, 300))

    assert window.messages_left == 1
    assert window.fits(1)


def test_a_full_window_asks_for_a_ping_and_then_gives_up() -> None:
    window = Window(Credit(0, 0))
    window.full(100.0)
    window.full(150.0)

    assert window.next_deadline() == 160.0
    assert window.stall(159.0) is None
    assert window.stall(160.0) is Stall.PING
    assert window.next_deadline() == 220.0
    assert window.stall(219.0) is None
    assert window.stall(220.0) is Stall.GIVE_UP


def test_an_acknowledgement_ends_the_wait() -> None:
    window = Window(Credit(0, 0))
    window.full(100.0)
    window.stall(160.0)

    window.acknowledged(Credit(0, 0))

    assert window.next_deadline() is None
    assert window.stall(1000.0) is None
    window.full(200.0)
    assert window.next_deadline() == 260.0
