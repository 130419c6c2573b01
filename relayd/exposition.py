"""A leaf of the relay: its figures in Prometheus' words.

``Counters`` enter at each scrape; the text of /metrics leaves. The rule of this file: one table describes every
metric (name, kind, help, label and its closed set), by Prometheus' conventions: base units, ``_total`` for counters.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple, assert_never, cast

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from relayd.metrics import Counters, Histogram, folded
from relayproto.codes import Class, Code, GapReason, GoawayCode, Result

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily


class Total(NamedTuple):
    """A number that only grows."""

    name: str
    help: str
    read: Callable[[Counters], float]


class Labelled(NamedTuple):
    """Numbers that only grow, one for each member of a closed set."""

    name: str
    help: str
    label: str
    read: Callable[[Counters], Counter[int] | Counter[str]]
    members: tuple[tuple[object, str], ...]


class Level(NamedTuple):
    """A number that goes up and down."""

    name: str
    help: str
    read: Callable[[Counters], float]


class Levels(NamedTuple):
    """Numbers that go up and down, one for each member of a closed set."""

    name: str
    help: str
    label: str
    read: Callable[[Counters], Counter[int]]
    members: tuple[tuple[object, str], ...]
    scale: float


class Spread(NamedTuple):
    """A histogram."""

    name: str
    help: str
    read: Callable[[Counters], Histogram]


def _of(enumeration: type[IntEnum]) -> tuple[tuple[object, str], ...]:
    return tuple((int(member), member.name.lower()) for member in enumeration)


def _words(*words: str) -> tuple[tuple[object, str], ...]:
    return tuple((word, word) for word in words)


Metric = Total | Labelled | Level | Levels | Spread

METRICS: Final[tuple[Metric, ...]] = (
    Total("relayd_connections_accepted", "Connections taken in", lambda c: c.connections_accepted),
    Level("relayd_connections", "Connections that are open now", lambda c: c.connections_open),
    Level("relayd_connections_limit", "Connections that are let in at a time", lambda c: c.connections_limit),
    Level("relayd_connections_half_open", "Connections that have not shown who they are", lambda c: c.half_open),
    Labelled("relayd_connections_closed", "Connections that ended, by the GOAWAY code of either side; eof: without one",
             "code", lambda c: c.connections_closed, ((0, "eof"), *_of(GoawayCode))),
    Labelled("relayd_connections_refused", "Connections closed before a handshake, by the limit that they met",
             "limit", lambda c: c.connections_refused,
             _words("connections", "half_open", "address_connections", "address_rate", "descriptors")),
    Total("relayd_handshakes", "Handshakes completed", lambda c: c.handshakes_ok),
    Labelled("relayd_handshakes_failed", "Handshakes that failed, by reason", "reason", lambda c: c.handshakes_failed,
             _words("preface", "handshake", "timeout", "authentication", "rate", "eof")),
    Total("relayd_takeovers", "Connections superseded by a newer one of the same device", lambda c: c.takeovers),
    Level("relayd_windows_full", "Connected devices that have something waiting and take nothing now",
          lambda c: c.windows_full),
    Total("relayd_stalled", "Connections ended because a full window was never acknowledged", lambda c: c.stalled),
    Total("relayd_write_aborts", "Connections ended because the peer did not read in time", lambda c: c.write_aborts),
    Total("relayd_frames_received", "Frames received", lambda c: c.frames_in),
    Total("relayd_frames_sent", "Frames sent", lambda c: c.frames_out),
    Total("relayd_received_bytes", "Bytes read from devices", lambda c: c.bytes_in),
    Total("relayd_sent_bytes", "Bytes written to devices", lambda c: c.bytes_out),
    Labelled("relayd_submission_targets", "Targets of submissions, by what was recorded", "code",
             lambda c: c.submissions, _of(Code)),
    Labelled("relayd_not_taken", "Submissions that were not taken in and may come again, by reason", "code",
             lambda c: c.not_taken, _of(Code)),
    Labelled("relayd_refused", "Commands answered with REFUSED, by code", "code", lambda c: c.refused, _of(Code)),
    Total("relayd_delivered", "Envelopes written to a device, repeats included", lambda c: c.delivered),
    Total("relayd_acknowledged", "Envelopes acknowledged", lambda c: c.acknowledged),
    Level("relayd_unacknowledged", "Envelopes written to connected devices and not acknowledged, at most",
          lambda c: c.unacknowledged),
    Level("relayd_devices_owing", "Connected devices that have not acknowledged something that was written to them",
          lambda c: c.devices_owing),
    Spread("relayd_acknowledge_connected_seconds",
           "Time from stored to acknowledged, of envelopes that came while their device was connected",
           lambda c: c.waits_connected),
    Spread("relayd_acknowledge_away_seconds",
           "Time from stored to acknowledged, of envelopes that waited for their device to connect",
           lambda c: c.waits_away),
    Total("relayd_expired", "Envelopes that expired in the queue", lambda c: c.expired),
    Level("relayd_expiry_backlog", "Rows whose time is over and that are still there; 100,000: as many or more",
          lambda c: c.overdue),
    Labelled("relayd_gaps", "Gaps told to devices, by reason", "reason", lambda c: c.gaps, _of(GapReason)),
    Labelled("relayd_outcomes", "Outcomes queued for senders, by result", "result", lambda c: c.outcomes, _of(Result)),
    Total("relayd_prekeys_handed_out", "One-time prekeys handed out", lambda c: c.prekeys_handed_out),
    Total("relayd_last_resort_handed_out", "Bundles without a one-time KEM prekey", lambda c: c.last_resort_handed_out),
    Level("relayd_accounts", "Accounts, counted every five minutes", lambda c: c.accounts),
    Level("relayd_devices", "Devices of all accounts, counted every five minutes", lambda c: c.devices),
    Total("relayd_accounts_enrolled", "Accounts made from an invitation", lambda c: c.accounts_enrolled),
    Labelled("relayd_codes", "Codes to register with: asked for, refused by a bound, handed over to be sent, or not",
             "result", lambda c: c.codes, _words("asked", "refused", "sent", "failed")),
    Labelled("relayd_registrations", "Accounts asked for with a code, by what became of it", "result",
             lambda c: c.registrations, _words("done", "refused")),
    Total("relayd_reports", "Reports taken in for the moderators", lambda c: c.reports),
    Labelled("relayd_acts", "Acts of officers and operators, by what became of them", "result", lambda c: c.acts,
             _words("done", "proposed", "rehearsed", "denied", "rate")),
    Total("relayd_break_glass", "Times that the local operator made an account a platform operator",
          lambda c: c.break_glass),
    Total("relayd_restores", "Starts from an older copy of the database", lambda c: c.restores),
    Total("relayd_commits", "Transactions synced to disk", lambda c: c.commits),
    Spread("relayd_commit_seconds", "Time of a transaction with its sync", lambda c: c.commit_seconds),
    Spread("relayd_commit_works", "Works in one transaction", lambda c: c.commit_batch),
    Labelled("relayd_commit_failures", "Transactions that failed and were rolled back, by what it was", "failure",
             lambda c: c.commits_failed, _words("disk_full", "passing", "bug")),
    Total("relayd_probe_failures", "Probes, one every five seconds, whose commit did not come back within ten",
          lambda c: c.probes_failed),
    Level("relayd_intake_works", "Works that wait for the next transaction", lambda c: c.intake_works),
    Level("relayd_intake_works_limit", "Works with which the intake is full", lambda c: c.intake_limit),
    Level("relayd_intake_bytes", "Bytes of the works that wait for the next transaction", lambda c: c.intake_bytes),
    Level("relayd_queue_messages", "Envelopes in the queue", lambda c: c.envelopes_queued),
    Level("relayd_queue_bytes", "Bytes of the envelopes in the queue", lambda c: c.queued_bytes),
    Level("relayd_queue_outcomes", "Outcomes in the queue", lambda c: c.outcomes_queued),
    Levels("relayd_queue_oldest_seconds", "Age of the oldest envelope that is not acknowledged, by class; 0: none",
           "class", lambda c: c.oldest_ms, _of(Class), 0.001),
    Levels("relayd_lifetime_seconds", "Longest lifetime of an envelope, by class, as it is set", "class",
           lambda c: c.lifetimes_s, _of(Class), 1.0),
    Level("relayd_mailboxes_full", "Mailboxes that take nothing more, counted every five minutes",
          lambda c: c.mailboxes_full),
    Total("relayd_descriptors_exhausted", "Looks, one a second, that found no file descriptor left",
          lambda c: c.descriptors_exhausted),
    Level("relayd_store_bytes", "Size of the database", lambda c: c.store_bytes),
    Level("relayd_store_log_bytes", "Size of the database's write-ahead log", lambda c: c.log_bytes),
    Level("relayd_store_free_bytes", "Free pages inside the database, which are used first", lambda c: c.free_bytes),
    Level("relayd_disk_bytes", "Size of the disk of the store, without what is kept for root", lambda c: c.disk_bytes),
    Level("relayd_disk_left_bytes", "Room left on the disk of the store", lambda c: c.disk_left_bytes),
    Level("relayd_disk_used_ratio", "How full the disk of the store is", lambda c: c.disk_used_percent / 100),
    Level("relayd_disk_refusing", "1 while submissions are refused for want of disk", lambda c: c.disk_refusing),
    Level("relayd_ballast_bytes", "Size of the file that is deleted when the disk runs full; 0: it was",
          lambda c: c.ballast_bytes),
    Total("relayd_internal_errors", "Bugs that were met; each has an incident in the log", lambda c: c.internal_errors),
    Spread("relayd_event_loop_lag_seconds", "How late the event loop ran a timer", lambda c: c.loop_lag),
    Level("relayd_clock_ahead_seconds", "How far the wall clock jumped ahead of relay time; 0 when all is well",
          lambda c: c.clock_ahead_ms / 1000),
    Level("relayd_clock_behind_seconds", "How far the wall clock is behind relay time, which never goes back",
          lambda c: c.clock_behind_ms / 1000),
    Level("relayd_wall_time_seconds", "The wall clock at the scrape, since 1970; compare it with the scraper's",
          lambda c: c.wall_ms / 1000),
    Level("relayd_started_timestamp_seconds", "When the relay was started, since 1970", lambda c: c.started_ms / 1000),
    Level("relayd_ready", "1 while /readyz says ready", lambda c: c.ready),
    Level("relayd_relay_key_end_timestamp_seconds", "When the newest relay key ends, since 1970",
          lambda c: c.key_end_ms / 1000),
    Level("relayd_checkpoints_waiting", "Checkpoints of the audit log that are to be carried outside, 100 at most",
          lambda c: c.checkpoints_waiting),
    Level("relayd_backup_finished_timestamp_seconds", "When the last backup was finished, since 1970; 0: there is none",
          lambda c: c.backup_finished_ms / 1000),
)  # fmt: skip


def _histogram(metric: Spread, counters: Counters) -> HistogramMetricFamily:
    histogram = metric.read(counters)
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        below += count
        buckets.append((bound, below))
    return HistogramMetricFamily(metric.name, metric.help, buckets=buckets, sum_value=histogram.total)


def _labelled(metric: Labelled, counters: Counters) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=(metric.label,))
    for label, count in folded(metric.read(counters), metric.members).items():
        family.add_metric((label,), count)
    return family


def _levels(metric: Levels, counters: Counters) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=(metric.label,))
    values = metric.read(counters)
    for key, label in metric.members:
        family.add_metric((label,), values[cast("int", key)] * metric.scale)
    return family


class CountersCollector(Collector):
    """Reads the counters when Prometheus asks."""

    def __init__(self, counters: Counters, version: str) -> None:
        """Keep the counters; ``version`` is the program's, for relayd_build_info."""
        self._counters = counters
        self._version = version

    def collect(self) -> Iterator[Family]:
        """Give one family for each row of ``METRICS``."""
        yield InfoMetricFamily("relayd_build", "The program's version", value={"version": self._version})
        for metric in METRICS:
            match metric:
                case Total(name, text, read):
                    yield CounterMetricFamily(name, text, value=read(self._counters))
                case Level(name, text, read):
                    yield GaugeMetricFamily(name, text, value=read(self._counters))
                case Labelled():
                    yield _labelled(metric, self._counters)
                case Levels():
                    yield _levels(metric, self._counters)
                case Spread():
                    yield _histogram(metric, self._counters)
                case _ as never:
                    assert_never(never)

    def describe(self) -> Iterable[Family]:
        """Describe nothing beforehand: the registry need not call ``collect`` for the names."""
        return ()


def exposition(counters: Counters, version: str, refresh: Callable[[], None]) -> Callable[[], bytes]:
    """Return what makes the body of /metrics: the counters, and the process's memory, CPU and garbage figures.

    ``refresh`` is called at each scrape, to set what is cheap to look at and would be old otherwise.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(CountersCollector(counters, version))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)

    def body() -> bytes:
        refresh()
        return generate_latest(registry)

    return body
