from collections import Counter

from relayd.metrics import Counters, Histogram, folded


def test_a_histogram_counts_by_upper_bounds_that_are_part_of_their_bucket() -> None:
    histogram = Histogram((1.0, 2.0))

    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)

    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 14.0


def test_every_figure_starts_at_nothing() -> None:
    counters = Counters()

    values = [getattr(counters, name) for name in Counters.__slots__]

    assert all(value == 0 or value == Counter() or sum(value.counts) == 0 for value in values)


def test_a_key_outside_the_closed_set_is_counted_as_other() -> None:
    counts: Counter[int] = Counter({1: 3, 777: 2, 778: 1})

    assert folded(counts, [(1, "one"), (2, "two")]) == {"one": 3, "two": 0, "other": 3}


def test_what_one_commit_observed_counts_like_one_after_the_other() -> None:
    values = (0.5, 1.0, 1.5, 9.0)
    together, singly = Histogram((1.0, 2.0)), Histogram((1.0, 2.0))

    together.observe_all(values)
    for value in values:
        singly.observe(value)

    assert (together.counts, together.total) == (singly.counts, singly.total)
