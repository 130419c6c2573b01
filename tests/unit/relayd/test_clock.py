import asyncio

from relayd import clock as clocks
from relayd.clock import JUMP_MS, START_AHEAD_MS, SystemClock

MINUTE_MS = 60_000


class Machine:
    """A machine whose two clocks a test can set."""

    def __init__(self, wall_ms: int = 1_000_000_000) -> None:
        self.wall_ms = wall_ms
        self.steady_ms = 0
        self.synchronised = False

    def clock(self, high_water_ms: int = 0) -> SystemClock:
        return SystemClock(
            high_water_ms,
            wall_ms=lambda: self.wall_ms,
            steady_ms=lambda: self.steady_ms,
            synchronised=lambda: self.synchronised,
        )

    def wait(self, span_ms: int) -> None:
        self.wall_ms += span_ms
        self.steady_ms += span_ms


def test_relay_time_follows_the_wall_clock() -> None:
    machine = Machine()
    clock = machine.clock()

    machine.wait(MINUTE_MS)

    assert clock.now_ms() == machine.wall_ms
    assert clock.ahead_ms == 0


def test_relay_time_never_goes_back() -> None:
    machine = Machine()
    clock = machine.clock()
    before_ms = clock.now_ms()

    machine.wall_ms -= 10 * MINUTE_MS

    assert clock.now_ms() == before_ms


def test_relay_time_is_never_below_the_high_water_mark() -> None:
    machine = Machine()

    assert machine.clock(machine.wall_ms + 5).now_ms() == machine.wall_ms + 5


def test_the_high_water_mark_can_come_later() -> None:
    machine = Machine()
    clock = machine.clock()

    clock.raise_to(machine.wall_ms + 7)
    clock.raise_to(machine.wall_ms + 3)

    assert clock.now_ms() == machine.wall_ms + 7


def test_a_start_far_beyond_the_high_water_mark_goes_on_from_there_until_it_is_confirmed() -> None:
    machine = Machine(wall_ms=2 * START_AHEAD_MS)
    mark_ms = machine.wall_ms - START_AHEAD_MS - 1
    clock = machine.clock()
    clock.now_ms()

    clock.raise_to(mark_ms)
    at_once = clock.now_ms()
    machine.wait(MINUTE_MS)
    later, ahead = clock.now_ms(), clock.ahead_ms
    clock.confirm()

    assert (at_once, later, ahead) == (mark_ms, mark_ms + MINUTE_MS, START_AHEAD_MS + 1)
    assert (clock.now_ms(), clock.ahead_ms) == (machine.wall_ms, 0)


def test_a_start_as_far_as_a_relay_may_have_been_off_is_believed() -> None:
    machine = Machine(wall_ms=2 * START_AHEAD_MS)
    off, new = machine.clock(), machine.clock()

    off.raise_to(machine.wall_ms - START_AHEAD_MS)
    new.raise_to(0)

    assert off.now_ms() == new.now_ms() == machine.wall_ms


def test_a_start_with_a_clock_that_the_kernel_keeps_is_believed() -> None:
    machine = Machine(wall_ms=2 * START_AHEAD_MS)
    machine.synchronised = True
    clock = machine.clock()

    clock.raise_to(1)

    assert (clock.now_ms(), clock.ahead_ms) == (machine.wall_ms, 0)


def test_a_clock_that_the_kernel_keeps_later_is_believed_then() -> None:
    machine = Machine(wall_ms=2 * START_AHEAD_MS)
    clock = machine.clock()
    clock.raise_to(1)
    clock.now_ms()
    machine.synchronised = True

    machine.wait(9_999)
    before = clock.now_ms()
    machine.wait(1)

    assert before == 10_000
    assert (clock.now_ms(), clock.ahead_ms) == (machine.wall_ms, 0)


def test_the_kernel_can_be_asked() -> None:
    assert clocks._synchronised() in (True, False)


def test_a_small_step_ahead_is_believed() -> None:
    machine = Machine()
    clock = machine.clock()

    machine.wall_ms += JUMP_MS

    assert clock.now_ms() == machine.wall_ms


def test_a_jump_ahead_is_not_believed_and_relay_time_goes_on_at_the_steady_pace() -> None:
    machine = Machine()
    clock = machine.clock()
    before_ms = clock.now_ms()

    machine.wall_ms += 30 * 24 * 60 * MINUTE_MS
    machine.wait(MINUTE_MS)
    first_ms = clock.now_ms()
    machine.wait(MINUTE_MS)

    assert first_ms == before_ms + MINUTE_MS
    assert clock.now_ms() == before_ms + 2 * MINUTE_MS
    assert clock.ahead_ms == 30 * 24 * 60 * MINUTE_MS


def test_a_jump_that_is_taken_back_is_forgotten() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_ms += 60 * MINUTE_MS
    clock.now_ms()

    machine.wall_ms -= 60 * MINUTE_MS
    machine.wait(MINUTE_MS)

    assert clock.now_ms() == machine.wall_ms
    assert clock.ahead_ms == 0


def test_a_restart_confirms_a_jump() -> None:
    machine = Machine()
    before_ms = machine.clock().now_ms()

    machine.wall_ms += 60 * MINUTE_MS

    assert machine.clock(high_water_ms=before_ms).now_ms() == machine.wall_ms


def test_the_machines_own_clocks_are_read_by_default() -> None:
    clock = SystemClock()

    first_ms = clock.now_ms()

    assert first_ms > 1_700_000_000_000
    assert clock.now_ms() >= first_ms


async def test_the_time_of_connections_is_that_of_the_event_loop() -> None:
    before = asyncio.get_running_loop().time()

    now = SystemClock().monotonic()

    assert before <= now <= asyncio.get_running_loop().time()


def test_a_jump_that_the_operator_confirms_is_believed() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_ms += 60 * MINUTE_MS
    before_ms = clock.now_ms()

    clock.confirm()

    assert before_ms < machine.wall_ms
    assert clock.now_ms() == machine.wall_ms
    assert clock.ahead_ms == 0


def test_confirming_a_clock_that_is_behind_takes_nothing_back() -> None:
    machine = Machine()
    clock = machine.clock()
    before_ms = clock.now_ms()
    machine.wall_ms -= 60 * MINUTE_MS

    clock.confirm()

    assert clock.now_ms() >= before_ms


def test_a_wall_clock_that_fell_far_back_does_not_stop_relay_time() -> None:
    machine = Machine()
    clock = machine.clock()
    before_ms = clock.now_ms()

    machine.wall_ms -= 30 * 24 * 60 * MINUTE_MS
    machine.wait(MINUTE_MS)

    assert clock.now_ms() == before_ms + MINUTE_MS
    assert clock.ahead_ms == 0


def test_a_small_step_back_is_waited_for() -> None:
    machine = Machine()
    clock = machine.clock()
    before_ms = clock.now_ms()

    machine.wall_ms -= 3 * MINUTE_MS
    machine.wait(MINUTE_MS)

    assert clock.now_ms() == before_ms


def test_the_wall_clock_can_be_asked_as_it_is() -> None:
    machine = Machine()
    clock = machine.clock()

    machine.wall_ms -= 60 * MINUTE_MS

    assert (clock.wall_ms(), clock.now_ms() - clock.wall_ms()) == (machine.wall_ms, 60 * MINUTE_MS)


def test_how_far_the_wall_clock_is_behind_is_of_the_reading_that_gave_the_time() -> None:
    machine = Machine()
    ticking = iter(range(machine.wall_ms, machine.wall_ms + 10))
    clock = SystemClock(wall_ms=lambda: next(ticking), steady_ms=lambda: machine.steady_ms)

    clock.now_ms()  # a look of its own would be a millisecond later, or earlier

    assert clock.behind_ms == 0


def test_a_wall_clock_that_fell_back_is_behind_until_it_is_put_right() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_ms -= 3 * MINUTE_MS
    clock.now_ms()
    fell = clock.behind_ms

    machine.wall_ms += 3 * MINUTE_MS
    clock.now_ms()

    assert (fell, clock.behind_ms) == (3 * MINUTE_MS, 0)
