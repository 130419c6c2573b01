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
    "relayd-closed.service", "relayd-carrier.service", "relayd-carrier.socket", "relayd-resolver.service",
    "relayd-resolver.socket", "relayd-code-sender.service", "relayd-code-sender.socket",
)  # fmt: skip
OPEN = {"RootDirectory=/RootImage=", "RestrictAddressFamilies=~AF_UNIX", "DeviceAllow="}
"""What stays open, by systemd's names; the unit says why beside each."""
EXPOSURE_MAX = 0.2
NETWORK_OPEN = {"RestrictAddressFamilies=~AF_(INET|INET6)": 0.3, "PrivateNetwork=": 0.5, "IPAddressDeny=": 0.1}
"""What the network costs that these are there for: to addresses of this machine alone."""
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


@pytest.mark.parametrize(
    ("unit", "more"),
    [
        ("relayd.service", {}), ("relayd-backup.service", {"RemoveIPC=": 0.0}), ("relayd-carrier.service", {}),
        ("relayd-resolver.service", NETWORK_OPEN), ("relayd-code-sender.service", NETWORK_OPEN),
    ],
)  # fmt: skip
def test_a_service_is_as_closed_as_the_design_says(units: Path, unit: str, more: dict[str, float]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", units / unit],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX + sum(more.values())
    assert set(re.findall(r"^✗ (\S+)", done.stdout, re.MULTILINE)) == OPEN | more.keys()


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


@pytest.mark.parametrize("name", ["carrier", "resolver", "code-sender"])
def test_a_unit_outside_is_the_relays_alone_and_reaches_none_of_its_keys(name: str) -> None:
    service = (SYSTEMD / f"relayd-{name}.service").read_text(encoding="utf-8")
    socket = (SYSTEMD / f"relayd-{name}.socket").read_text(encoding="utf-8")

    assert f"ListenStream=/run/relayd/{name}.sock\n" in socket
    assert "SocketUser=relayd\nSocketMode=0600\n" in socket
    assert "InaccessiblePaths=-/var/lib/relayd -/etc/relayd -/var/backups/relayd\n" in service
    assert re.search(r"^(User=relayd|ImportCredential=.*)$", service, re.MULTILINE) is None
    assert re.search(r"^(DynamicUser=yes|User=relayd-carrier)$", service, re.MULTILINE) is not None


@pytest.mark.parametrize("unit", ["relayd-carrier.service", "relayd-resolver.service", "relayd-code-sender.service"])
def test_what_a_unit_outside_may_beyond_the_relay_has_its_reason_beside_it(unit: str) -> None:
    relay = (SYSTEMD / "relayd.service").read_text(encoding="utf-8").splitlines()
    lines = (SYSTEMD / unit).read_text(encoding="utf-8").splitlines()
    rights = ("RestrictAddressFamilies=", "IPAddressAllow=", "ReadWritePaths=", "DynamicUser=", "User=", "ExecStart=")
    own = [number for number, line in enumerate(lines) if line.startswith(rights) and line not in relay]

    assert len(own) >= 3
    for number in own:
        above = [line for line in lines[:number] if not line.startswith("IPAddressDeny=")]
        assert above[-1].startswith("# "), lines[number]


def test_of_the_network_a_unit_has_this_machine_or_nothing() -> None:
    resolver, sender, carrier = (
        (SYSTEMD / f"relayd-{name}.service").read_text("utf-8") for name in ("resolver", "code-sender", "carrier")
    )

    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in resolver
    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in sender
    assert "PrivateNetwork=yes\nIPAddressDeny=any\n" in carrier


def test_without_a_mount_nobody_says_that_a_checkpoint_is_outside() -> None:
    socket = (SYSTEMD / "relayd-carrier.socket").read_text("utf-8")

    assert "ConditionPathIsMountPoint=/var/lib/relayd-carrier\n" in socket
