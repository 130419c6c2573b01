"""Debian's packages of other servers: unpacked, not installed, so that no daemon is started or enabled.

A package's name and a directory enter; the root of a tree leaves that holds it and what it needs beyond what the
machine has, or Missing with the reason.
"""

import os
import shutil
import subprocess
from pathlib import Path

FETCH_S_MAX = 300.0


class Missing(Exception):  # noqa: N818 - what it says is what it is
    """A peer that cannot be had here, and why."""


def _said(command: list[str], directory: Path | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=FETCH_S_MAX, check=False, cwd=directory, env=_environment()
    )
    if done.returncode:
        raise Missing((done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def _fetch(package: str, directory: Path) -> None:
    wanted = ["apt-get", "install", "--simulate", "--no-install-recommends", package]
    planned = [line.split()[1] for line in _said(wanted).splitlines() if line.startswith("Inst ")]
    _said(["apt-get", "download", "-qq", *(planned or [package])], directory)


def unpacked(package: str, directory: Path) -> Path:
    """Return the root of a package's tree, fetched where it is not there yet; raises Missing."""
    root = directory / package
    if root.is_dir():
        return root
    if shutil.which("apt-get") is None:
        raise Missing("no apt-get here")
    fresh = directory / f"{package}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        _fetch(package, fresh)
    except Missing:
        if os.geteuid():
            raise
        _said(["apt-get", "update", "-qq"])
        _fetch(package, fresh)
    for archive in sorted(fresh.glob("*.deb")):
        _said(["dpkg-deb", "--extract", str(archive), str(fresh)])
        archive.unlink()
    fresh.rename(root)
    return root


def libraries(root: Path) -> str:
    """Return LD_LIBRARY_PATH for programs of a tree."""
    return ":".join(str(path) for path in sorted((root / "usr/lib").glob("*-linux-gnu*")))
