"""Build what is released: the wheel, the Debian package with its own environment, the list of what is in it.

The working tree's tracked files and package/requirements.lock enter; ``relayd-VERSION-py3-none-any.whl``,
``relayd_VERSION_ARCH.deb`` and ``relayd_VERSION.cdx.json`` leave. The rule of this folder: the same commit gives the
same bytes, so times come from the commit, names are sorted, and what is downloaded is known by its hash.

    .venv/bin/python package --out dist
"""

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import bom
import deb
import environment
import manual
from tools import ROOT, Release, run, tracked

from relayproto import __version__


def source_date() -> int:
    """Return when the release was made: SOURCE_DATE_EPOCH, or when the last commit was."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run("git", "-C", ROOT, "log", "-1", "--format=%ct").strip())


def wheel(release: Release, out: Path, cache: Path) -> Path:
    """Build the wheel from a copy of what git knows and return it."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory)
        for name in tracked("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "relayd", "proto", "client"):
            release.put(source / name, (ROOT / name).read_bytes())
        (backend,) = environment.fetch(sys.executable, cache, environment.BUILD_LOCK)
        with zipfile.ZipFile(backend) as archive:
            archive.extractall(source / "backend")
        # Not isolated: the builder would take the newest setuptools, and this way it takes the locked one.
        run(
            sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source,
            PYTHONPATH=str(source / "backend"), SOURCE_DATE_EPOCH=str(release.date),
        )  # fmt: skip
    (built,) = out.glob(f"relayd-{release.version}-*.whl")
    return built


def build(release: Release, out: Path, python: str, cache: Path) -> None:
    """Build everything into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    for stale in (*out.glob("relayd-*.whl"), *out.glob("relayd_*")):
        stale.unlink()
    ours = wheel(release, out, cache)
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        wheels = environment.fetch(python, cache, environment.LOCK)
        environment.install(tree, [*wheels, ours], python)
        environment.compile_all(tree, python)
        bill = bom.bill(release, tree, wheels, ours)
        release.put(out / f"relayd_{release.version}-{release.revision}.cdx.json", bill)
        manual.write(release, tree)
        deb.lay_out(release, tree, bill)
        name = deb.pack(release, tree, out, python, wheels)
    for made in (ours.name, name, f"relayd_{release.version}-{release.revision}.cdx.json"):
        sys.stdout.write(f"{out / made}\n")


def main() -> int:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(prog="package", description="Build the wheel, the Debian package and its SBOM.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where they go (default: dist)")
    parser.add_argument("--python", default="/usr/bin/python3", help="Debian's Python, which the package will use")
    parser.add_argument("--cache", type=Path, default=Path(sys.prefix) / "wheels", help="where downloads are kept")
    parser.add_argument(
        "--revision", type=int, default=1, metavar="N", help="of the package, for the same version (default: 1)"
    )
    arguments = parser.parse_args()
    os.umask(0o022)  # modes are in the wheel and in the package
    release = Release(version=__version__, revision=arguments.revision, date=source_date())
    try:
        build(release, arguments.out.absolute(), arguments.python, arguments.cache)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{error}\n{error.stdout or ''}{error.stderr or ''}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
