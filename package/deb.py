"""The Debian package: where each file goes, what dpkg is told, and the archive.

A tree with the environment, the man pages and the bill of materials enters; a .deb leaves. dpkg-deb alone makes it:
debhelper would add helpers that we have to keep in step with, and what they would write is forty lines here.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

import bom
from environment import interpreter
from manual import compressed
from tools import PREFIX, ROOT, Release, run, tracked

_UNITS: Final = ("*.service", "*.socket", "*.timer")
_MONITORING: Final = (".json", ".yml", ".yaml")
"""What of dashboards/ a monitoring system takes; the rest of it makes these."""
_CONTROL: Final = ROOT / "package" / "debian"
_CONFFILES: Final = ("/etc/relayd/relayd.toml",)


def lay_out(release: Release, tree: Path, bill: bytes) -> None:
    """Put everything but the environment and the man pages where it belongs."""
    systemd = ROOT / "systemd"
    for pattern in _UNITS:
        for unit in sorted(systemd.glob(pattern)):
            release.put(tree / "usr/lib/systemd/system" / unit.name, unit.read_bytes())
    release.put(tree / "usr/lib/sysusers.d/relayd.conf", (systemd / "sysusers.conf").read_bytes())
    release.put(tree / "usr/lib/tmpfiles.d/relayd.conf", (systemd / "tmpfiles.conf").read_bytes())
    release.put(tree / "etc/relayd/relayd.toml", (systemd / "relayd.toml").read_bytes(), 0o640)
    for command in ("relayd", "relay"):
        link = tree / "usr/bin" / command
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("/") / PREFIX / "bin" / command)
    for name in tracked("dashboards"):
        if name.endswith(_MONITORING):
            release.put(tree / "usr/share/relayd" / name, (ROOT / name).read_bytes())
    _document(release, tree / "usr/share/doc/relayd", tree, bill)


def _document(release: Release, place: Path, tree: Path, bill: bytes) -> None:
    every = bom.bundled(tree)
    release.put(place / "copyright", bom.copyright_page(every).encode())
    release.put(place / "CHANGELOG.md.gz", compressed((ROOT / "CHANGELOG.md").read_text("utf-8")))
    release.put(place / "relayd.cdx.json", bill)
    for name in tracked("docs/operating"):
        release.put(place / name.removeprefix("docs/"), (ROOT / name).read_bytes())
    for each in every:
        for name, text in each.licence_texts():
            release.put(place / "licences" / each.name / name, text)


def _depends(python: str, wheels: list[Path]) -> str:
    glibc = max(
        (int(major), int(minor))
        for wheel in wheels
        for major, minor in (re.findall(r"manylinux_(\d+)_(\d+)_", wheel.name)[:1] or [("2", "17")])
    )
    # 257: PrivateTmp=disconnected; before it the units would be more open than they say.
    return f"{interpreter(python)}, libc6 (>= {glibc[0]}.{glibc[1]}), systemd (>= 257)"


def _settle(release: Release, tree: Path) -> None:
    """Give everything the time of the release, and modes that no umask had a say in."""
    for path in sorted(tree.rglob("*"), reverse=True):
        if not path.is_symlink():
            mode = path.stat().st_mode & 0o777
            program = path.is_dir() or mode & 0o100
            path.chmod(0o755 if program else mode & 0o644)
        os.utime(path, (release.date, release.date), follow_symlinks=False)
    tree.chmod(0o755)
    os.utime(tree, (release.date, release.date))


def pack(release: Release, tree: Path, out: Path, python: str, wheels: list[Path]) -> str:
    """Make the archive in ``out`` and return its name."""
    architecture = run("dpkg", "--print-architecture").strip()
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files)  # noqa: S324 - dpkg's own format, against accidents
    control = (_CONTROL / "control").read_text("utf-8").format(
        version=release.debian_version, architecture=architecture, depends=_depends(python, wheels),
        size=sum(path.stat().st_size for path in files) // 1024,
    )  # fmt: skip
    release.put(tree / "DEBIAN/control", control.encode())
    release.put(tree / "DEBIAN/conffiles", "".join(f"{name}\n" for name in _CONFFILES).encode())
    release.put(tree / "DEBIAN/md5sums", sums.encode())
    for script in ("postinst", "prerm", "postrm"):
        release.put(tree / "DEBIAN" / script, (_CONTROL / script).read_bytes(), 0o755)
    _settle(release, tree)
    name = f"relayd_{release.debian_version}_{architecture}.deb"
    run(
        "dpkg-deb", "--root-owner-group", "--threads-max=1", "-Zzstd", "-z10", "--build", tree, out / name,
        SOURCE_DATE_EPOCH=str(release.date),
    )  # fmt: skip
    return name
