"""The words that queries are made of: one relay's series, their rates, and shares of them.

A metric's name enters, PromQL leaves. The rule of this file: what two queries say alike is said here once.
"""

from typing import Final

RATE: Final = "$__rate_interval"
"""Grafana's: at least four scrapes."""
NOT_OURS: Final = "busy|disk|unavailable|internal"
"""Codes of NOT_TAKEN that are the relay's doing; the others ask the device to wait or to go back."""
IN_TIME_S: Final = "10.0"
"""A bucket of relayd_acknowledge_connected_seconds: within this a connected person has a message, or it was late."""
_DAY_S: Final = 86_400


def series(metric: str, *matchers: str) -> str:
    """Return the selector of a metric, of the instances that the dashboard's reader has chosen."""
    chosen = ",".join(('instance=~"$instance"', *matchers))
    return f"{metric}{{{chosen}}}"


def added(metric: str, *matchers: str) -> str:
    """Return the sum over all relays."""
    return f"sum({series(metric, *matchers)})"


def of(metric: str, limit: str) -> str:
    """Return the share of its limit that the relay with the largest share has used."""
    return f"max({series(metric)} / {series(limit)})"


def clock_off() -> str:
    """Return how far a relay's clock is from Prometheus' own, seconds."""
    told = series("relayd_wall_time_seconds")
    return f"{told} - timestamp({told})"


def rate(metric: str, *matchers: str, over: str = RATE) -> str:
    """Return the rate of a counter, per second."""
    return f"rate({series(metric, *matchers)}[{over}])"


def total(metric: str, *matchers: str, by: str = "", over: str = RATE) -> str:
    """Return the rate of a counter added up over relays, or over all but the label ``by``."""
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}({rate(metric, *matchers, over=over)})"


def quantile(share: float, histogram: str, over: str = RATE) -> str:
    """Return below what so great a share of the observations of all relays lies."""
    return f"histogram_quantile({share}, sum by (le) ({rate(histogram + '_bucket', over=over)}))"


def in_time(over: str) -> str:
    """Return which share of what came for connected devices was acknowledged in time."""
    good = total("relayd_acknowledge_connected_seconds_bucket", f'le="{IN_TIME_S}"', over=over)
    return f"{good} / {total('relayd_acknowledge_connected_seconds_count', over=over)}"


def taken(over: str) -> str:
    """Return which share of the submissions that devices made was taken in, or refused for the device's own sake."""
    bad = total("relayd_not_taken_total", f'code=~"{NOT_OURS}"', over=over)
    return f"1 - {bad} / ({total('relayd_submission_targets_total', over=over)} + {bad})"


def days_left(over: str = "6h") -> str:
    """Return after how many days the disk is full if it goes on as in the last hours.

    A year stands for more than that, and for a disk that is not half full: its first minutes say nothing about it.
    """
    left, size = series("relayd_disk_left_bytes"), series("relayd_disk_bytes")
    days = f"clamp_max({left} / clamp_min(-deriv({left}[{over}]), 1) / {_DAY_S}, 365)"
    return f"({days} and {left} < 0.5 * {size}) or {left} * 0 + 365"
