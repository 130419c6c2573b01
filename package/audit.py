"""Ask a public database whether anything that is locked has a known vulnerability: ``make audit``.

The lock files enter; what was found leaves, and an exit status: 1 where a vulnerability is known, 0 where none is, also
where nobody could be asked: that is told in capitals, and is no reason to stop work where there is no network. The rule
of this file: what was not looked up never counts as clean.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tools import ROOT

LOCKS: Final = tuple(ROOT / "package" / name for name in ("requirements.lock", "build.lock", "development.lock"))
"""What is shipped, what makes the wheel, and what tests and checks."""
SERVICES: Final = ("osv", "pypi")
"""OSV has what the package index has and more; the index is asked where OSV can't be reached."""
TIMEOUT_S: Final = 60
"""Of one lock at one service: a hundred questions take a few seconds."""
_WAIT_S: Final = 15


@dataclass
class Audit:
    """What came of one lock: vulnerabilities as lines, how many were looked up, and what was not."""

    found: list[str] = field(default_factory=list)
    looked_up: int = 0
    missed: list[str] = field(default_factory=list)


def read(report: dict[str, Any]) -> Audit:
    """Return what a report of pip-audit says."""
    audit = Audit()
    for each in report["dependencies"]:
        if "skip_reason" in each:
            audit.missed.append(str(each["name"]))
            continue
        audit.looked_up += 1
        for one in each["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "nothing yet"
            names = ", ".join([one["id"], *one["aliases"]])
            audit.found.append(f"{each['name']} {each['version']}: {names}; fixed in {fixed}")
    return audit


def ask(lock: Path, service: str) -> Audit | None:
    """Return what a service says of a lock, None where it could not be asked."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        command = (
            sys.executable, "-m", "pip_audit", "--requirement", lock, "--disable-pip", "--require-hashes",
            "--vulnerability-service", service, "--format", "json", "--output", report, "--progress-spinner", "off",
            "--timeout", str(_WAIT_S),
        )  # fmt: skip
        try:
            subprocess.run([str(part) for part in command], capture_output=True, timeout=TIMEOUT_S, check=False)
            said = json.loads(report.read_text("utf-8"))
        except (subprocess.TimeoutExpired, OSError, ValueError):
            return None
    audit = read(said)
    return audit if audit.looked_up else None


def main() -> int:
    """Audit every lock and say what came of it."""
    status, services = 0, list(SERVICES)
    for lock in LOCKS:
        name = lock.relative_to(ROOT)
        audit = None
        while services and (audit := ask(lock, services[0])) is None:
            del services[0]  # not asked again: where nobody answers, each question would wait
        if audit is None:
            sys.stderr.write(f"{name}: NOT AUDITED, no database of vulnerabilities could be reached\n")
            continue
        if audit.missed:
            sys.stderr.write(f"{name}: NOT AUDITED, unknown to the database: {', '.join(audit.missed)}\n")
        for line in audit.found:
            sys.stderr.write(f"{name}: VULNERABLE, {line}\n")
        status |= bool(audit.found)
        if not audit.found:
            sys.stdout.write(f"{name}: {audit.looked_up} looked up, no known vulnerability\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
