"""A Debian of the test's own, booted beside the tests: this machine's /usr under a root that is thrown away.

The container has its own systemd, users, network and processes (systemd-nspawn(1)). Its root lies in a tmpfs that only
the container's own mount namespace sees, and an overlay keeps this machine's /usr from being written to: when the
container ends, nothing of it is left. What cannot be had is told by ``missing``, so that a test can skip and say why.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import until

SYSTEMD_MIN = 257
"""What the package depends on."""
BOOT_TIMEOUT_S = 60.0
_LAY_OUT = """
set -e
root=$1; packages=$2
mount -t tmpfs -o size=4g,mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc var/lib var/log var/cache opt root tmp run proc sys dev home srv mnt packages
mkdir -p .overlay/upper .overlay/work
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$root/.overlay/upper,workdir=$root/.overlay/work" usr
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
for name in passwd group shadow gshadow nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d alternatives pam.d \
    login.defs debian_version security; do
    [ ! -e "/etc/$name" ] || cp -a "/etc/$name" etc/
done
cp -a /var/lib/dpkg var/lib/dpkg
rm -f var/lib/dpkg/lock* etc/.pwd.lock
echo 0123456789abcdef0123456789abcdef > etc/machine-id
exec systemd-nspawn --quiet --directory="$root" --machine="$3" --private-network --register=no --keep-unit \
    --bind-ro="$packages:/packages" --boot
"""
_TRY = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/usr
mount -t overlay overlay -o lowerdir=/usr,upperdir=/mnt/upper,workdir=/mnt/work /mnt/usr
"""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def missing() -> str:
    """Return what is missing for a container here, in words, or nothing."""
    if os.getuid() != 0:
        return "a container needs root"
    for program in ("systemd-nspawn", "nsenter", "unshare", "dpkg", "apt-get"):
        if shutil.which(program) is None:
            return f"{program} is not here"
    told = subprocess.run(["systemd-nspawn", "--version"], capture_output=True, text=True, timeout=30, check=True)
    version = int(re.findall(r"systemd (\d+)", told.stdout)[0])
    if version < SYSTEMD_MIN:
        return f"systemd is {version} here, and the package is for {SYSTEMD_MIN}"
    if " cgroup2 " not in Path("/proc/mounts").read_text("utf-8"):
        return "the kernel offers no cgroup2 here"
    mounted = subprocess.run(["unshare", "-m", "sh", "-ec", _TRY], capture_output=True, timeout=30, check=False)
    return "the kernel mounts no overlay here" if mounted.returncode else ""


@dataclass
class Machine:
    """One container; ``packages`` is a folder of this machine's that it sees as /packages."""

    root: Path
    packages: Path
    process: subprocess.Popen[bytes] | None = None
    leader: int = 0
    console: Path = field(init=False)

    def __post_init__(self) -> None:
        self.console = self.root.with_name(self.root.name + ".console")

    def boot(self) -> None:
        """Start it and wait until its systemd has started everything."""
        self.root.mkdir()
        name = f"relayd-test-{os.getpid()}"
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", _LAY_OUT, "sh", self.root, self.packages, name],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env={**_ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )  # fmt: skip
        until(self._up, BOOT_TIMEOUT_S, every_s=0.2)

    def _up(self) -> bool:
        assert self.process is not None
        said = self.console.read_text("utf-8", errors="replace")
        assert self.process.poll() is None, f"the container ended: {said}"
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text("utf-8").strip() != "systemd":
            return False
        self.leader = int(children[0])
        state = self.run("systemctl", "is-system-running", status=None).out.strip()
        return state in {"running", "degraded"}

    def popen(self, *command: object, **options: object) -> subprocess.Popen[str]:
        """Start a command inside."""
        return subprocess.Popen(
            ["nsenter", f"--target={self.leader}", "--all", "--", *map(str, command)],
            env=_ENVIRONMENT, text=True, start_new_session=True, **options,
        )  # fmt: skip

    def run(self, *command: object, stdin: str = "", status: int | None = 0, timeout_s: float = 90.0) -> "Said":
        """Run a command inside to its end; it must end with ``status``, where there is one."""
        started = self.popen(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = started.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            started.kill()
            # What runs inside is no child of ours and holds the pipes until the machine ends.
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.communicate(timeout=1)
            raise
        assert status in {None, started.returncode}, f"{command}: {started.returncode}\n{out}{err}{self.journal()}"
        return Said(started.returncode, out, err)

    def journal(self) -> str:
        """Return what the relay has logged of late."""
        started = self.popen("journalctl", "-u", "relayd", "-n", "40", "--no-pager", stdout=subprocess.PIPE)
        return started.communicate(timeout=30)[0]

    def property(self, name: str, unit: str = "relayd.service") -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", unit, "--value", "-p", name).out.strip()

    def sh(self, script: str, **options: object) -> str:
        """Run a script of the shell's inside and return what it wrote."""
        return self.run("sh", "-ec", script, **options).out

    def end(self) -> None:
        """Switch it off."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)


@dataclass(frozen=True)
class Said:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str
