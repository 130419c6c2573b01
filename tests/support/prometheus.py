"""Debian's prometheus and promtool: where they lie, and a Prometheus of a test's own over the loopback."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.processes import free_ports, running, until

UNPACKED = Path(sys.prefix) / "prometheus" / "usr" / "bin"
"""Where make env unpacks Debian's packages."""
READY_TIMEOUT_S = 30.0


def program(name: str) -> str:
    """Return the path of a program; where it is missing the test is skipped, in CI it fails."""
    found = shutil.which(name, path=os.pathsep.join((str(UNPACKED), os.environ.get("PATH", ""))))
    if found is None:
        reason = f"{name} is missing; make env unpacks Debian's package on Debian"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    return found


def promtool(*arguments: object, stdin: bytes = b"") -> str:
    """Run promtool and return what it says; fail with its own words."""
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus; ``every_s``: how often it looks."""

    port: int
    place: Path
    every_s: float
    process: subprocess.Popen[bytes]

    def ask(self, path: str, **arguments: object) -> Any:
        """Return the data of an answer of the HTTP API; its own words in an AssertionError where it refuses."""
        asked = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{arguments}: {error.read().decode()}") from None

    def values(self, expr: str) -> list[float]:
        """Return the values of an instant query."""
        result = self.ask("query", query=expr)["result"]
        return [float(series["value"][1]) for series in result]

    def firing(self) -> set[tuple[str, str]]:
        """Return the alerts that fire now, each with the instance that it is about, empty where it is about none."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""))
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def look_at(self, targets: dict[str, int]) -> None:
        """Scrape other ``targets`` (instance -> port) from now on."""
        _configure(self.place, targets, self.every_s)
        self.process.send_signal(signal.SIGHUP)


def _configure(place: Path, targets: dict[str, int], every_s: float) -> None:
    every = f"{round(every_s * 1000)}ms"
    jobs = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": instance}} for instance, port in targets.items()]
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "relayd", "static_configs": jobs}],
    }
    (place / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")


@contextlib.contextmanager
def a_prometheus(
    place: Path, targets: dict[str, int], rules: dict[str, Any], *, every_s: float = 1.0
) -> Iterator[Prometheus]:
    """Scrape ``targets`` (instance -> port) every so often, and look at the rules as often, for the block."""
    place.mkdir()
    (place / "rules.yml").write_text(yaml.safe_dump(rules), "utf-8")
    _configure(place, targets, every_s)
    [port] = free_ports(1)
    argv = [
        program("prometheus"), f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", "--storage.tsdb.retention.time=1h",
    ]  # fmt: skip

    def ready() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
            return True
        return False

    with running(argv, place, out=place / "out", err=place / "err") as process:
        until(lambda: ready() or process.poll() is not None, READY_TIMEOUT_S)
        assert process.poll() is None, (place / "err").read_text("utf-8")
        yield Prometheus(port, place, every_s, process)
