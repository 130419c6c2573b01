"""What the parts of the build share: the release, the tree, and how another program is run."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PREFIX: Final = Path("opt/relayd")
"""Where the environment is, from the root of the machine that it is installed on."""


def run(*command: str | Path, **environ: str) -> str:
    """Run a program, nothing of the caller's Python in its environment, and return what it said."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    environment = {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **environ}
    return subprocess.run(
        [str(part) for part in command], env=environment, capture_output=True, text=True, check=True, timeout=600
    ).stdout


def tracked(*places: str) -> list[str]:
    """Return the files below ``places``, sorted; where git is, those that it knows: nothing that an editor left."""
    if (ROOT / ".git").exists():
        listed = run("git", "-C", ROOT, "ls-files", "-z", "--", *places).split("\0")
        return sorted(name for name in listed if name and (ROOT / name).is_file())
    below = (path for place in places for path in (ROOT / place, *(ROOT / place).rglob("*")) if path.is_file())
    return sorted(path.relative_to(ROOT).as_posix() for path in below if "__pycache__" not in path.parts)


@dataclass(frozen=True)
class Release:
    """What is built: ``revision`` is Debian's, ``date`` is in seconds since 1970."""

    version: str
    revision: int
    date: int

    @property
    def debian_version(self) -> str:
        """Return the version as dpkg orders it: what comes before a release sorts before it."""
        plain = self.version
        for mark in (".dev", "a", "b", "rc"):
            plain = plain.replace(mark, f"~{mark.strip('.')}", 1) if "~" not in plain else plain
        return f"{plain}-{self.revision}"

    def put(self, path: Path, octets: bytes, mode: int = 0o644) -> None:
        """Write a file with its mode, whatever the umask is."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
        path.chmod(mode)
