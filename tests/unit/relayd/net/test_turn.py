import asyncio
import contextlib
import gc
from collections.abc import Callable

import pytest

from relayd.net.turn import PIECE, PIECE_SHARE, TICK_S, Alarm, Exits, Turn, Wheel
from support.clocks import HandClock


def stopped_at(seconds: float) -> HandClock:
    clock = HandClock()
    clock.advance(seconds - clock.monotonic())
    return clock


def at_once(piece: Callable[[], None]) -> None:
    piece()


class Speaker:
    def __init__(self, turn: Turn, again: int = 0) -> None:
        self.turn = turn
        self.again = again
        self.spoke: list[tuple[int, float]] = []

    def flush(self, now_ms: int, now: float) -> None:
        self.spoke.append((now_ms, now))
        if self.again:
            self.again -= 1
            self.turn.add(self)


class Sleeper:
    def __init__(self) -> None:
        self.woken: list[float] = []

    def overdue(self, now: float) -> None:
        self.woken.append(now)


class Leaver:
    def __init__(self) -> None:
        self.gone = 0

    def exit(self) -> None:
        self.gone += 1

    def cut(self) -> None:
        self.gone += 100


class Stuck(Leaver):
    def exit(self) -> None:
        raise ZeroDivisionError


def test_those_whose_peers_have_closed_leave_a_few_in_each_turn() -> None:
    soon = []
    exits, leavers = Exits(soon.append, [].append), [Leaver() for _ in range(2 * PIECE + 1)]
    for leaver in leavers:
        exits.enter(leaver)

    gone = [0]
    while soon:
        soon.pop(0)()
        gone.append(sum(leaver.gone for leaver in leavers))

    assert gone == [0, PIECE, 2 * PIECE, 2 * PIECE + 1]
    exits.enter(leavers[0])
    assert len(soon) == 1


def test_where_very_many_leave_each_turn_closes_a_part_of_them() -> None:
    soon = []
    exits, leavers = Exits(soon.append, [].append), [Leaver() for _ in range(20 * PIECE_SHARE)]
    for leaver in leavers:
        exits.enter(leaver)

    soon.pop(0)()

    assert sum(leaver.gone for leaver in leavers) == 20


def test_one_that_cannot_leave_is_cut_and_the_others_leave() -> None:
    soon, failed = [], []
    exits, stuck, leaver = Exits(soon.append, failed.append), Stuck(), Leaver()
    exits.enter(stuck)
    exits.enter(leaver)

    soon.pop(0)()

    assert (stuck.gone, leaver.gone, len(failed)) == (100, 1, 1)


def test_everybody_speaks_in_one_pass() -> None:
    clock, soon = HandClock(), []
    turn = Turn(clock, soon.append)
    alice, bob = Speaker(turn), Speaker(turn)

    turn.add(alice)
    turn.add(bob)

    assert len(soon) == 1
    soon[0]()
    assert alice.spoke == bob.spoke == [(clock.now_ms(), clock.monotonic())]


def test_nobody_waits_for_the_next_turn_where_it_is_said_to_speak_now() -> None:
    soon = []
    turn = Turn(HandClock(), soon.append)
    alice = Speaker(turn)
    turn.add(alice)

    turn.speak()

    assert len(alice.spoke) == 1
    soon.pop()()
    assert len(alice.spoke) == 1


def test_who_speaks_up_during_a_pass_speaks_in_the_next() -> None:
    soon = []
    turn = Turn(HandClock(), soon.append)
    alice = Speaker(turn, again=1)
    turn.add(alice)

    soon.pop()()

    assert len(alice.spoke) == 1
    assert len(soon) == 1
    soon.pop()()
    assert len(alice.spoke) == 2
    assert soon == []


def test_a_sleeper_is_woken_at_its_deadline_at_most_a_tick_late() -> None:
    clock = stopped_at(100.0)
    wheel, alice = Wheel(clock, at_once), Sleeper()
    wheel.put(alice, 103.2)

    for _ in range(6):
        clock.advance(TICK_S)
        wheel.tick()
    assert alice.woken == []
    clock.advance(TICK_S)
    wheel.tick()

    assert alice.woken == [103.5]


def test_a_deadline_that_has_passed_is_noticed_at_the_next_tick() -> None:
    clock = stopped_at(100.0)
    wheel, alice = Wheel(clock, at_once), Sleeper()
    wheel.put(alice, 50.0)

    clock.advance(TICK_S)
    wheel.tick()

    assert len(alice.woken) == 1


def test_a_late_tick_catches_up_on_everybody() -> None:
    clock = stopped_at(100.0)
    wheel, alice, bob = Wheel(clock, at_once), Sleeper(), Sleeper()
    wheel.put(alice, 101.0)
    wheel.put(bob, 140.0)

    clock.advance(60.0)
    wheel.tick()
    wheel.tick()

    assert (len(alice.woken), len(bob.woken)) == (1, 1)


def test_who_left_the_wheel_is_not_woken() -> None:
    clock = stopped_at(100.0)
    wheel, alice, bob = Wheel(clock, at_once), Sleeper(), Sleeper()
    slot = wheel.put(alice, 101.0)
    wheel.put(bob, 101.0)

    wheel.take(alice, slot)
    wheel.take(alice, slot)
    clock.advance(5.0)
    wheel.tick()
    wheel.take(bob, slot)

    assert (len(alice.woken), len(bob.woken)) == (0, 1)


def test_an_empty_slot_leaves_nothing_behind() -> None:
    wheel, alice = Wheel(HandClock(), at_once), Sleeper()

    wheel.take(alice, wheel.put(alice, 2000.0))

    assert wheel._slots == {}


def test_those_whose_deadline_has_come_are_woken_a_few_in_each_turn() -> None:
    soon, clock = [], stopped_at(100.0)
    wheel, sleepers = Wheel(clock, soon.append), [Sleeper() for _ in range(2 * PIECE + 1)]
    for sleeper in sleepers:
        wheel.put(sleeper, 101.0)
    clock.advance(2.0)
    wheel.tick()
    wheel.tick()

    woken = [0]
    while soon:
        soon.pop(0)()
        woken.append(sum(len(sleeper.woken) for sleeper in sleepers))

    assert woken == [0, PIECE, 2 * PIECE, 2 * PIECE + 1]
    wheel.put(sleepers[0], 103.0)
    clock.advance(2.0)
    wheel.tick()
    assert len(soon) == 1


def test_who_is_ended_while_others_are_woken_is_not_woken() -> None:
    class Ender(Sleeper):
        def overdue(self, now: float) -> None:
            super().overdue(now)
            wheel.take(bob, slot)
            wheel.take(carol, slot)

    soon, clock = [], stopped_at(100.0)
    wheel, alice, bob, carol, others = Wheel(clock, soon.append), Ender(), Sleeper(), Sleeper(), []
    wheel.put(alice, 101.0)
    slot = wheel.put(bob, 101.0)
    for _ in range(PIECE):
        others.append(Sleeper())
        wheel.put(others[-1], 101.0)
    wheel.put(carol, 101.0)
    clock.advance(2.0)
    wheel.tick()

    while soon:
        soon.pop(0)()

    assert (len(alice.woken), bob.woken, carol.woken) == (1, [], [])
    assert [len(other.woken) for other in others] == [1] * PIECE


def test_where_all_have_left_before_their_turn_one_turn_is_asked_for() -> None:
    soon, clock = [], stopped_at(100.0)
    wheel, alice = Wheel(clock, soon.append), Sleeper()
    slot = wheel.put(alice, 101.0)
    clock.advance(2.0)
    wheel.tick()
    wheel.take(alice, slot)
    wheel.put(alice, 103.0)
    clock.advance(2.0)
    wheel.tick()

    assert len(soon) == 1
    soon.pop()()
    assert (len(alice.woken), soon) == (1, [])


def test_one_that_fails_to_wake_keeps_none_of_the_others_from_it() -> None:
    class Broken(Sleeper):
        def overdue(self, now: float) -> None:
            raise ZeroDivisionError

    soon, clock = [], stopped_at(100.0)
    wheel, alice = Wheel(clock, soon.append), Sleeper()
    wheel.put(Broken(), 101.0)
    wheel.put(alice, 101.0)
    clock.advance(2.0)
    wheel.tick()

    with pytest.raises(ZeroDivisionError):
        soon.pop(0)()
    soon.pop(0)()

    assert (len(alice.woken), soon) == (1, [])


async def test_the_wheel_turns_by_itself() -> None:
    clock = stopped_at(100.0)
    wheel, alice = Wheel(clock, at_once), Sleeper()
    wheel.put(alice, 100.0)
    clock.advance(5.0)

    task = asyncio.create_task(wheel.turn_forever())
    async with asyncio.timeout(30):
        while not alice.woken:  # noqa: ASYNC110 - what is waited for is a call, not an event
            await asyncio.sleep(0.05)
    task.cancel()

    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert alice.woken == [105.0]


def test_an_alarm_moves_forward_only_and_looks_again_when_it_rings() -> None:
    clock = stopped_at(100.0)
    wheel, alice = Wheel(clock, at_once), Sleeper()
    alarm = Alarm(wheel)

    alarm.set(alice, 110.0)
    alarm.set(alice, 120.0)
    alarm.set(alice, 105.0)
    clock.advance(6.0)
    wheel.tick()

    assert alice.woken == [106.0]
    alarm.rang()
    alarm.set(alice, 120.0)
    clock.advance(8.0)
    wheel.tick()
    assert alice.woken == [106.0]
    clock.advance(8.0)
    wheel.tick()
    assert len(alice.woken) == 2


def test_a_cleared_alarm_wakes_nobody() -> None:
    clock = stopped_at(100.0)
    wheel, alice = Wheel(clock, at_once), Sleeper()
    alarm = Alarm(wheel)
    alarm.clear(alice)
    alarm.set(alice, 101.0)

    alarm.clear(alice)
    clock.advance(5.0)
    wheel.tick()

    assert alice.woken == []


def test_an_alarm_does_not_hold_its_sleeper_which_holds_it() -> None:
    wheel, alice = Wheel(stopped_at(100.0), at_once), Sleeper()
    alarm = Alarm(wheel)
    alarm.set(alice, 101.0)

    alarm.clear(alice)

    assert alice not in gc.get_referents(alarm)
    assert not any(alice in sleepers for sleepers in wheel._slots.values())
