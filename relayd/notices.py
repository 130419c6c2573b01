"""A leaf of the relay: what it tells the service manager about itself.

Moments and figures enter; datagrams leave (sd_notify(3)), and so does the line that ``systemctl status`` shows. The
rules of this file: the standard library does it, without systemd each of these is simply absent, and the line says
in words what is wrong before it says any figure.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterable, MutableMapping
from typing import Final

from relayd.metrics import Counters

TELL_EVERY_S: Final = 5.0
"""How often the status line is looked at; it is sent only when it is another."""
EXTEND_S: Final = 60
"""A start that goes on longer than the unit allows asks for so much more, again and again."""
EXTEND_EVERY_S: Final = 10.0
START_S_MAX: Final = 3_600.0
"""The store of a relay that takes an hour to open is looked at by a person."""
PATIENCE_S: Final = 1.0
"""What the service manager waits for is not lost because it is busy for a moment; figures and pings may be."""
_BRIEF_BYTES_MAX: Final = 400
"""A status line is read on one screen."""


class Notifier:
    """Speaks to systemd, where it is there."""

    __slots__ = ("_address", "_said", "_socket", "watchdog")

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Take NOTIFY_SOCKET and WATCHDOG_USEC out of the environment; ``watchdog`` says whether one waits."""
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        ours = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = environ.pop("WATCHDOG_USEC", "") != "" and ours
        self._said = ""

    def _say(self, *lines: str, patience_s: float = 0.0) -> None:
        if self._socket is not None:
            # A service manager that is away or slow is no reason to stop serving devices.
            with contextlib.suppress(OSError):
                self._socket.settimeout(patience_s)
                self._socket.sendto("\n".join(lines).encode(), self._address)

    def _status(self, text: str) -> str:
        self._said = text
        line = " ".join(text.split())
        return f"STATUS={line.encode()[:_BRIEF_BYTES_MAX].decode(errors='ignore')}"

    @contextlib.asynccontextmanager
    async def starting(self, text: str) -> AsyncIterator[None]:
        """Say what is being done, and ask for more time as long as the block takes, up to START_S_MAX."""
        self._say(self._status(text))
        asking = asyncio.get_running_loop().create_task(self._ask_for_time())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask_for_time(self) -> None:
        for _ in range(int(START_S_MAX / EXTEND_EVERY_S)):
            self._say(f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1_000_000}")
            await asyncio.sleep(EXTEND_EVERY_S)

    def ready(self, text: str) -> None:
        """Say that the sockets are served, after a start or a reload."""
        self._say("READY=1", self._status(text), patience_s=PATIENCE_S)

    def standing(self, text: str) -> None:
        """Say how the relay is, where that is something else than was said last."""
        if text != self._said:
            self._say(self._status(text))

    def reloading(self, now: float) -> None:
        """Say that the configuration is read again; ``now`` is monotonic, in seconds. ``ready`` ends it."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={int(now * 1_000_000)}", patience_s=PATIENCE_S)

    def stopping(self, within_s: float = 0.0) -> None:
        """Say that the drain has begun, and how long it may take."""
        more = [f"EXTEND_TIMEOUT_USEC={int(within_s * 1_000_000)}"] if within_s else []
        self._say("STOPPING=1", self._status("draining"), *more)

    def failed(self, error: Exception | str) -> None:
        """Leave behind, for whoever looks at the unit, why the process ends and the system's own number for it."""
        number = _errno(error) if isinstance(error, Exception) else None
        self._say(self._status(str(error)), *([f"ERRNO={number}"] if number else []), patience_s=PATIENCE_S)

    def alive(self) -> None:
        """Ping the watchdog."""
        if self.watchdog:
            self._say("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


def _errno(error: BaseException | None) -> int | None:
    """Return the number of the system's error that an error of ours was made of, where there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        error = error.__cause__ or error.__context__
    return None


def standing(counters: Counters, reasons: Iterable[str]) -> str:
    """Return how a serving relay is, in one line; ``reasons`` are those why it should get no new connections."""
    figures = (
        f"{counters.connections_open:,} connections, {counters.envelopes_queued:,} envelopes waiting "
        f"({counters.queued_bytes / (1 << 20):,.1f} MiB)"
    )
    wrong = list(reasons)
    if counters.disk_refusing and not wrong:
        wrong = [f"submissions are refused, the disk is {counters.disk_used_percent} per cent full"]
    if counters.clock_ahead_ms:
        wrong.append("the clock jumped ahead; see relayd confirm-clock")
    return f"{'; '.join(wrong)} - {figures}" if wrong else f"serving {figures}"
