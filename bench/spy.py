"""Where the relay's time goes, by room: py-spy looks at its stacks from outside and we add them up.

Only the thread that holds the interpreter's lock is seen: one that waits for it looks busy and is not. What runs
without the lock is missing - SQLite inside a statement, the disk. C code counts for the Python function that called
it. Needs ``pip install py-spy`` and the right to look (root).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

RATE = 250
_SHOWN = 40
_WAITING = "aiosqlite/core.py:_connection_worker_thread"
"""A thread that waits for its queue; py-spy takes it for busy."""
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^:()]+)(?::(?P<line>\d+))?\)")


def _py_spy() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def _module(file: str) -> str:
    """Return a path from our packages or site-packages on, other files by their last two parts."""
    for root in ("/proto/relayproto/", "/relayd/", "/site-packages/"):
        before, found, after = file.rpartition(root)
        if found:
            return (
                (root.removeprefix("/proto").strip("/") + "/" + after).removeprefix("site-packages/")
                if before
                else after
            )
    return "/".join(Path(file).parts[-2:])


def _room(module: str) -> str:
    parts = module.split("/")
    if parts[0] == "relayd":
        return "/".join(parts[:2]) if len(parts) > 2 else "relayd"  # noqa: PLR2004 - relayd/room/module
    return parts[0] if parts[0] in {"relayproto", "aiosqlite", "uvloop", "cryptography"} else "python"


def report(title: str, pid: int, *, seconds: float) -> None:
    """Sample a process for so long and print its self time by room and by function, per cent of its busy samples."""
    program = _py_spy()
    if program is None:
        print("no profile: pip install py-spy", file=sys.stderr)
        return
    with tempfile.NamedTemporaryFile(suffix=".stacks") as stacks:
        subprocess.run(
            [program, "record", "--pid", str(pid), "--duration", str(int(seconds)), "--rate", str(RATE), "--format",
             "raw", "--full-filenames", "--gil", "--nolineno", "--output", stacks.name],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds + 60,
        )  # fmt: skip
        lines = Path(stacks.name).read_text().splitlines()
    _print(title, lines)


def _print(title: str, lines: list[str]) -> None:
    own: Counter[str] = Counter()
    rooms: Counter[str] = Counter()
    below: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, count_text = line.rpartition(" ")
        count = int(count_text)
        names = []
        for text in stack.split(";"):
            match = _FRAME.fullmatch(text)
            names.append(f"{_module(match['file'])}:{match['function']}" if match else text)
        if names[-1] == _WAITING:
            continue
        total += count
        own[names[-1]] += count
        rooms[_room(names[-1].partition(":")[0])] += count
        below.update(dict.fromkeys(names, count))
    print(f"\nprofile of {title}: {total} samples", file=sys.stderr)
    for heading, counted in (("self, by room", rooms), ("self, by function", own), ("with what it calls", below)):
        print(f"  {heading}", file=sys.stderr)
        for name, count in counted.most_common(_SHOWN):
            print(f"    {100 * count / total:5.1f} %  {name}", file=sys.stderr)
