"""Prometheus' rules: what is recorded, and what wakes somebody.

A scale enters, groups of rules leave. The rules of this file: each alert is a thing that a person can do something
about, and its section of docs/operating/runbooks.md says what; every span of time goes through ``scale``, so that a
test lives through a bad night in a minute. ``page`` wakes somebody, ``ticket`` waits for the morning.
"""

from dataclasses import dataclass
from typing import Any, Final

from dashboards.queries import IN_TIME_S, NOT_OURS

RUNBOOKS: Final = "docs/operating/runbooks.md"
GOAL: Final = 0.999
"""Of all submissions are taken in, and of all messages to connected devices are acknowledged within ten seconds."""
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
_WINDOWS: Final = {"5m": 5 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "6h": 6 * HOUR}
_BURNS: Final = (
    ("Fast", "page", 14.4, "5m", "1h", 2 * MINUTE),
    ("Slow", "ticket", 6.0, "30m", "6h", 15 * MINUTE),
)
"""Google's multiwindow burn rates for a month's budget: 2 per cent of it in an hour, or 5 per cent in six hours."""


@dataclass(frozen=True)
class Alert:
    """A rule that fires when ``expr`` has had a result for ``held_s`` seconds."""

    name: str
    severity: str
    expr: str
    held_s: float
    summary: str


@dataclass(frozen=True)
class Time:
    """Spans of time, divided by ``scale``."""

    scale: float = 1.0

    def span(self, seconds: float) -> str:
        """Return a span as Prometheus writes it."""
        milliseconds = max(1, round(seconds * 1000 / self.scale))
        for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)):
            if milliseconds % (size * 1000) == 0:
                return f"{milliseconds // (size * 1000)}{unit}"
        return f"{milliseconds}ms"

    def seconds(self, seconds: float) -> str:
        """Return a span as a number of seconds, in an expression."""
        return f"{seconds / self.scale:.10g}"


def records(time: Time) -> list[dict[str, Any]]:
    """Return the recorded error ratios: NaN, which compares with nothing, where nobody sent anything."""
    found = []
    for name, seconds in _WINDOWS.items():
        window = time.span(seconds)
        bad = f'sum without (code) (rate(relayd_not_taken_total{{code=~"{NOT_OURS}"}}[{window}]))'
        recorded = f"sum without (code) (rate(relayd_submission_targets_total[{window}]))"
        good = f'rate(relayd_acknowledge_connected_seconds_bucket{{le="{IN_TIME_S}"}}[{window}])'
        every = f"rate(relayd_acknowledge_connected_seconds_count[{window}])"
        found += [
            {"record": f"relayd:not_taken:ratio_rate{name}", "expr": f"{bad} / ({recorded} + {bad})"},
            {"record": f"relayd:late:ratio_rate{name}", "expr": f"1 - sum without (le) ({good}) / {every}"},
        ]
    return found


def burns() -> list[Alert]:
    """Return the alerts on how fast the error budgets burn; their windows are those of the records."""
    found = []
    for what, record, summary in (
        ("NotTaking", "not_taken", "Devices are told to come back later: {{ $value | humanizePercentage }}"),
        ("Late", "late", "Connected devices get messages late: {{ $value | humanizePercentage }}"),
    ):
        for speed, severity, factor, short, long, held_s in _BURNS:
            limit = f"{factor * (1 - GOAL):.4g}"
            expr = f"relayd:{record}:ratio_rate{short} > {limit} and relayd:{record}:ratio_rate{long} > {limit}"
            found.append(Alert(f"Relayd{what}{speed}", severity, expr, held_s, f"{summary} of them in {short}"))
    return found


def delivery(time: Time) -> list[Alert]:
    """Return the alerts on messages that do not arrive."""
    five, ten, half = time.span(5 * MINUTE), time.span(10 * MINUTE), time.span(30 * MINUTE)
    return [
        Alert("RelaydDeliveryStopped", "page",
              f"min_over_time(relayd_devices_owing[{five}]) >= 3 and increase(relayd_acknowledged_total[{five}]) == 0",
              5 * MINUTE, "{{ $value }} connected devices were sent messages and none acknowledges any"),
        Alert("RelaydOldestUndelivered", "ticket",
              'relayd_queue_oldest_seconds{class=~"alert|chat|notice|broadcast"}'
              " > 0.5 * relayd_lifetime_seconds",
              0, "A message of class {{ $labels.class }} waits for {{ $value | humanizeDuration }}, half its life"),
        Alert("RelaydRefused", "ticket",
              f'sum without (code) (rate(relayd_submission_targets_total{{code!="stored"}}[{half}])) > 0.2 *'
              f" sum without (code) (rate(relayd_submission_targets_total[{half}]))"
              f' and sum without (code) (increase(relayd_submission_targets_total{{code!="stored"}}[{half}])) > 50',
              10 * MINUTE, "More than a fifth of what devices send is refused"),
        Alert("RelaydExpiryBehind", "ticket", "relayd_expiry_backlog > 10000", 10 * MINUTE,
              "{{ $value }} rows are over and not removed"),
        Alert("RelaydStalled", "ticket", f"increase(relayd_stalled_total[{ten}]) > 10", 0,
              "{{ $value | humanize }} devices are connected and take nothing"),
    ]  # fmt: skip


def storage(time: Time) -> list[Alert]:
    """Return the alerts on the disk and the database."""
    five, hour, six = (time.span(seconds) for seconds in (5 * MINUTE, HOUR, 6 * HOUR))
    old, finished = time.seconds(26 * HOUR), "relayd_backup_finished_timestamp_seconds"
    return [
        Alert("RelaydDiskRefusing", "page", "relayd_disk_refusing == 1", MINUTE,
              "Submissions are refused for want of disk"),
        Alert("RelaydDiskFullInHours", "page",
              f"predict_linear(relayd_disk_left_bytes[{hour}], {time.seconds(4 * HOUR)}) < 0"
              " and relayd_disk_left_bytes < 0.5 * relayd_disk_bytes", 10 * MINUTE,
              "The disk is full in four hours if it goes on like this"),
        Alert("RelaydDiskFullInDays", "ticket",
              f"predict_linear(relayd_disk_left_bytes[{six}], {time.seconds(4 * DAY)}) < 0"
              " and relayd_disk_left_bytes < 0.5 * relayd_disk_bytes", HOUR,
              "The disk is full in four days if it goes on like this"),
        Alert("RelaydCommitsFail", "page",
              f"sum without (failure) (increase(relayd_commit_failures_total[{five}])) > 0"
              f" or increase(relayd_probe_failures_total[{five}]) > 0", 0,
              "Transactions fail or do not come back"),
        Alert("RelaydCommitsSlow", "ticket",
              f"histogram_quantile(0.9, rate(relayd_commit_seconds_bucket[{five}])) > 0.5", 10 * MINUTE,
              "A transaction in ten takes more than half a second"),
        Alert("RelaydIntakeFull", "page", "relayd_intake_works > 0.6 * relayd_intake_works_limit", 2 * MINUTE,
              "{{ $value }} works wait for the disk"),
        Alert("RelaydBackupOld", "ticket",
              f"({finished} > 0 and time() - {finished} > {old}) or"
              f" ({finished} == 0 and time() - relayd_started_timestamp_seconds > {old})", 10 * MINUTE,
              "The last backup was finished more than 26 hours ago, or never"),
    ]  # fmt: skip


def service(time: Time) -> list[Alert]:
    """Return the alerts on the process, its clock, its key and who knocks."""
    five, ten, quarter, hour = (time.span(seconds) for seconds in (5 * MINUTE, 10 * MINUTE, 15 * MINUTE, HOUR))
    lag, ends = "relayd_event_loop_lag_seconds", "relayd_relay_key_end_timestamp_seconds"
    failed = f'sum without (reason) (rate(relayd_handshakes_failed_total{{reason!="eof"}}[{ten}]))'
    return [
        Alert("RelaydDown", "page", 'up{job="relayd"} == 0', 2 * MINUTE, "Nobody answers at {{ $labels.instance }}"),
        Alert("RelaydAbsent", "page", 'absent(up{job="relayd"})', 5 * MINUTE, "Prometheus looks at no relay"),
        Alert("RelaydNotReady", "page", "relayd_ready == 0", 5 * MINUTE, "The relay says that it is not ready"),
        Alert("RelaydRestarting", "page", f"changes(relayd_started_timestamp_seconds[{hour}]) > 2", 0,
              "The relay was started {{ $value }} times in an hour"),
        Alert("RelaydLoopLag", "page",
              f'increase({lag}_count[{quarter}]) - ignoring (le) increase({lag}_bucket{{le="1.0"}}[{quarter}]) > 1.5',
              0,
              "The event loop stood still for more than a second, twice in a quarter of an hour"),
        Alert("RelaydClockOff", "page",
              "relayd_clock_ahead_seconds > 0 or relayd_clock_behind_seconds > 5"
              " or abs(relayd_wall_time_seconds - timestamp(relayd_wall_time_seconds)) > 5", 2 * MINUTE,
              "The relay's clock is {{ $value }} s off"),
        Alert("RelaydKeyEnds", "ticket", f"{ends} > 0 and {ends} - time() < {30 * DAY}", 0,
              "The relay key ends in less than thirty days"),
        Alert("RelaydKeyEndsSoon", "page", f"{ends} > 0 and {ends} - time() < {3 * DAY}", 0,
              "The relay key ends in less than three days; then no device can connect"),
        Alert("RelaydInternalErrors", "ticket", f"increase(relayd_internal_errors_total[{ten}]) > 0", 0,
              "A bug was met; the log has its incident"),
        Alert("RelaydBreakGlass", "page", f"increase(relayd_break_glass_total[{ten}]) > 0", 0,
              "Somebody at the machine made an account a platform operator"),
        Alert("RelaydCheckpointsWait", "ticket", "relayd_checkpoints_waiting > 0", 30 * MINUTE,
              "{{ $value }} checkpoints of the audit log have not been carried outside"),
        Alert("RelaydDescriptors", "page", f"increase(relayd_descriptors_exhausted_total[{five}]) > 0", 0,
              "No file descriptor is left; new connections are closed"),
        Alert("RelaydConnectionsFull", "ticket", "relayd_connections > 0.9 * relayd_connections_limit", 10 * MINUTE,
              "{{ $value }} connections, nine tenths of what is let in"),
        Alert("RelaydHandshakesFail", "ticket",
              f"{failed} > 1 and {failed} > 5 * rate(relayd_handshakes_total[{ten}])", 10 * MINUTE,
              "{{ $value | humanize }} handshakes a second fail, far more than succeed"),
    ]  # fmt: skip


def alerts(time: Time) -> list[Alert]:
    """Return every alert."""
    return [*burns(), *delivery(time), *storage(time), *service(time)]


def anchor(alert: str) -> str:
    """Return the fragment of an alert's section in the runbooks, as a forge makes it of the heading."""
    return alert.lower()


def _written(alert: Alert, time: Time) -> dict[str, Any]:
    written: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    if alert.held_s:
        written["for"] = time.span(alert.held_s)
    written["labels"] = {"severity": alert.severity}
    written["annotations"] = {"summary": alert.summary, "runbook_url": f"{RUNBOOKS}#{anchor(alert.name)}"}
    return written


def groups(scale: float = 1.0, every_s: float | None = None) -> dict[str, Any]:
    """Return the file of rules; ``every_s``: how often they are looked at, where it is not Prometheus' own default."""
    time = Time(scale)
    found = [
        {"name": "relayd.records", "rules": records(time)},
        {"name": "relayd.alerts", "rules": [_written(alert, time) for alert in alerts(time)]},
    ]
    if every_s is not None:
        found = [{"name": group["name"], "interval": f"{round(every_s * 1000)}ms", **group} for group in found]
    return {"groups": found}
