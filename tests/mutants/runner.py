"""The process that runs of pytest are forked from: it has imported what all of them need, and nothing of ours.

A line of JSON on stdin is a run: where, with what, for how long; a line on stdout is what it came to. The rules of this
file: a run finds everything as ``python -m pytest`` would in its folder, so it is the copy's code that is imported; it
ends with everything that it has started, and at once where whoever asked is gone.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

KNOWN = (
    "asyncio", "concurrent.futures.process", "multiprocessing", "pickle", "resource", "sqlite3", "ssl", "unittest.mock",
    "xml.etree.ElementTree", "zoneinfo",
    "pytest", "hypothesis", "hypothesis.stateful", "hypothesis.strategies",
    "aiosqlite", "cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.primitives.asymmetric.mlkem",
    "cryptography.hazmat.primitives.asymmetric.x25519", "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.kdf.hkdf", "cryptography.hazmat.primitives.serialization", "kyber_py.ml_kem",
    "msgpack", "msgspec", "nacl.bindings", "nacl.pwhash", "prometheus_client", "structlog", "uvloop",
)  # fmt: skip
"""What most killers import, as far as it is not ours; whatever is not here a run imports itself."""


def serve() -> dict[str, Any] | None:
    """Fork a process for each run that is asked for. Returns None when nobody asks any more, and in a fork its run."""
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        began, begins = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(began)
            os.setsid()
            os.close(begins)
            return asked
        os.close(begins)
        # Its end: the session is there, and can be ended as a whole.
        os.read(began, 1)
        os.close(began)
        status, hung = outcome(pid, asked["timeout_s"])
        with contextlib.suppress(BrokenPipeError):
            os.write(1, json.dumps({"status": status, "hung": hung}).encode() + b"\n")
    return None


def outcome(pid: int, timeout_s: float) -> tuple[int, bool]:
    """Wait for a run to end, or end it; what it has left behind ends too. Returns its status, and whether it hung."""
    run = os.pidfd_open(pid)
    # Nobody asks for two runs at a time: stdin says something only when it is closed.
    ready, _, _ = select.select([run, sys.stdin], [], [], timeout_s)
    os.close(run)
    # The run is not waited for yet, so its number is no other's.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), not ready


def run(asked: dict[str, Any]) -> int:
    """Run pytest as the command line would."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for here, there in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(here, there)
    os.close(nothing)
    os.close(said)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["root"])
    # In front of site-packages, and of what an editable install adds behind it.
    sys.path.insert(0, asked["root"])
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *asked["arguments"]]
    importlib.invalidate_caches()
    return pytest.main(asked["arguments"])


def leave(status: int) -> NoReturn:
    """End a run as the interpreter does, but for taking everything apart: that would take a quarter of all its time."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    # As for a module that is run by -m, the folder of this file is none to import from.
    sys.path.remove(str(Path(__file__).parent))
    for name in KNOWN:
        importlib.import_module(name)
    import pytest
    from _pytest.config import default_plugins

    for name in default_plugins:
        importlib.import_module(f"_pytest.{name}")
    gc.collect()
    # What is there already belongs to all: looking through it for garbage would copy it for each.
    gc.freeze()
    mine = serve()
    if mine:
        leave(run(mine))
