"""Each alert by promtool: it fires on the series that mean its trouble, and not on those just below.

The series are in promtool's own notation, first value, step, count, with one value a minute; N is the whole night.
"""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from dashboards import rules
from dashboards.write import HERE
from support.prometheus import promtool

RULES = HERE / "prometheus" / "relayd.rules.yml"
DAY = 86_400


class Night(NamedTuple):
    """Series by name and labels, and when to look."""

    series: dict[str, str]
    minute: int = 60


def steady(value: float) -> str:
    return f"{value}+0xN"


def rising(each_minute: float, start: float = 0.0) -> str:
    return f"{start}{each_minute:+}xN"


def submissions(stored: float, busy: float, refused: float = 0.0) -> dict[str, str]:
    return {
        'relayd_submission_targets_total{code="stored"}': rising(stored),
        'relayd_submission_targets_total{code="over_quota"}': rising(refused),
        'relayd_not_taken_total{code="disk"}': rising(busy),
        'relayd_not_taken_total{code="rate"}': rising(stored),
    }


def waits(in_time: float, late: float) -> dict[str, str]:
    histogram = "relayd_acknowledge_connected_seconds"
    return {
        f'{histogram}_bucket{{le="10.0"}}': rising(in_time),
        f'{histogram}_bucket{{le="+Inf"}}': rising(in_time + late),
        f"{histogram}_count": rising(in_time + late),
    }


def disk(left: str) -> dict[str, str]:
    return {"relayd_disk_left_bytes": left, "relayd_disk_bytes": steady(100e9)}


def loop(stalls: float) -> dict[str, str]:
    lag = "relayd_event_loop_lag_seconds"
    return {
        f'{lag}_bucket{{le="1.0"}}': rising(60), f'{lag}_bucket{{le="+Inf"}}': rising(60 + stalls),
        f"{lag}_count": rising(60 + stalls),
    }  # fmt: skip


def commits(slow_share: float) -> dict[str, str]:
    return {
        'relayd_commit_seconds_bucket{le="0.5"}': rising(100 * (1 - slow_share)),
        'relayd_commit_seconds_bucket{le="1.0"}': rising(100),
        'relayd_commit_seconds_bucket{le="+Inf"}': rising(100),
    }


def clock(off_s: float, ahead_s: float = 0, behind_s: float = 0) -> dict[str, str]:
    return {
        "relayd_wall_time_seconds": rising(60, off_s), "relayd_clock_ahead_seconds": steady(ahead_s),
        "relayd_clock_behind_seconds": steady(behind_s),
    }  # fmt: skip


def oldest(age_s: float) -> dict[str, str]:
    return {
        'relayd_queue_oldest_seconds{class="chat"}': steady(age_s),
        'relayd_lifetime_seconds{class="chat"}': steady(30 * DAY),
    }  # fmt: skip


def handshakes(good: float, bad: float, hung_up: float = 0) -> dict[str, str]:
    return {
        "relayd_handshakes_total": rising(good), 'relayd_handshakes_failed_total{reason="preface"}': rising(bad),
        'relayd_handshakes_failed_total{reason="eof"}': rising(hung_up),
    }  # fmt: skip


def backup(finished_s: float, started_s: float) -> dict[str, str]:
    return {
        "relayd_backup_finished_timestamp_seconds": steady(finished_s),
        "relayd_started_timestamp_seconds": steady(started_s),
    }


NIGHTS: dict[str, tuple[list[Night], list[Night]]] = {
    "RelaydNotTakingFast": ([Night(submissions(100, 3))], [Night(submissions(100, 1)), Night(submissions(0, 0))]),
    "RelaydNotTakingSlow": ([Night(submissions(100, 1), 400)], [Night(submissions(1000, 5), 400)]),
    "RelaydLateFast": ([Night(waits(100, 3))], [Night(waits(100, 1)), Night(waits(0, 0))]),
    "RelaydLateSlow": ([Night(waits(100, 1), 400)], [Night(waits(1000, 5), 400)]),
    "RelaydDeliveryStopped": (
        [Night({"relayd_devices_owing": steady(3), "relayd_acknowledged_total": steady(9)})],
        [Night({"relayd_devices_owing": steady(3), "relayd_acknowledged_total": rising(1)}),
         Night({"relayd_devices_owing": steady(2), "relayd_acknowledged_total": steady(9)}),
         Night({"relayd_devices_owing": "3+0x57 0 3+0x60", "relayd_acknowledged_total": steady(9)})],
    ),
    "RelaydOldestUndelivered": ([Night(oldest(16 * DAY))], [Night(oldest(14 * DAY)), Night(oldest(0))]),
    "RelaydRefused": (
        [Night(submissions(100, 0, 30), 90)], [Night(submissions(100, 0, 20), 90), Night(submissions(1, 0, 1), 90)],
    ),
    "RelaydExpiryBehind": (
        [Night({"relayd_expiry_backlog": steady(10_001)})], [Night({"relayd_expiry_backlog": steady(9_000)})],
    ),
    "RelaydStalled": ([Night({"relayd_stalled_total": rising(2)})], [Night({"relayd_stalled_total": rising(0.5)})]),
    "RelaydDiskRefusing": ([Night({"relayd_disk_refusing": steady(1)})], [Night({"relayd_disk_refusing": steady(0)})]),
    "RelaydDiskFullInHours": (
        [Night(disk(rising(-150e6, 40e9)))], [Night(disk(rising(-100e6, 40e9))), Night(disk(rising(-900e6, 99e9)), 30)],
    ),
    "RelaydDiskFullInDays": (
        [Night(disk(rising(-6e6, 30e9)), 200)], [Night(disk(rising(-4e6, 30e9)), 200), Night(disk(steady(5e9)), 200)],
    ),
    "RelaydCommitsFail": (
        [Night({'relayd_commit_failures_total{failure="passing"}': "0+0x58 1+0x60"}),
         Night({"relayd_probe_failures_total": "0+0x58 1+0x60"})],
        [Night({'relayd_commit_failures_total{failure="passing"}': steady(4),
                "relayd_probe_failures_total": steady(4)})],
    ),
    "RelaydCommitsSlow": ([Night(commits(0.2))], [Night(commits(0.05))]),
    "RelaydIntakeFull": (
        [Night({"relayd_intake_works": steady(65), "relayd_intake_works_limit": steady(100)})],
        [Night({"relayd_intake_works": steady(55), "relayd_intake_works_limit": steady(100)})],
    ),
    "RelaydBackupOld": (
        [Night(backup(600, 0), 28 * 60), Night(backup(0, 600), 28 * 60)],
        [Night(backup(3 * 3600, 0), 28 * 60), Night(backup(0, 600), 25 * 60), Night(backup(0, 3 * 3600), 28 * 60)],
    ),
    "RelaydDown": ([Night({"up": "1+0x50 0+0x60"})], [Night({"up": steady(1)})]),
    "RelaydAbsent": ([Night({"something": steady(1)})], [Night({"up": steady(1)})]),
    "RelaydNotReady": ([Night({"relayd_ready": "1+0x50 0+0x60"})], [Night({"relayd_ready": "1+0x57 0+0x60"})]),
    "RelaydRestarting": (
        [Night({"relayd_started_timestamp_seconds": "1+0x20 2+0x10 3+0x10 4+0x60"})],
        [Night({"relayd_started_timestamp_seconds": "1+0x20 2+0x10 3+0x60"})],
    ),
    "RelaydLoopLag": ([Night(loop(1))], [Night(loop(0.01))]),
    "RelaydClockOff": (
        [Night(clock(6)), Night(clock(-7_200)), Night(clock(0, ahead_s=7_200)), Night(clock(0, behind_s=7_200))],
        [Night(clock(4)), Night(clock(-4, behind_s=4))],
    ),
    "RelaydKeyEnds": (
        [Night({"relayd_relay_key_end_timestamp_seconds": steady(29 * DAY)})],
        [Night({"relayd_relay_key_end_timestamp_seconds": steady(31 * DAY)}),
         Night({"relayd_relay_key_end_timestamp_seconds": steady(0)})],
    ),
    "RelaydKeyEndsSoon": (
        [Night({"relayd_relay_key_end_timestamp_seconds": steady(2 * DAY)})],
        [Night({"relayd_relay_key_end_timestamp_seconds": steady(4 * DAY)})],
    ),
    "RelaydInternalErrors": (
        [Night({"relayd_internal_errors_total": "0+0x55 1+0x60"})],
        [Night({"relayd_internal_errors_total": steady(3)})],
    ),
    "RelaydBreakGlass": (
        [Night({"relayd_break_glass_total": "0+0x55 1+0x60"})],
        [Night({"relayd_break_glass_total": steady(2)})],
    ),
    "RelaydCheckpointsWait": (
        [Night({"relayd_checkpoints_waiting": steady(1)})],
        [Night({"relayd_checkpoints_waiting": "1+0x20 0+0x60"})],
    ),
    "RelaydDescriptors": (
        [Night({"relayd_descriptors_exhausted_total": "0+0x58 2+0x60"})],
        [Night({"relayd_descriptors_exhausted_total": steady(2)})],
    ),
    "RelaydConnectionsFull": (
        [Night({"relayd_connections": steady(95), "relayd_connections_limit": steady(100)})],
        [Night({"relayd_connections": steady(85), "relayd_connections_limit": steady(100)})],
    ),
    "RelaydHandshakesFail": (
        [Night(handshakes(10, 120))],
        [Night(handshakes(100, 120)), Night(handshakes(0, 50)), Night(handshakes(0, 0, hung_up=600))],
    ),
}  # fmt: skip
"""Alert -> nights on which it fires, and nights on which it does not."""


def full(series: str, instance: str) -> str:
    """Return a series with the labels that every scrape has."""
    name, brace, rest = series.partition("{")
    labels = f'instance="{instance}",job="relayd"'
    return f"{name}{{{labels},{rest}" if brace else f"{name}{{{labels}}}"


def asked(nights: list[tuple[str, Night]], *, fires: bool) -> dict[str, Any]:
    """Return one of promtool's tests: each night is an instance of its own, so that many cost little more than one."""
    series, looks = [], []
    for number, (alert, night) in enumerate(nights):
        instance = f"night-{number}"
        for name, values in night.series.items():
            series.append({"series": full(name, instance), "values": values.replace("xN", f"x{night.minute}")})
        chosen = f'instance="{instance}"' if alert != "RelaydAbsent" else 'instance=""'
        firing = f'max(ALERTS{{alertname="{alert}",alertstate="firing",{chosen}}})'
        samples = [{"labels": "{}", "value": 1}] if fires else []
        looks.append({"expr": firing, "eval_time": f"{night.minute}m", "exp_samples": samples})
    return {"interval": "1m", "input_series": series, "promql_expr_test": looks}


def run(tmp_path: Path, nights: list[tuple[str, Night]], *, fires: bool) -> None:
    """Let promtool live through the nights; the long ones apart, and the one in which there is no relay at all."""
    short = [each for each in nights if each[1].minute <= 90 and each[0] != "RelaydAbsent"]
    long = [each for each in nights if each[1].minute > 90]
    alone = [each for each in nights if each[0] == "RelaydAbsent"]
    for number, (group, every) in enumerate([(short, "1m"), (long, "5m"), (alone, "1m")]):
        if group:
            page = tmp_path / f"{number}.yml"
            tests = [asked(group, fires=fires)]
            page.write_text(
                yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": every, "tests": tests}), "utf-8"
            )
            assert "SUCCESS" in promtool("test", "rules", page)


def test_every_alert_has_nights_on_which_it_fires_and_nights_on_which_it_does_not() -> None:
    assert NIGHTS.keys() == {alert.name for alert in rules.alerts(rules.Time())}
    assert all(fires and silent for fires, silent in NIGHTS.values())


def test_each_alert_fires_on_the_nights_that_it_is_for(tmp_path: Path) -> None:
    run(tmp_path, [(name, night) for name, (nights, _) in NIGHTS.items() for night in nights], fires=True)


def test_no_alert_fires_on_a_night_that_is_just_good_enough(tmp_path: Path) -> None:
    run(tmp_path, [(name, night) for name, (_, nights) in NIGHTS.items() for night in nights], fires=False)


def test_a_night_on_which_an_alert_is_expected_and_does_not_fire_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="FAILED"):
        run(tmp_path, [("RelaydDown", Night({"up": steady(1)}))], fires=True)
