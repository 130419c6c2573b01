"""relayd with what a test can't cause from outside: ``ill_relay.py COMMAND ...`` is relayd's own command line.

A file ``turned`` in the working directory says by how many seconds the wall clock is turned; while there is a file
``buggy``, looking an address up meets a bug of ours. What the protocol waits for in minutes, and the relay's hourly
turn of its checkpoints, pass so many times as fast as ``HURRY`` says.
"""

import time
from pathlib import Path

from relayd.clock import SystemClock
from relayd.delivery import window
from relayd.main import main
from relayd.services.directory import Directory
from relayd.services.witness import EVERY_S, RETRY_S, Witness

HURRY = 120.0
TURNED, BUGGY = Path("turned"), Path("buggy")
_lookup = Directory.lookup


def wall_ms() -> int:
    turned_s = float(TURNED.read_text("ascii") or 0) if TURNED.exists() else 0.0
    return time.time_ns() // 1_000_000 + int(turned_s * 1000)


def lookup(self, seat, command, now):
    if BUGGY.exists():
        raise ZeroDivisionError
    return _lookup(self, seat, command, now)


if __name__ == "__main__":
    SystemClock.__init__.__kwdefaults__["wall_ms"] = wall_ms
    Directory.lookup = lookup
    window.WINDOW_PING_S /= HURRY
    window.WINDOW_STALLED_S /= HURRY
    Witness.run.__defaults__ = (EVERY_S / HURRY, RETRY_S / HURRY)
    raise SystemExit(main())
