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
UNITS = ("relayd.service", "relayd.socket", "relayd-operations.socket")
EXPOSURE_MAX = 0.2


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


def test_the_service_is_as_closed_as_the_design_says(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", units / "relayd.service"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    exposure = re.search(r"Overall exposure level for relayd\.service: ([0-9.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


def test_a_restart_does_not_follow_what_a_restart_cannot_cure() -> None:
    unit = (SYSTEMD / "relayd.service").read_text(encoding="utf-8")

    assert f"RestartPreventExitStatus={Exit.FATAL.value} {Exit.CONFIG.value}\n" in unit


def test_the_sockets_have_the_names_that_the_program_looks_for() -> None:
    assert f"FileDescriptorName={DEVICES}\n" in (SYSTEMD / "relayd.socket").read_text(encoding="utf-8")
    assert f"FileDescriptorName={OPERATIONS}\n" in (SYSTEMD / "relayd-operations.socket").read_text(encoding="utf-8")
