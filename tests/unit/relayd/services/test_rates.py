import pytest

from relayd.services.rates import Rates


def remembered(rates: Rates[int]) -> int:
    return len(rates._young.keys() | rates._old.keys())


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    rates: Rates[str] = Rates(per_s=2, burst=3)

    assert [rates.take("alice", 10.0) for _ in range(3)] == [0, 0, 0]
    assert rates.take("alice", 10.0) == pytest.approx(501, abs=1)
    assert rates.take("alice", 10.5) == 0
    assert rates.take("alice", 10.5) > 0


def test_one_key_does_not_use_up_anothers() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=1)
    rates.take("mallory", 0.0)

    assert rates.take("alice", 0.0) == 0
    assert rates.take("mallory", 0.0) > 0


def test_a_refused_take_takes_nothing() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=10)
    rates.take("alice", 0.0, 8)

    assert rates.take("alice", 0.0, 5) == 3001
    assert rates.take("alice", 0.0, 2) == 0


def test_what_is_given_back_can_be_taken_again() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=10)
    rates.take("alice", 0.0, 3)
    rates.take("alice", 0.0, 5)

    rates.give_back("alice", 5)

    assert (rates.wait_ms("alice", 0.0, 7), rates.wait_ms("alice", 0.0, 8) > 0) == (0, True)


def test_a_bucket_is_never_fuller_than_full_whatever_is_given_back() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=10)
    rates.take("alice", 0.0, 500)
    rates.take("alice", 10.0, 500)

    rates.give_back("alice", 500)

    assert rates.take("alice", 10.0, 10) == 0
    assert rates.take("alice", 10.0) > 0


def test_who_is_refused_is_not_forgotten_for_it() -> None:
    rates: Rates[int] = Rates(per_s=0.001, burst=1, keys_max=4)
    for key in range(4):
        rates.take(key, 0.0)

    assert [rates.take(0, 1.0) > 0 for _ in range(3)] == [True, True, True]


def test_a_cost_above_the_burst_needs_a_full_bucket_and_no_more() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=10)

    assert rates.take("alice", 0.0, 500) == 0
    assert rates.take("alice", 9.0, 500) > 0
    assert rates.take("alice", 10.0, 500) == 0


def test_asking_how_long_takes_nothing() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=1)

    assert rates.wait_ms("alice", 0.0) == 0
    assert rates.take("alice", 0.0) == 0
    assert rates.wait_ms("alice", 0.0) == 1001


def test_only_so_many_keys_are_remembered_and_the_longest_untouched_goes_first() -> None:
    rates: Rates[int] = Rates(per_s=0.001, burst=1, keys_max=2)
    rates.take(1, 0.0)
    rates.take(2, 1.0)
    rates.take(3, 2.0)

    assert rates.wait_ms(1, 2.0) == 0
    assert rates.wait_ms(2, 2.0) > 0
    assert rates.wait_ms(3, 2.0) > 0


def test_only_a_bucket_that_is_full_again_is_forgotten() -> None:
    rates: Rates[int] = Rates(per_s=1, burst=3)
    rates.take(1, 0.0, 3)
    rates.take(2, 2.9, 3)

    kept = []
    for now in (3.0, 5.8, 6.0, 9.0):
        rates.take(3, now)
        kept.append((remembered(rates), rates.wait_ms(1, now, 3), rates.wait_ms(2, now, 3) > 0))

    assert kept == [(3, 0, True), (3, 0, True), (1, 0, False), (1, 0, False)]


def test_after_a_pause_nobody_is_remembered_but_who_comes() -> None:
    rates: Rates[int] = Rates(per_s=1, burst=3)
    for key in range(9):
        rates.take(key, float(key) / 3)

    rates.take(99, 3_600.0)

    assert remembered(rates) == 1


def test_who_is_touched_again_and_again_is_never_forgotten() -> None:
    rates: Rates[str] = Rates(per_s=1, burst=2)

    waits = [rates.take("alice", tick * 0.9) for tick in range(20)]

    assert waits[:11] == [0] * 11
    assert waits[11] > 0


def test_a_burst_taken_one_by_one_late_in_the_day_is_not_short_of_its_last_token() -> None:
    rates: Rates[str] = Rates(per_s=200, burst=1_000)
    now = 86_400.1

    assert [rates.take("alice", now) for _ in range(1_000)] == [0] * 1_000
    assert rates.take("alice", now) > 0
