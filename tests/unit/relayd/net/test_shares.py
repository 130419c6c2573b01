"""Who is read next where more has come than one turn can take."""

import pytest

from relayd.net.outbox import Outbox
from relayd.net.shares import (
    AHEAD_S,
    FRAME_S_MAX,
    FRAMES_AT_ONCE_MAX,
    MODEST_MAX,
    MODEST_PER_S,
    STRANGERS_A_TURN_MAX,
    TURN_S_MAX,
    WASTE_MAX,
    WASTE_PER_S,
    Share,
    Shares,
)
from support.clocks import HandClock
from support.transports import FakeTransport

STEP_S = TURN_S_MAX * 0.6
LONG_S = TURN_S_MAX * 1.5
MUCH = 1_000_000
"""Frames that somebody has said who says much for the rest of a test."""


class Taker:
    """Somebody who has said so many parts, of which each takes so long and has so many frames."""

    def __init__(self, clock: HandClock, parts: int, step_s: float, log: list[str], name: str) -> None:
        self.frames = FRAMES_AT_ONCE_MAX
        self.share: Share
        self.clock = clock
        self.parts = parts
        self.step_s = step_s
        self.log = log
        self.name = name

    def take(self) -> bool:
        self.log.append(self.name)
        self.share.frames += self.frames
        self.clock.advance(self.step_s)
        self.parts -= 1
        return self.parts > 0


class Counted(Shares):
    """Shares of takers that count their frames."""

    def enter(self, taker: Taker, share: Share, place: bytes = b"") -> None:
        taker.share = share
        super().enter(taker, share, place)


class Stage:
    """Shares on a clock of the test's, and what they want to be called for."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.due = []
        self.log = []
        self.shares = Counted(self.clock, self.due.append)

    def taker(self, name: str, parts: int, step_s: float = 0.0, frames: int = FRAMES_AT_ONCE_MAX) -> Taker:
        made = Taker(self.clock, parts, step_s, self.log, name)
        made.frames = frames
        return made

    def share(self, used_s: float = 0.0, *, known: bool = True, modest: bool = False) -> Share:
        made = Share(Outbox(FakeTransport(), octets_max=1, timeout_s=1.0), self.clock.monotonic())
        made.used_s = used_s
        if not modest:
            made.said(MUCH, self.clock.monotonic())
        made.known = known
        return made

    def turn(self) -> None:
        """Have the next turn."""
        [call] = self.due
        self.due.clear()
        call()


def reads(share: Share) -> bool:
    return share.outbox._transport.reading


def test_who_says_little_is_taken_at_once() -> None:
    stage = Stage()
    share = stage.share()

    stage.shares.enter(stage.taker("alice", 1), share)

    assert stage.log == ["alice"]
    assert reads(share)
    assert stage.due == []


def test_what_is_more_than_one_part_waits_and_is_not_read_until_it_was_taken() -> None:
    stage = Stage()
    share = stage.share()

    stage.shares.enter(stage.taker("alice", 3), share)

    assert not reads(share)
    assert len(stage.shares) == 1
    stage.turn()
    assert stage.log == ["alice"] * 3
    assert reads(share)
    assert len(stage.shares) == 0
    assert stage.due == []


def test_who_has_used_least_comes_first() -> None:
    stage = Stage()
    for name, used_s in (("flood", 3.0), ("other", 2.0), ("third", 2.5)):
        stage.shares.enter(stage.taker(name, 2, STEP_S if name == "flood" else 0.0), stage.share(used_s))
    assert stage.log == ["flood", "other", "third"], "the line was empty, or they were below who waits"
    stage.log.clear()

    stage.turn()

    assert stage.log == ["other", "third", "flood"]


def test_a_flood_gets_a_part_of_the_turn_and_then_sockets_are_looked_at() -> None:
    stage = Stage()
    flood = stage.taker("flood", 100, STEP_S)
    stage.shares.enter(flood, stage.share(1.0))
    stage.log.clear()

    stage.turn()
    taken = len(stage.log)
    stage.turn()

    assert taken == 2
    assert len(stage.log) == 4


def test_of_strangers_who_say_little_only_a_few_have_their_turn_at_once() -> None:
    stage = Stage()
    for number in range(2 * STRANGERS_A_TURN_MAX):
        stage.shares.enter(stage.taker(f"stranger {number}", 1), stage.share(known=False), bytes([number]))

    stage.turn()
    assert len(stage.log) == STRANGERS_A_TURN_MAX

    stage.turn()
    assert len(stage.log) == 2 * STRANGERS_A_TURN_MAX


def test_what_the_machine_gave_to_others_in_a_part_is_nobodys_use() -> None:
    stage = Stage()
    share = stage.share()

    stage.shares.enter(stage.taker("interrupted", 1, 0.5, frames=3), share)
    stage.shares.enter(stage.taker("interrupted at a handshake", 1, 0.5, frames=0), share)
    stage.shares.enter(stage.taker("usual", 1, FRAME_S_MAX, frames=4), share)

    assert share.used_s == pytest.approx(5 * FRAME_S_MAX)


def test_who_was_away_is_taken_at_once_whatever_others_say() -> None:
    stage = Stage()
    for number in range(50):
        stage.shares.enter(stage.taker(f"flood {number}", 100, STEP_S), stage.share(1.0))
    for _ in range(50):
        stage.turn()
    stage.log.clear()

    stage.shares.enter(stage.taker("person", 1), stage.share())

    assert stage.log == ["person"]


def test_what_was_not_used_in_a_pause_brings_no_more_than_a_little() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("flood", 10_000, STEP_S), stage.share(100.0))
    stage.turn()
    away = stage.share()

    stage.shares.enter(stage.taker("away", 100, STEP_S), away)
    stage.log.clear()
    for _ in range(20):
        stage.turn()

    assert stage.log.index("flood") <= AHEAD_S / STEP_S + 1
    assert away.used_s > 100.0 - AHEAD_S


def application_among_floods(frames: int) -> tuple[list[int], int]:
    """Return how many turns an application waited each time that it said something, and how often it waited at all."""
    stage = Stage()
    for number in range(500):
        stage.shares.enter(stage.taker(f"flood {number}", 10_000, STEP_S), stage.share(1.0))
    share, turns, waited = stage.share(modest=True), [0], 0
    for _ in range(300):
        # Each of the floods has a thirtieth of a millisecond, and the application takes a tenth.
        for _ in range(60):
            stage.turn()
            turns[-1] += share.waits
        if not share.waits:
            stage.clock.advance(1 / MODEST_PER_S)
            stage.shares.enter(stage.taker("application", 1, FRAME_S_MAX, frames=frames), share)
            waited += share.waits
            turns.append(0)
    return turns, waited


def test_who_says_little_waits_for_nobody_who_says_much_though_it_uses_more_than_they_have() -> None:
    turns, waited = application_among_floods(1)

    # Not at once, but it is the first of the next turn.
    assert (max(turns), waited > 200) == (0, True)
    assert max(application_among_floods(MODEST_MAX + 1)[0]) > 60


def test_who_has_used_less_does_not_wait_for_who_says_little() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("flood", 10_000, STEP_S), stage.share(1.0))
    stage.turn()
    stage.log.clear()
    application, person = stage.share(2.0, modest=True), stage.share()

    stage.shares.enter(stage.taker("application", 1), application)
    before = list(stage.log)
    stage.shares.enter(stage.taker("person", 1), person)
    stage.turn()

    assert (before, stage.log[:2]) == ([], ["person", "application"])


def test_whoever_lines_up_is_not_taken_before_the_next_turn() -> None:
    stage = Stage()
    taker, share = stage.taker("held back", 1), stage.share()
    taker.share = share

    stage.shares.line_up(taker, share)
    stage.shares.line_up(taker, share)
    before = list(stage.log)
    stage.turn()

    assert (before, stage.log, share.waits) == ([], ["held back"], False)


def test_whoever_says_little_is_before_others_with_one_part_only() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("flood", 10_000, FRAME_S_MAX), stage.share(1.0))
    stage.turn()
    stage.log.clear()

    # Records may have no frames at all.
    stage.shares.enter(stage.taker("empty", 10_000, FRAME_S_MAX, frames=0), stage.share(2.0, modest=True))
    for _ in range(20):
        stage.turn()

    assert stage.log[0] == "empty"
    assert stage.log.count("flood") >= stage.log.count("empty") - 1


def test_however_many_say_little_one_who_says_much_has_a_turn_as_well() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("much", 10_000, STEP_S), stage.share(1.0))
    stage.turn()
    stage.log.clear()
    for number in range(10):
        stage.shares.enter(stage.taker(f"{number}", 1, LONG_S, frames=1), stage.share(2.0, modest=True))

    for _ in range(3):
        stage.turn()

    assert stage.log == ["0", "much", "1", "much", "2", "much"]


def test_whoever_says_much_for_once_is_not_behind_by_what_it_has_used_for_hours() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("flood", 10_000, STEP_S), stage.share(1.0))
    stage.turn()
    application = stage.share(100.0, modest=True)

    stage.shares.enter(stage.taker("application", 3, STEP_S), application)
    for _ in range(20):
        stage.turn()

    assert stage.log.count("application") == 3
    assert application.used_s < 2.0


def test_what_was_said_runs_out() -> None:
    now = 100.0
    share = Share(Outbox(FakeTransport(), octets_max=1, timeout_s=1.0), now)
    share.said(MODEST_MAX, now)
    little = share.is_modest(now)
    share.said(10, now)

    assert [little, *[share.is_modest(now + each / MODEST_PER_S) for each in (0, 9, 11)]] == [True, False, False, True]


def test_to_come_anew_brings_nobody_more_than_who_stays() -> None:
    stage = Stage()
    stays = stage.taker("stays", 10_000, STEP_S)
    stage.shares.enter(stays, stage.share())
    for _ in range(50):
        stage.shares.enter(stage.taker("anew", 3, STEP_S), stage.share())
        stage.turn()
        stage.turn()

    assert stage.log.count("stays") >= 50


def test_floods_of_one_size_share_what_is_left() -> None:
    stage = Stage()
    for number in range(4):
        stage.shares.enter(stage.taker(f"{number}", 10, STEP_S), stage.share(1.0))

    for _ in range(8):
        stage.turn()

    assert {name: stage.log.count(name) for name in stage.log} == {"0": 5, "1": 5, "2": 5, "3": 5}


def test_one_stranger_is_served_in_each_turn_however_much_devices_say() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("flood", 100, STEP_S), stage.share(1.0))
    for name in ("stranger", "other"):
        stage.shares.enter(stage.taker(name, 1), stage.share(known=False))
    stage.log.clear()

    stage.turn()
    stage.turn()

    assert stage.log == ["flood", "flood", "stranger", "flood", "flood", "other"]


def test_strangers_have_what_devices_leave_of_the_turn() -> None:
    stage = Stage()
    stage.shares.enter(stage.taker("device", 1), stage.share(1.0))
    for number in range(5):
        stage.shares.enter(stage.taker(f"{number}", 1, STEP_S), stage.share(known=False))

    stage.turn()

    assert stage.log == ["device", "0", "1"]


def test_places_of_strangers_have_their_turn_one_after_the_other() -> None:
    stage = Stage()
    for number in range(20):
        stage.shares.enter(stage.taker(f"crowd {number}", 1, LONG_S), stage.share(known=False), b"crowd")
    stage.shares.enter(stage.taker("alone", 1, LONG_S), stage.share(known=False), b"alone")

    for _ in range(3):
        stage.turn()

    assert stage.log == ["crowd 0", "alone", "crowd 1"]


def test_of_one_place_nobody_is_passed_over_by_who_came_later() -> None:
    stage = Stage()
    for number in range(3):
        stage.shares.enter(stage.taker(f"{number}", 2, LONG_S), stage.share(known=False), b"office")

    stage.turn()
    stage.shares.enter(stage.taker("later", 1, LONG_S), stage.share(known=False), b"office")
    for _ in range(6):
        stage.turn()

    assert stage.log == ["0", "1", "2", "0", "later", "1", "2"]
    assert len(stage.shares) == 0


def test_who_shows_who_he_is_while_he_waits_stands_among_the_devices() -> None:
    stage = Stage()
    share = stage.share(known=False)
    alice = stage.taker("alice", 2)
    stage.shares.enter(alice, share)
    share.known = True

    stage.turn()
    stage.turn()

    assert stage.log == ["alice", "alice"]
    assert reads(share)


def test_who_waits_already_does_not_wait_twice() -> None:
    stage = Stage()
    share = stage.share(1.0)
    alice = stage.taker("alice", 2)

    stage.shares.enter(alice, share)
    stage.shares.enter(alice, share)
    stage.turn()

    assert stage.log == ["alice", "alice"]


def test_what_asks_for_nothing_is_let_pass_a_while_and_forgotten() -> None:
    stage = Stage()
    share = stage.share()
    now = stage.clock.monotonic()

    assert not share.wasted(WASTE_MAX, now)
    assert share.wasted(1, now)
    assert not share.wasted(1, now + 2 / WASTE_PER_S)
