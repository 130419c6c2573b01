"""backoff.py: how long to wait before the next connection."""

import pytest

from relayclient.backoff import CEILING_S, FIRST_CEILING_S, Backoff


def always(octets: bytes):
    return lambda length: octets[:length]


def test_each_try_in_a_row_doubles_the_ceiling_up_to_a_minute():
    backoff = Backoff(always(b"\xff" * 4))

    waits = [backoff.next_s() for _ in range(9)]

    assert waits[:4] == pytest.approx([FIRST_CEILING_S * factor for factor in (1, 2, 4, 8)])
    assert waits[-1] == pytest.approx(CEILING_S)


def test_the_wait_is_jittered_over_the_whole_ceiling():
    assert Backoff(always(bytes(4))).next_s() == 0
    assert Backoff(always(b"\x80\0\0\0")).next_s() == pytest.approx(FIRST_CEILING_S / 2)


def test_what_goaway_asked_for_is_waited_before_the_jitter():
    backoff = Backoff(always(b"\x80\0\0\0"))

    wait_s = backoff.next_s(after_ms=2500)

    assert wait_s == pytest.approx(2.5 + FIRST_CEILING_S / 2)


def test_a_welcome_begins_again_at_the_first_ceiling():
    backoff = Backoff(always(b"\xff" * 4))
    for _ in range(5):
        backoff.next_s()

    backoff.reset()

    assert backoff.next_s() == pytest.approx(FIRST_CEILING_S)
