"""What is installed beside the program: the sample is the program's own, and the units keep their promises."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from relayd.app import DEVICES, OPERATIONS
from relayd.exits import Exit
from relayd.sample import sample
from support.tree import ROOT

SYSTEMD = ROOT / "systemd"
UNITS = (
    "relayd.service", "relayd.socket", "relayd-operations.socket", "relayd-backup.service", "relayd-backup.timer",
    "relayd-closed.service",
)  # fmt: skip
OPEN = {"RootDirectory=/RootImage=", "RestrictAddressFamilies=~AF_UNIX", "DeviceAllow="}
"""What stays open, by systemd's names; the unit says why beside each."""
EXPOSURE_MAX = 0.2
SANDBOX = (
    "Protect", "Private", "Restrict", "Lock", "NoNew", "Capability", "Ambient", "Secure", "Memory", "SystemCall",
    "IPAddress", "Device", "Limit", "Keyring", "UMask",
)  # fmt: skip


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return copies of the units that call a program which exists here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    for name in UNITS:
        text = (SYSTEMD / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/opt/relayd/bin/relayd", "/bin/true"), encoding="utf-8")
    return tmp_path


def test_the_sample_is_what_the_program_prints() -> None:
    assert (SYSTEMD / "relayd.toml").read_text(encoding="utf-8") == sample()


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(units / name for name in UNITS)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("unit", "more"), [("relayd.service", set()), ("relayd-backup.service", {"RemoveIPC="})])
def test_a_service_is_as_closed_as_the_design_says(units: Path, unit: str, more: set[str]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", units / unit],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX
    assert set(re.findall(r"^✗ (\S+)", done.stdout, re.MULTILINE)) == OPEN | more


def test_each_line_that_stays_open_has_its_reason() -> None:
    for unit in ("relayd.service", "relayd-backup.service"):
        text = (SYSTEMD / unit).read_text(encoding="utf-8")
        assert re.search(r"^# AF_UNIX stays open: .*\n(#.*\n)*RestrictAddressFamilies=AF_UNIX$", text, re.MULTILINE), (
            unit
        )
    service = (SYSTEMD / "relayd.service").read_text(encoding="utf-8")
    assert re.search(r"^# RootDirectory=/RootImage= are not used: ", service, re.MULTILINE)
    assert re.search(r"^# This one allows reading char-rtc.*\nProtectClock=yes$", service, re.MULTILINE)


def test_the_two_services_are_closed_alike() -> None:
    """A line that is added to one sandbox and forgotten in the other is found here."""

    def sandbox(unit: str) -> set[str]:
        lines = (SYSTEMD / unit).read_text(encoding="utf-8").splitlines()
        return {line for line in lines if line.startswith(SANDBOX)}

    ours = {"LimitNOFILE=1048576", "MemoryHigh=70%", "MemoryMax=80%"}
    assert sandbox("relayd.service") - sandbox("relayd-backup.service") == ours
    assert sandbox("relayd-backup.service") <= sandbox("relayd.service")


def test_a_restart_does_not_follow_what_a_restart_cannot_cure() -> None:
    unit = (SYSTEMD / "relayd.service").read_text(encoding="utf-8")

    assert f"RestartPreventExitStatus={Exit.FATAL.value} {Exit.CONFIG.value}\n" in unit


def test_the_sockets_have_the_names_that_the_program_looks_for() -> None:
    assert f"FileDescriptorName={DEVICES}\n" in (SYSTEMD / "relayd.socket").read_text(encoding="utf-8")
    assert f"FileDescriptorName={OPERATIONS}\n" in (SYSTEMD / "relayd-operations.socket").read_text(encoding="utf-8")
