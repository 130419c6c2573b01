"""The package's own Python environment: Debian's interpreter, our locked wheels, compiled once for every machine.

Wheels enter, known by their hashes; ``opt/relayd`` in a tree leaves, as ``python3 -m venv`` would lay it out, but
without pip and with the paths of the machine that it will be installed on.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from installer import install as install_wheel
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
from tools import PREFIX, ROOT, run

LOCK: Final = ROOT / "package" / "requirements.lock"
"""What relayd needs; made by ``make lock``."""
BUILD_LOCK: Final = ROOT / "package" / "build.lock"
"""What makes the wheel."""
COMMANDS: Final = ("relayd", "relay")
"""What of the environment's scripts is ours to offer; those of libraries are left out."""


def version(python: str) -> tuple[int, int, int]:
    """Return the version of an interpreter."""
    major, minor, micro = json.loads(run(python, "-I", "-c", "import sys; print([*sys.version_info[:3]])"))
    return major, minor, micro


def interpreter(python: str) -> str:
    """Return Debian's name of an interpreter, with the minor version that the wheels are for."""
    return "python{}.{}".format(*version(python))


def fetch(python: str, cache: Path, lock: Path) -> list[Path]:
    """Return the locked wheels that fit ``python``; pip takes none whose hash is not in the lock.

    What an earlier build has fetched is looked at first, so that a build after the first needs no network.
    """
    kept = cache / interpreter(python)
    fresh = kept / lock.stem
    kept.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _download(python, lock, fresh, "--no-index", "--find-links", kept)
    except subprocess.CalledProcessError:
        shutil.rmtree(fresh, ignore_errors=True)
        _download(python, lock, fresh)
    return [Path(shutil.copy2(wheel, kept)) for wheel in sorted(fresh.glob("*.whl"))]


def _download(python: str, lock: Path, into: Path, *options: str | Path) -> None:
    run(
        sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "download", "--quiet",
        "--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", lock, "--dest", into, *options,
    )  # fmt: skip


def site_packages(tree: Path) -> Path:
    """Return where the libraries of the environment are."""
    (found,) = (tree / PREFIX / "lib").glob("python3.*/site-packages")
    return found


def install(tree: Path, wheels: list[Path], python: str) -> None:
    """Lay the environment out in ``tree``."""
    home = Path("/") / PREFIX
    site = home / "lib" / interpreter(python) / "site-packages"
    paths = {"purelib": site, "platlib": site, "scripts": home / "bin", "data": home, "headers": home / "include"}
    for wheel in wheels:
        destination = SchemeDictionaryDestination(
            {scheme: str(path) for scheme, path in paths.items()},
            interpreter=str(home / "bin" / "python"),
            script_kind="posix",
            destdir=str(tree),
        )
        with WheelFile.open(wheel) as source:
            install_wheel(source, destination, additional_metadata={"INSTALLER": b"dpkg\n"})
    for script in (tree / PREFIX / "bin").iterdir():
        if script.name not in COMMANDS:
            script.unlink()
    (tree / PREFIX / "bin" / "python").symlink_to(f"/usr/bin/{interpreter(python)}")
    (tree / PREFIX / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = {}.{}.{}\n".format(*version(python)),
        encoding="utf-8",
    )


def compile_all(tree: Path, python: str) -> None:
    """Compile every module; the code is bound to the source by nothing but the package, so that no time is in it."""
    run(
        python, "-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash",
        "-s", tree, "-p", "/", tree / PREFIX / "lib",
        PYTHONHASHSEED="0",
    )  # fmt: skip
