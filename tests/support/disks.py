"""Small disks of a test's own, that can be full without harm to anybody."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, mib: int, *options: str) -> Iterator[Path]:
    """Mount a filesystem in memory of so many MiB at ``place`` for the block; skips where that is not allowed."""
    place.mkdir(exist_ok=True)
    settings = ",".join((f"size={mib}m", "mode=0700", *options))
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", settings, "tmpfs", place], capture_output=True, text=True, timeout=20,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"no filesystem can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], timeout=20, check=True)


def remount(place: Path, option: str) -> None:
    """Change a small disk: ``ro`` or ``rw``."""
    subprocess.run(["mount", "-o", f"remount,{option}", place], timeout=20, check=True)


def fill(place: Path, *, leave: int = 0) -> Path:
    """Fill a disk up to the last ``leave`` bytes with a file that is none of ours, and return it."""
    other = place / "somebody-elses"
    with other.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while (left := _left(place) - leave) > 0:
            file.write(bytes(min(left, 1 << 20)))
    return other


def _left(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


@contextlib.contextmanager
def real_disk(place: Path, mib: int) -> Iterator[Path]:
    """Mount an ext4 of so many MiB, from a file, that is mounted read-only after an error; skips where it can't be."""
    image = place.with_name(place.name + ".image")
    with image.open("wb") as file:
        file.truncate(mib << 20)
    place.mkdir()
    try:
        for argv in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop,errors=remount-ro", image, place]):
            subprocess.run(argv, capture_output=True, timeout=20, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no ext4 can be mounted from a file here: {error}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], timeout=20, check=True)


def make_an_error(place: Path) -> None:
    """Let the kernel find an error in a ``real_disk``, after which it can only be read."""
    [device] = [
        source for source, where, *_ in map(str.split, Path("/proc/self/mounts").read_text("utf-8").splitlines())
        if where == str(place)
    ]  # fmt: skip
    assert device.startswith("/dev/loop"), "none of ours"
    trigger = Path("/sys/fs/ext4") / device.removeprefix("/dev/") / "trigger_fs_error"
    try:
        trigger.write_text("a test's own\n", "utf-8")
    except OSError as error:
        pytest.skip(f"no error can be made here: {error}")
