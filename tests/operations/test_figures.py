"""What a relay that was just started tells of itself, and of a backup that is finished while it runs."""

import json
import re
import time
from pathlib import Path

from relayd import observe
from relayd.backups import making
from relayd.observe import STAMP
from support.processes import RelayProcess, a_relay, until


def figure(relay: RelayProcess, name: str) -> float:
    [value] = re.findall(rf"^{re.escape(name)} (\S+)$", relay.page("/metrics")[1].decode(), re.MULTILINE)
    return float(value)


def test_a_relay_that_was_just_started_tells_its_limits_its_times_and_its_room(tmp_path: Path) -> None:
    began = time.time()
    with a_relay(tmp_path / "relay") as relay:
        until(lambda: figure(relay, "relayd_store_bytes") > 0, 20)

        assert began - 1 < figure(relay, "relayd_started_timestamp_seconds") <= time.time()
        assert abs(figure(relay, "relayd_wall_time_seconds") - time.time()) < 5
        assert figure(relay, "relayd_relay_key_end_timestamp_seconds") > time.time() + 30 * 86_400
        assert figure(relay, "relayd_ready") == 1
        assert figure(relay, "relayd_connections_limit") > 0
        assert figure(relay, "relayd_intake_works_limit") > 0
        assert figure(relay, 'relayd_lifetime_seconds{class="chat"}') == 30 * 86_400
        assert 0 < figure(relay, "relayd_disk_left_bytes") < figure(relay, "relayd_disk_bytes")
        assert figure(relay, "relayd_store_log_bytes") > 0
        assert figure(relay, "relayd_clock_behind_seconds") == 0


def test_a_backup_that_is_finished_is_seen_at_the_next_look(tmp_path: Path) -> None:
    name, within_s = "relayd_backup_finished_timestamp_seconds", observe.LOOK_EVERY_S + 20
    with a_relay(tmp_path / "relay") as relay:
        before = figure(relay, name)

        (relay.state / STAMP).write_text(json.dumps({"finished_ms": 1_790_000_000_000}), "utf-8")

        until(lambda: figure(relay, name) == 1_790_000_000, within_s)
        assert before == 0


def test_the_backup_writes_the_stamp_that_the_relay_reads() -> None:
    assert making.FINISHED == STAMP
