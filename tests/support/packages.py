"""Builds the package as ``make package`` does, for tests."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import msgpack

from support.tree import HOMES, ROOT

PYTHON = "/usr/bin/python3"
DATE = "1795000000"
"""When the packages of tests were made, in seconds."""
_CACHE = Path(sys.prefix) / "wheels"
_SITE = Path(msgpack.__file__).parents[1]
_NEEDED_BEFORE = ("msgpack",)
"""What the last release needs and the package has no more."""


def missing() -> str:
    """Return what is missing to build the package here, in words, or nothing."""
    for program in ("dpkg-deb", PYTHON, "git"):
        if shutil.which(program) is None:
            return f"{program} is not here"
    return ""


def snapshot(place: Path) -> Path:
    """Copy what git knows of this tree, as it is now, and return ``place``: a tree that nobody works in."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)
    return place


def of_release(built: Path, wheel: Path, version: str) -> Path:
    """Pack a package again beside it, with the program of a release's wheel and under its version."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        subprocess.run(["dpkg-deb", "--raw-extract", built, tree], timeout=60, check=True)
        [site] = tree.glob("opt/relayd/lib/python3.*/site-packages")
        for ours in (*site.glob("relay*-*.dist-info"), *(site / name for name in HOMES)):
            shutil.rmtree(ours)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        for name in _NEEDED_BEFORE:
            shutil.copytree(_SITE / name, site / name, dirs_exist_ok=True)
        # As the package's own are, so that root's commands write nothing beside them that a removal would leave.
        compile_ = [PYTHON, "-m", "compileall", "-q", "-s", tree, "-p", "/", *(site / name for name in HOMES)]
        subprocess.run(compile_, timeout=120, check=True)
        (tree / "DEBIAN" / "md5sums").unlink()
        control = tree / "DEBIAN" / "control"
        control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text("utf-8")), "utf-8")
        made = built.with_name(f"relayd_{version}_{built.stem.rpartition('_')[2]}.deb")
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made],
            capture_output=True, timeout=60, check=True,
        )  # fmt: skip
    return made


def build(source: Path, out: Path, *arguments: str, umask: int = 0o022, **environ: str) -> Path:
    """Build the tree ``source`` into ``out`` and return the Debian package."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))},
        "PYTHONPATH": os.pathsep.join(str(source / part) for part in ("", "proto", "client")),
        "SOURCE_DATE_EPOCH": DATE,
        **environ,
    }
    done = subprocess.run(
        [sys.executable, source / "package", "--out", out, "--python", PYTHON, "--cache", _CACHE, *arguments],
        env=environment, capture_output=True, text=True, timeout=600, check=False, umask=umask,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = out.glob("*.deb")
    return built
