"""The soak itself: its verdict finds what grows and nothing else, and a short run of it is whole."""

import random
from pathlib import Path

import pytest

from soak.flat import Point, judge, slope
from soak.run import SETTINGS, soak
from support.processes import a_relay

MIB = 1 << 20


def points(*values: float) -> list[Point]:
    return [Point(float(at_s), value) for at_s, value in enumerate(values)]


def test_what_stays_where_it_is_is_flat_however_much_it_trembles() -> None:
    chance = random.Random(1)

    verdict = judge("memory", points(*[60 * MIB + chance.uniform(-MIB, MIB) for _ in range(1_000)]), MIB)

    assert verdict.flat
    assert abs(verdict.growth) < MIB / 2


def test_a_leak_is_found_beneath_the_trembling() -> None:
    chance = random.Random(2)

    verdict = judge(
        "memory", points(*[60 * MIB + at * MIB / 100 + chance.uniform(-MIB, MIB) for at in range(1_000)]), MIB
    )

    assert not verdict.flat
    assert 9 * MIB < verdict.growth < 11 * MIB


def test_a_burst_and_a_sawtooth_are_no_leak() -> None:
    saw = [at % 50 * 100.0 for at in range(1_000)]
    burst = [1_000_000.0 if 300 <= at < 350 else 0.0 for at in range(1_000)]

    assert judge("log", points(*saw), 500).flat
    assert judge("log", points(*burst), 500).flat


def test_a_share_of_what_there_is_may_be_added() -> None:
    assert judge("memory", points(100.0, 102.0, 104.0), 0).flat
    assert not judge("memory", points(100.0, 104.0, 108.0), 0).flat


def test_one_sample_has_no_slope() -> None:
    assert slope(points(5.0)) == 0.0


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_short_soak_has_people_come_and_go_and_meets_no_trouble(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay", settings=SETTINGS) as relay:
        run, street = await soak(relay, 7.0, seed=3, residents=8)

    assert street.trouble == {}
    assert {"joined", "left", "connected", "stored", "delivered"} <= street.told.keys()
    assert len(run.samples) >= 3
    assert {each.name for each in run.verdicts()} == {"memory", "descriptors", "database", "log"}
    assert run.samples[-1][1]["errors"] == 0
