"""A leaf of the relay: what it counts about itself.

Plain integers are incremented on the hot path; a collector turns them into Prometheus families at scrape time.
The rules of this file: labels come from closed sets, each series exists from the start (so that a rate has a zero),
and every metric is described once, in ``relayd.exposition``.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Half a millisecond is a commit on an idle disk; two and a half seconds is an outage."""
CONNECTED: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From a device on the same desk to one whose network has gone; ten seconds is what people put up with."""
AWAY: Final = (1.0, 10.0, 60.0, 600.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0, 604800.0, 1209600.0)
"""From a telephone that was in a lift to somebody on leave."""
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Works in one commit: 512 rows, and the acknowledgements and verbs that wait."""


class Histogram:
    """Observations counted by upper bounds, the classic Prometheus histogram without its library's cost."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Take ascending upper bounds; what is above the last is counted too."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count what one commit has observed."""
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.total += sum(values)


class Counters:
    """Every figure of the process; whoever causes an event adds to it, nobody reads them on the hot path.

    A ``Counter`` is keyed by the number or word of a closed set; a key outside it is exported as ``other``, so
    that a peer cannot make series.
    """

    __slots__ = (
        "accounts", "accounts_enrolled", "acknowledged", "acts", "backup_finished_ms", "ballast_bytes", "break_glass",
        "bytes_in", "bytes_out",
        "checkpoints_waiting",
        "clock_ahead_ms", "clock_behind_ms", "codes", "commit_batch", "commit_seconds", "commits", "commits_failed",
        "connections_accepted", "connections_closed", "connections_limit", "connections_open",
        "connections_refused", "delivered", "descriptors_exhausted", "devices", "devices_owing", "disk_bytes",
        "disk_left_bytes",
        "disk_refusing", "disk_used_percent", "envelopes_queued", "expired", "frames_in", "frames_out", "free_bytes",
        "gaps", "half_open", "handshakes_failed", "handshakes_ok", "intake_bytes", "intake_limit", "intake_works",
        "internal_errors", "key_end_ms", "last_resort_handed_out", "lifetimes_s",
        "log_bytes", "loop_lag", "mailboxes_full",
        "not_taken", "oldest_ms", "outcomes", "outcomes_queued", "overdue", "prekeys_handed_out", "probes_failed",
        "queued_bytes", "ready", "refused", "registrations", "reports", "restores", "stalled", "started_ms",
        "store_bytes", "submissions", "takeovers", "unacknowledged", "waits_away", "waits_connected", "wall_ms",
        "windows_full", "write_aborts",
    )  # fmt: skip

    def __init__(self) -> None:
        """Start everything at nothing."""
        self.connections_accepted = 0
        self.connections_open = 0
        self.connections_closed: Counter[int] = Counter()
        self.connections_refused: Counter[str] = Counter()
        self.handshakes_ok = 0
        self.handshakes_failed: Counter[str] = Counter()
        self.takeovers = 0
        self.stalled = 0
        self.write_aborts = 0
        self.frames_in = self.frames_out = 0
        self.bytes_in = self.bytes_out = 0
        self.submissions: Counter[int] = Counter()
        self.not_taken: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()
        self.delivered = 0
        self.acknowledged = 0
        self.expired = 0
        self.gaps: Counter[int] = Counter()
        self.outcomes: Counter[int] = Counter()
        self.prekeys_handed_out = 0
        self.last_resort_handed_out = 0
        self.accounts_enrolled = 0
        self.codes: Counter[str] = Counter()
        self.registrations: Counter[str] = Counter()
        self.reports = 0
        self.acts: Counter[str] = Counter()
        self.break_glass = 0
        self.checkpoints_waiting = 0
        self.restores = 0
        self.commits = 0
        self.commit_seconds = Histogram(SECONDS)
        self.commit_batch = Histogram(SIZES)
        self.envelopes_queued = 0
        self.queued_bytes = 0
        self.outcomes_queued = 0
        self.internal_errors = 0
        self.loop_lag = Histogram(SECONDS)
        self.clock_ahead_ms = 0
        self.descriptors_exhausted = 0
        self.disk_used_percent = 0
        self.disk_refusing = 0
        self.ballast_bytes = 0
        self.commits_failed: Counter[str] = Counter()
        self.waits_connected = Histogram(CONNECTED)
        self.waits_away = Histogram(AWAY)
        self.probes_failed = 0
        self._begin_observed()

    def _begin_observed(self) -> None:
        """Start what is not counted but looked at, every few seconds or at a scrape."""
        self.oldest_ms: Counter[int] = Counter()
        self.lifetimes_s: Counter[int] = Counter()
        self.overdue = 0
        self.unacknowledged = self.devices_owing = self.windows_full = 0
        self.half_open = self.connections_limit = 0
        self.intake_works = self.intake_bytes = self.intake_limit = 0
        self.accounts = self.devices = self.mailboxes_full = 0
        self.store_bytes = self.log_bytes = self.free_bytes = 0
        self.disk_left_bytes = self.disk_bytes = 0
        self.clock_behind_ms = self.wall_ms = self.started_ms = 0
        self.key_end_ms = self.backup_finished_ms = 0
        self.ready = 0


def folded(counts: Counter[int] | Counter[str], known: Iterable[tuple[object, str]]) -> dict[str, int]:
    """Return label -> count for the known keys, zeros too, and everything else together as ``other``."""
    by_key: dict[object, int] = dict(counts.items())
    named = {label: by_key.pop(key, 0) for key, label in known}
    named["other"] = sum(by_key.values())
    return named
