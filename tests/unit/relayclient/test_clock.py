"""The relay's time, as a device knows it."""

from relayclient.clock import RelayClock


class Wall:
    def __init__(self):
        self.wall_s, self.monotonic_s = 1_000.0, 50.0

    def clock(self):
        return RelayClock(lambda: self.wall_s, lambda: self.monotonic_s)


def test_it_begins_with_the_machines_time_and_goes_on_steadily():
    wall = Wall()
    clock = wall.clock()

    wall.monotonic_s += 2.5
    wall.wall_s = 5.0

    assert clock.now_ms() == 1_002_500
    assert clock.monotonic() == 52.5


def test_it_takes_over_what_the_relay_says():
    wall = Wall()
    clock = wall.clock()

    clock.follow(9_000_000)
    wall.monotonic_s += 1

    assert clock.now_ms() == 9_001_000


def test_it_stands_still_rather_than_going_back():
    wall = Wall()
    clock = wall.clock()
    shown = clock.now_ms()

    clock.follow(shown - 3_000)
    behind = clock.now_ms()
    wall.monotonic_s += 4

    assert behind == shown
    assert clock.now_ms() == shown + 1_000


def test_the_defaults_are_the_machines_own():
    clock = RelayClock()

    assert clock.now_ms() > 1_600_000_000_000
    assert clock.monotonic() <= clock.monotonic()
