"""A leaf of the relay: serving one of the units that may reach outside (relayd carry, relayd resolve).

A socket and a way to answer enter; it serves until a signal. The rules of this file: one line of JSON in, one out; what
it is asked is bounded, and so is how many ask; an answer that fails is a failure of that question and of nothing else.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from relayd import lifecycle, logs
from relayd.entropy import system_entropy
from relayd.incidents import report
from relayd.metrics import Counters
from relayd.notices import Notifier

LINE_BYTES_MAX: Final = 65_536
"""As the relay's own end of it reads (services/outside.py)."""
SESSIONS_MAX: Final = 8
"""A relay hands so many codes over at once (services/registration.py), and asks for anything else one at a time."""
IDLE_S: Final = 30.0

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

_log = logs.get_logger("unit")


def sockets(path: Path | None) -> list[socket.socket]:
    """Return systemd's sockets, or one bound at ``path`` that only its owner can open; CannotStart without either."""
    handed = list(lifecycle.inherited_sockets().values())
    if handed:
        return handed
    if path is None:
        raise lifecycle.CannotStart("no socket was handed over; name one with --listen")
    if _answers(path):
        raise lifecycle.CannotStart(f"{path}: another unit serves there; stop it, or name another socket")
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.bind(str(path))
        path.chmod(0o600)  # before listen: nobody can have connected yet
        listening.listen(SESSIONS_MAX)
    except OSError as error:
        listening.close()
        raise lifecycle.CannotStart(f"cannot listen on {path}: {error.strerror}") from None
    return [listening]


def _answers(path: Path) -> bool:
    """Say whether somebody takes connections at a path; what a crash has left does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
        try:
            asking.connect(str(path))
        except OSError:
            return False
        return True


async def serve(listening: list[socket.socket], answer: Answer) -> None:
    """Answer until SIGTERM or SIGINT."""
    busy = asyncio.Semaphore(SESSIONS_MAX)

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with busy:
            try:
                await _converse(reader, writer, answer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as down:
        for each in listening:
            server = await asyncio.start_unix_server(session, sock=each, limit=LINE_BYTES_MAX)
            down.callback(server.close)
        Notifier().ready("serving")
        await stop.wait()


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                line = await reader.readuntil(b"\n")
            question = msgspec.json.decode(line, type=dict)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        except (ValueError, RecursionError):  # a DecodeError is a ValueError
            _log.warning("a question that is no JSON object")
            return
        try:
            said = await answer(question)
        except Exception as error:  # noqa: BLE001 - one question's failure
            report(error, where="question", counters=Counters(), entropy=system_entropy)
            said = {"error": "failed; see this unit's log"}
        writer.write(msgspec.json.encode(said) + b"\n")
        await writer.drain()
