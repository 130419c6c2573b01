"""What the pages for operators tell people to type: run here against a relay, or listed below as run by hand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from relayd.config import Config
from relayproto.limits import LIFETIME_S_MAX
from support.office import come
from support.processes import RelayProcess, a_relay, environment
from support.tree import ROOT

OPERATING = ROOT / "docs" / "operating"
RUNS = ("relayd ", "curl ", "date ", "umask ", "mkdir ", "cd ", "sha256sum ")
BY_HAND = {
    "hardening.md": {
        "systemd-analyze security relayd.service", "ss -ltn", "systemctl edit relayd.socket", "systemctl daemon-reload",
        "systemctl restart relayd.socket relayd.service",
    },
    "sizing.md": set(),
    "incidents.md": {
        "journalctl -u 'relayd*' -o json --since -30d > journal.json",
        "journalctl _COMM=sshd + _COMM=sudo -o json --since -30d > logins.json", "last -F > last.txt",
        "relay audit export incident.jsonl",
        "relay audit verify incident.jsonl --checkpoints /mnt/elsewhere/checkpoints-2027-03.jsonl",
    },
    "india.md": {
        "apt-get install -y chrony",
        "echo 'server samay1.nic.in iburst' > /etc/chrony/sources.d/national.sources", "systemctl restart chrony",
        "chronyc tracking", "mkdir -p /etc/systemd/journald.conf.d",
        (
            "printf '[Journal]\\nStorage=persistent\\nMaxRetentionSec=400day\\nSystemMaxUse=4G\\n'"
            " > /etc/systemd/journald.conf.d/keep.conf"
        ),
        "systemctl restart systemd-journald", "journalctl --disk-usage",
    },
    "monitoring.md": {
        "apt-get install -y prometheus",
        "install -m 644 dashboards/prometheus/relayd.rules.yml /etc/prometheus/",
        "promtool check config /etc/prometheus/prometheus.yml", "systemctl reload prometheus",
    },
}  # fmt: skip
"""Page -> the lines that a test can't run, since they change or ask the machine itself, or need a person."""
FUNCTIONS = """\
set -euo pipefail
relayd() { local verb=$1; shift; "$PYTHON" -m relayd.main "$verb" --state "$STATE" "$@"; }
"""


def typed(page: str) -> list[str]:
    """Return the lines of a page's shell blocks."""
    text = (OPERATING / page).read_text("utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


def run(page: str, relay: RelayProcess, place: Path) -> str:
    """Run what a page has to be typed, but for what is done by hand, in ``place``; return what it printed."""
    script = "\n".join(line for line in typed(page) if line not in BY_HAND[page])
    script = script.replace("/root/incident", str(place / "incident")).replace(":9443", f":{relay.operations}")
    done = subprocess.run(
        ["bash", "-c", FUNCTIONS + script], cwd=place, capture_output=True, text=True, timeout=60, check=False,
        env={**environment(place), "PYTHON": sys.executable, "STATE": str(relay.state)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", BY_HAND)
def test_each_line_is_run_here_or_listed_as_run_by_hand(page: str) -> None:
    lines = typed(page)

    assert BY_HAND[page] <= set(lines)
    assert [line for line in lines if line not in BY_HAND[page] and not line.startswith(RUNS)] == []
    assert "by hand" in (OPERATING / page).read_text("utf-8").lower()


def test_what_is_to_be_typed_for_hardening_and_sizing_and_india_works(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        assert "is good, and so are the keys" in run("hardening.md", relay, tmp_path)
        sized = run("sizing.md", relay, tmp_path)
        assert len(re.findall(r"^(?:relayd|process)_\w+ \d\S*$", sized, re.MULTILINE)) == 4
        assert '"retention_days"' in run("india.md", relay, tmp_path)


async def test_what_is_kept_of_an_incident_is_whole_and_names_nobody(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        [alice] = await come(relay, "alice")
        line, _ = await alice.login()

        run("incidents.md", relay, tmp_path)

        await line.close()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "incident").iterdir()}
    secret = [path.read_bytes() for path in (relay.state / "keys").iterdir() if path.suffix == ".key"]
    assert kept.keys() == {
        "began", "status.json", "connections.json", "metrics.txt", "selfcheck.json", "configuration.json",
        "verify.json", "SHA256SUMS",
    }  # fmt: skip
    assert kept["SHA256SUMS"].count(b"\n") == len(kept) - 1
    assert all(kept.values())
    assert secret
    for named in (b"alice", b"office.example", alice.person.account.hex().encode(), *secret):
        assert not [name for name, text in kept.items() if named in text or named.hex().encode() in text]
    assert all((tmp_path / "incident" / name).stat().st_mode & 0o077 == 0 for name in kept)


def test_the_periods_on_the_page_for_india_are_the_programs() -> None:
    page, config = (OPERATING / "india.md").read_text("utf-8"), Config()
    day_s = 86_400

    assert f"`audit.retention_days`, {config.audit.retention_days} by default" in page
    assert f"| the audit log | {config.audit.retention_days} days |" in page
    assert f"`tracing.retention_days`, {config.tracing.retention_days} by default" in page
    assert f"| stamps and reports, for the two moderators | {config.tracing.retention_days} days |" in page
    assert f"{min(LIFETIME_S_MAX.values())} s to {max(LIFETIME_S_MAX.values()) // day_s} days" in page
