"""The five dashboards: what an operator looks at, in the order of the questions.

The rule of this file: the overview answers one question, and every metric of relayd is on a board or in ``NOT_SHOWN``
with the reason; a test compares.
"""

from typing import Final

from dashboards.panels import Board, Graph, Heat, Number, Query
from dashboards.queries import added, clock_off, days_left, in_time, of, quantile, rate, series, taken, total

_SHARES: Final = ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))

NOT_SHOWN: Final = {
    "relayd_lifetime_seconds": "a setting; the rule RelaydOldestUndelivered compares with it",
    "python_gc_objects_collected_total": "says nothing to an operator",
    "python_gc_objects_uncollectable_total": "says nothing to an operator",
    "process_virtual_memory_bytes": "address space is free; resident memory is shown",
    "process_start_time_seconds": "wrong in the sandbox, where /proc/stat is hidden; relayd_started_timestamp_seconds",
}
"""Metric -> why it is on no dashboard."""


def _spread(histogram: str) -> tuple[Query, ...]:
    return tuple(Query(legend, quantile(share, histogram)) for share, legend in _SHARES)


def _heat(histogram: str) -> Query:
    return Query("{{le}}", total(f"{histogram}_bucket", by="le"))


OVERVIEW: Final = Board(
    "relayd-overview", "relayd: are people getting their messages?",
    "Green means yes. Each figure leads to the dashboard that explains it.",
    (
        ("Are people getting their messages?", (
            Number("Delivered in 10 s", "percentunit",
                   "Of what came for connected devices in the last hour. 99.9 % is the goal.",
                   Query("", in_time("1h")), (0.999, 0.99), "nobody writes"),
            Number("Taken in", "percentunit",
                   "Of what devices sent in the last hour; the rest was told to come back for the relay's sake.",
                   Query("", taken("1h")), (0.999, 0.99), "nobody writes"),
            Number("Oldest call or code", "s",
                   "Calls ring for a minute, codes are good for fifteen: what is older stays for want of a sweep.",
                   Query("", "max(" + series("relayd_queue_oldest_seconds", 'class=~"call|otp"') + ")"), (900, 1_200)),
            Number("Connected", "short", "Connections that are open now.",
                   Query("", added("relayd_connections"))),
            Number("Relays ready", "percentunit", "All of them, or people wait.",
                   Query("", f"avg({series('relayd_ready')})"), (1, 0.99)),
            Number("Alerts", "short", "That fire now; each has its page in the runbooks.",
                   Query("", 'sum(ALERTS{alertname=~"Relayd.+",alertstate="firing"}) or vector(0)'), (1, 2)),
        )),
        ("The way of the messages", (
            Graph("Messages a second", "cps",
                  "What is stored goes out again. Delivered counts repeats; acknowledged is what has arrived.",
                  (Query("stored", total("relayd_submission_targets_total", 'code="stored"')),
                   Query("delivered", total("relayd_delivered_total")),
                   Query("acknowledged", total("relayd_acknowledged_total")),
                   Query("expired", total("relayd_expired_total"))), 12),
            Graph("How long a connected person waits", "s",
                  "From stored to acknowledged, of messages that came while the device was connected.",
                  _spread("relayd_acknowledge_connected_seconds"), 12),
            Graph("Waiting", "short", "Messages in the queue; people on leave make it grow, that is what it is for.",
                  (Query("in the queue", added("relayd_queue_messages")),
                   Query("written, not acknowledged", added("relayd_unacknowledged")))),
            Graph("Not taken and refused, a second", "cps", "Nothing is good; busy, disk, unavailable are the relay's.",
                  (Query("not taken: {{code}}",
                         total("relayd_not_taken_total", by="code")),
                   Query("refused", total("relayd_refused_total")))),
            Graph("Oldest that waits", "s", "By class. A chat may wait a month for its device.",
                  (Query("{{class}}", f"max by (class) ({series('relayd_queue_oldest_seconds')})"),)),
        )),
        ("What it stands on", (
            Number("Disk full in", "d", "If it goes on as in the last six hours; a year: or more, or not half full.",
                   Query("", f"min({days_left()})"), (14, 4)),
            Number("Last backup", "s", "How long ago it was finished; - is never.",
                   Query("", f"time() - min({series('relayd_backup_finished_timestamp_seconds')} > 0)"),
                   (93_600, 180_000), "never"),
            Number("Relay key ends in", "s", "The offline root signs the next one before this is a month.",
                   Query("", f"min({series('relayd_relay_key_end_timestamp_seconds')}) - time()"),
                   (2_592_000, 604_800)),
            Number("Clock off by", "s", "Against Prometheus' own, and what the relay itself has noticed.",
                   Query("", f"max(abs({clock_off()}))"),
                   (2, 5)),
            Number("Slowest loop", "s", "99 % of the looks at the event loop found it less late than this.",
                   Query("", quantile(0.99, "relayd_event_loop_lag_seconds")), (0.1, 0.5)),
            Number("Bugs met", "short", "In the last day; each has an incident in the log.",
                   Query("", f"sum(increase({series('relayd_internal_errors_total')}[1d]))"), (1, 2)),
        )),
    ),
)  # fmt: skip

DELIVERY: Final = Board(
    "relayd-delivery", "relayd: delivery", "From what devices send to what other devices have acknowledged.",
    (
        ("In", (
            Graph("Submissions, by what was recorded", "cps", "stored is good; not_available and mismatched_devices "
                  "are devices that learn; over_quota is a mailbox that nobody empties.",
                  (Query("{{code}}", total("relayd_submission_targets_total", by="code")),)),
            Graph("Not taken, by reason", "cps", "Devices keep these and try again.",
                  (Query("{{code}}", total("relayd_not_taken_total", by="code")),)),
            Graph("Mailboxes that are full", "short", "Counted every five minutes.",
                  (Query("full", added("relayd_mailboxes_full")),)),
        )),
        ("Out", (
            Heat("Stored to acknowledged, device connected", "s", "Most below a second.",
                 _heat("relayd_acknowledge_connected_seconds")),
            Graph("Stored to acknowledged, device was away", "s", "How long people are away.",
                  _spread("relayd_acknowledge_away_seconds")),
            Graph("Delivered and acknowledged", "cps", "Delivered is more where connections break: that is repeated.",
                  (Query("delivered", total("relayd_delivered_total")),
                   Query("acknowledged", total("relayd_acknowledged_total")))),
            Graph("Written and not acknowledged", "short", "Falls to near nothing; what stays is devices that sleep.",
                  (Query("messages", added("relayd_unacknowledged")),
                   Query("devices that owe", added("relayd_devices_owing")))),
            Graph("Devices that take nothing", "short", "Connected, with something waiting and no credit; after two "
                  "minutes the connection ends and counts as stalled.",
                  (Query("now", added("relayd_windows_full")),
                   Query("stalled a second", total("relayd_stalled_total")))),
            Graph("Outcomes told to senders", "cps", "delivered is what people hope for.",
                  (Query("{{result}}", total("relayd_outcomes_total", by="result")),)),
        )),
        ("The queue", (
            Graph("Oldest that waits", "s", "By class.",
                  (Query("{{class}}", f"max by (class) ({series('relayd_queue_oldest_seconds')})"),)),
            Graph("In the queue", "short", "Envelopes and outcomes.",
                  (Query("envelopes", added("relayd_queue_messages")),
                   Query("outcomes", added("relayd_queue_outcomes")))),
            Graph("Bytes in the queue", "bytes", "Of envelopes.",
                  (Query("bytes", added("relayd_queue_bytes")),)),
            Graph("Expired", "cps", "Nobody fetched them in time.", (Query("expired", total("relayd_expired_total")),)),
            Graph("Over and not yet removed", "short", "The sweep removes 500 in a pass; a hill after a quiet night is "
                  "well, a plateau is not.", (Query("rows", added("relayd_expiry_backlog")),)),
            Graph("Gaps told to devices", "cps", "Numbers of a lane that will not come, by reason.",
                  (Query("{{reason}}", total("relayd_gaps_total", by="reason")),)),
        )),
    ),
)  # fmt: skip

STORAGE: Final = Board(
    "relayd-storage", "relayd: storage", "The database, the disk under it, and the copies of it.",
    (
        ("Transactions", (
            Heat("Time of a transaction", "s", "With its sync; a millisecond on a good disk.",
                 _heat("relayd_commit_seconds")),
            Graph("Time of a transaction", "s", "What half, 95 and 99 per cent are below.",
                  _spread("relayd_commit_seconds")),
            Graph("Transactions a second", "cps", "An idle relay proves one every five seconds.",
                  (Query("synced", total("relayd_commits_total")),)),
            Graph("Works in one transaction", "short", "Grows with the load; that is how it keeps up.",
                  _spread("relayd_commit_works")),
            Graph("Waiting for the next transaction", "short", "The intake; the fuller, the less for each device.",
                  (Query("works", added("relayd_intake_works")),
                   Query("full at", added("relayd_intake_works_limit")))),
            Graph("Bytes waiting for it", "bytes", "", (Query("bytes", added("relayd_intake_bytes")),)),
            Graph("Transactions that failed", "cps", "Nothing is good.",
                  (Query("{{failure}}", total("relayd_commit_failures_total", by="failure")),
                   Query("probe not back in time", total("relayd_probe_failures_total")))),
        )),
        ("The disk", (
            Graph("Room", "bytes", "Left, and what there is at all.",
                  (Query("left", series("relayd_disk_left_bytes")), Query("size", series("relayd_disk_bytes")))),
            Graph("Full in days", "d", "If it goes on as in the last six hours; a year: or more, or not half full.",
                  (Query("{{instance}}", days_left()),)),
            Graph("Used", "percentunit", "At 92 % submissions are refused.",
                  (Query("used", series("relayd_disk_used_ratio")),
                   Query("refusing", series("relayd_disk_refusing")))),
            Graph("The database", "bytes", "Free pages are inside the file and used first.",
                  (Query("file", series("relayd_store_bytes")), Query("log", series("relayd_store_log_bytes")),
                   Query("free in the file", series("relayd_store_free_bytes")))),
            Graph("Ballast", "bytes", "Nothing: the disk was full and the ballast was released.",
                  (Query("bytes", series("relayd_ballast_bytes")),)),
        )),
        ("Copies", (
            Graph("Since the last backup", "s", "A saw with the teeth of the timer.",
                  (Query("{{instance}}", f"time() - ({series('relayd_backup_finished_timestamp_seconds')} > 0)"),)),
            Graph("Starts from an older copy", "short", "Each gives every mailbox a new epoch.",
                  (Query("restores", series("relayd_restores_total")),)),
        )),
    ),
)  # fmt: skip

CONNECTIONS: Final = Board(
    "relayd-connections", "relayd: connections and security", "Who comes, who is turned away, and what may be wrong.",
    (
        ("Connections", (
            Graph("Open", "short", "half-open: have not shown who they are.",
                  (Query("open", added("relayd_connections")),
                   Query("half-open", added("relayd_connections_half_open")))),
            Graph("New connections", "cps", "After a restart all come back.",
                  (Query("accepted", total("relayd_connections_accepted_total")),)),
            Graph("How they ended", "cps", "By the code of the last frame; eof: without one.",
                  (Query("{{code}}", total("relayd_connections_closed_total", by="code")),)),
            Graph("Ended for a reason of the network's", "cps", "A newer one came; did not read; took nothing.",
                  (Query("superseded", total("relayd_takeovers_total")),
                   Query("did not read", total("relayd_write_aborts_total")),
                   Query("took nothing", total("relayd_stalled_total")))),
        )),
        ("Who is turned away", (
            Graph("Refused before the handshake", "cps", "By the limit that they met.",
                  (Query("{{limit}}", total("relayd_connections_refused_total", by="limit")),)),
            Graph("Handshakes", "cps", "Failures by reason; eof: somebody hung up.",
                  (Query("good", total("relayd_handshakes_total")),
                   Query("failed: {{reason}}", total("relayd_handshakes_failed_total", by="reason")))),
            Graph("Commands refused", "cps", "By code.",
                  (Query("{{code}}", total("relayd_refused_total", by="code")),)),
        )),
        ("Accounts and keys", (
            Graph("Accounts and devices", "short", "Counted every five minutes.",
                  (Query("accounts", added("relayd_accounts")),
                   Query("devices", added("relayd_devices")))),
            Graph("Codes and registrations", "cps", "Of people who were not invited, by what came of them.",
                  (Query("codes {{result}}", total("relayd_codes_total", by="result")),
                   Query("registrations {{result}}", total("relayd_registrations_total", by="result")))),
            Graph("Enrolled, reported", "cps", "",
                  (Query("enrolled", total("relayd_accounts_enrolled_total")),
                   Query("reports", total("relayd_reports_total")),
                   Query("broken glass", total("relayd_break_glass_total")))),
            Graph("Acts of officers and operators", "cps", "By what became of them. denied many times: somebody tries "
                  "what he may not, or has a stolen device; the audit log says who.",
                  (Query("{{result}}", total("relayd_acts_total", by="result")),)),
            Graph("Prekeys handed out", "cps", "Last resort: a device has not topped up, or somebody drains it.",
                  (Query("one-time", total("relayd_prekeys_handed_out_total")),
                   Query("last resort", total("relayd_last_resort_handed_out_total")))),
            Graph("Checkpoints that wait", "short", "Of the audit log, for the unit that carries them outside.",
                  (Query("{{instance}}", series("relayd_checkpoints_waiting")),)),
            Graph("Relay key ends in", "s", "The offline root signs the next one before this is a month.",
                  (Query("{{instance}}", f"{series('relayd_relay_key_end_timestamp_seconds')} - time()"),)),
        )),
        ("The clock and our own mistakes", (
            Graph("Clock", "s", "Ahead and behind are turns that the relay noticed; off is against Prometheus' own.",
                  (Query("ahead", series("relayd_clock_ahead_seconds")),
                   Query("behind", series("relayd_clock_behind_seconds")),
                   Query("off", clock_off())), signed=True),
            Graph("Bugs met", "cps", "Each has an incident in the log.",
                  (Query("internal errors", total("relayd_internal_errors_total")),)),
        )),
    ),
)  # fmt: skip

CAPACITY: Final = Board(
    "relayd-capacity", "relayd: capacity", "How much is left of what can run out.",
    (
        ("What can run out", (
            Number("Processor", "percentunit", "Of one core; the relay uses one and a bit.",
                   Query("", f"max({rate('process_cpu_seconds_total')})"), (0.6, 0.8)),
            Number("Connections", "percentunit", "Of what is let in.",
                   Query("", of("relayd_connections", "relayd_connections_limit")), (0.7, 0.9)),
            Number("File descriptors", "percentunit", "Of what the process may open.",
                   Query("", of("process_open_fds", "process_max_fds")), (0.7, 0.9)),
            Number("Intake", "percentunit", "Of what may wait for a transaction.",
                   Query("", of("relayd_intake_works", "relayd_intake_works_limit")), (0.5, 0.8)),
            Number("Disk", "percentunit", "Used.", Query("", f"max({series('relayd_disk_used_ratio')})"), (0.8, 0.9)),
            Number("Running for", "s", "Since the last start.",
                   Query("", f"time() - max({series('relayd_started_timestamp_seconds')})")),
        )),
        ("The process", (
            Graph("Processor", "percentunit", "Of one core.",
                  (Query("{{instance}}", rate("process_cpu_seconds_total")),)),
            Graph("Memory", "bytes", "Resident.", (Query("{{instance}}", series("process_resident_memory_bytes")),)),
            Graph("How late the event loop is", "s", "Above a tenth of a second people notice.",
                  _spread("relayd_event_loop_lag_seconds")),
            Graph("File descriptors", "short", "",
                  (Query("open", series("process_open_fds")), Query("allowed", series("process_max_fds")))),
            Graph("Looks that found no descriptor left", "cps", "Nothing is good.",
                  (Query("none left", total("relayd_descriptors_exhausted_total")),)),
            Graph("Garbage collections", "cps", "By generation.",
                  (Query("{{generation}}", total("python_gc_collections_total", by="generation")),)),
        )),
        ("The load", (
            Graph("Bytes", "Bps", "With devices.",
                  (Query("received", total("relayd_received_bytes_total")),
                   Query("sent", total("relayd_sent_bytes_total")))),
            Graph("Frames", "cps", "",
                  (Query("received", total("relayd_frames_received_total")),
                   Query("sent", total("relayd_frames_sent_total")))),
            Graph("Growth of the queue", "Bps", "Above nothing for days: people are away, or the disk fills.",
                  (Query("bytes a second", f"sum(deriv({series('relayd_queue_bytes')}[1h]))"),), signed=True),
            Graph("Versions", "short", "Relays by version.",
                  (Query("{{version}}", f"count by (version) ({series('relayd_build_info')})"),)),
        )),
    ),
)  # fmt: skip

BOARDS: Final = (OVERVIEW, DELIVERY, STORAGE, CONNECTIONS, CAPACITY)
