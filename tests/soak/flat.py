"""Whether what a relay uses stays flat: one number over time, judged by its slope."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

PAIRS_POINTS_MAX = 400
"""Of as many samples, at even distances, every pair gives a slope."""
SHARE_MAX = 0.05


class Point(NamedTuple):
    """One sample: seconds since the beginning, and the value."""

    at_s: float
    value: float


@dataclass(frozen=True)
class Verdict:
    """How a figure went: its median, by how much it has grown by its slope, and how much it may."""

    name: str
    median: float
    growth: float
    growth_max: float

    @property
    def flat(self) -> bool:
        return self.growth <= self.growth_max


def slope(points: Sequence[Point]) -> float:
    """Return the median of the slopes of all pairs, a second (Theil and Sen).

    A sawtooth, a burst or a checkpoint moves it little; what grows from the first to the last sample moves it all.
    """
    step = max(1, len(points) // PAIRS_POINTS_MAX)
    chosen = points[::step]
    slopes = [(b.value - a.value) / (b.at_s - a.at_s) for a, b in combinations(chosen, 2) if b.at_s > a.at_s]
    return statistics.median(slopes) if slopes else 0.0


def judge(name: str, points: Sequence[Point], floor: float) -> Verdict:
    """Return whether a figure is flat: by its slope it has grown by SHARE_MAX of its median, or ``floor``, at most."""
    lasted_s = points[-1].at_s - points[0].at_s
    median = statistics.median(point.value for point in points)
    return Verdict(name, median, slope(points) * lasted_s, max(floor, SHARE_MAX * median))
