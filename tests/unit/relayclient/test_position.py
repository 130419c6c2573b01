"""How far the device is: floors and ranges against a plain set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from relayclient import position
from relayclient.position import Place, merged
from relayclient.store.database import Store
from relayproto.codes import Lane
from support.kem import stream

number = st.integers(1, 60)
span = st.tuples(number, number).map(lambda pair: (min(pair), max(pair)))


@given(st.integers(0, 20), st.lists(span, max_size=30))
def test_a_place_holds_exactly_what_was_covered(floor, spans):
    place, held = Place(floor, ()), set(range(1, floor + 1))
    for first, last in spans:
        place = merged(place, first, last)
        held |= set(range(first, last + 1))

    assert {sequence for sequence in range(1, 70) if place.holds(sequence)} == held
    assert place.floor == next(sequence for sequence in range(70) if sequence + 1 not in held)


@given(st.lists(span, max_size=30))
def test_ranges_are_ascending_and_apart_and_above_the_floor(spans):
    place = Place(0, ())
    for first, last in spans:
        place = merged(place, first, last)

    ends = [place.floor, *(end for both in place.ranges for end in both)]
    assert all(first <= last for first, last in place.ranges)
    assert all(low + 1 < high for low, high in zip(ends[::2], ends[1::2], strict=False))
    assert ends == sorted(ends)


def opened(tmp_path):
    return Store.create(tmp_path / "home", passphrase=None, entropy=stream("position"))


def test_what_was_covered_is_read_again(tmp_path):
    store = opened(tmp_path)
    with store.step() as step:
        for first, last in ((5, 7), (2, 2), (9, 9), (8, 8), (1, 1)):
            position.cover(step, Lane.URGENT, first, last)

    with store.step() as step:
        assert position.read(step, Lane.URGENT) == Place(2, ((5, 9),))
        assert position.read(step, Lane.NORMAL) == Place(0, ())
    store.close()


def test_hello_does_not_acknowledge_what_no_ack_has_reported(tmp_path):
    store = opened(tmp_path)
    with store.step() as step:
        position.cover(step, Lane.NORMAL, 1, 3)
        position.cover_unopened(step, Lane.NORMAL, 4)
        position.cover(step, Lane.NORMAL, 5, 6)
        before = position.hello_floors(step)

        position.reported(step, Lane.NORMAL, [4])

        assert before == (3, 0, 0)
        assert position.hello_floors(step) == (6, 0, 0)
    store.close()


def test_numbers_of_one_epoch_do_not_count_in_another(tmp_path):
    store = opened(tmp_path)
    with store.step() as step:
        position.enter_epoch(step, 5, (0, 0, 0))
        position.cover(step, Lane.NORMAL, 1, 3)
        position.cover(step, Lane.NORMAL, 7, 7)
        position.cover_unopened(step, Lane.NORMAL, 9)

        same, other = position.enter_epoch(step, 5, (0, 0, 0)), position.enter_epoch(step, 6, (2, 0, 0))

        assert (same, other) == (False, True)
        assert position.read(step, Lane.NORMAL) == Place(2, ())
        assert position.unopened(step, Lane.NORMAL) == []
    store.close()
