"""Releases as they were: the program of each, and what it had written, run and read beside this tree's.

``tests/releases/VERSION`` holds a release's wheel and an archive of a relay's state with two devices' homes, as that
program left them. Once released neither changes. ``python -m support.releases`` freezes the program of this tree.
"""

import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from relayproto import __version__
from support.processes import a_relay, relay, run, succeed
from support.tree import ROOT

FOLDER = ROOT / "tests" / "releases"
LAST = "0.1.0"
"""The release before this tree's program."""
ALICE, BOB = "alice@office.example", "bob@office.example"
SAID = ("The files are ready.", "दस्तावेज़ तैयार हैं।", "Thank you.")
"""Alice's two to Bob, which he has; and his answer, which waits at the relay."""
_STATE = "state.tar.xz"
_PARTS = ("relay", "alice", "bob")


def wheel(version: str) -> Path:
    """Return a release's wheel."""
    [found] = (FOLDER / version).glob("*.whl")
    return found


def program(version: str, place: Path) -> Path:
    """Unpack a release's program into ``place`` and return where it can be imported from."""
    with zipfile.ZipFile(wheel(version)) as archive:
        archive.extractall(place)
    return place


def state(version: str, place: Path) -> Path:
    """Unpack what a release has written into ``place`` - relay, alice, bob - and return that."""
    with tarfile.open(FOLDER / version / _STATE) as archive:
        archive.extractall(place, filter="tar")  # which keeps the modes that a device insists on
    return place


def launcher(program_: Path, module: str) -> tuple[str, ...]:
    """Return what Python is started with to run a module of a release: its own come before this tree's."""
    start = f"import sys; sys.path.insert(0, {str(program_)!r}); from {module} import main; sys.exit(main())"
    return ("-c", start)


def _write(place: Path) -> None:
    """Let this tree's program write what is frozen."""
    with a_relay(place / "relay") as running:
        alice, bob = running.join(place / "alice", ALICE), running.join(place / "bob", BOB)
        for text in SAID[:2]:
            succeed(relay(alice, "send", BOB, text))
        succeed(relay(bob, "listen", "--drain", "--timeout", "30"))
        succeed(relay(bob, "send", ALICE, SAID[2]))


def freeze() -> None:
    """Freeze this tree's program under its version. FileExistsError where that is frozen already."""
    made = FOLDER / __version__
    made.mkdir(parents=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(made), str(ROOT)]
    with tempfile.TemporaryDirectory() as home:
        succeed(run(build, Path(home), timeout_s=300))
        _write(Path(home))
        with tarfile.open(made / _STATE, "w:xz") as archive:
            for part in _PARTS:
                archive.add(Path(home) / part, part)
    print(f"{made} is frozen; give the tree another version")


if __name__ == "__main__":
    freeze()
