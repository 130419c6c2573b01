"""The relay's door for its local operator: a Unix socket that speaks the protocol's own frames.

A connection of root or of the relay's own user enters; the service answers its commands. The rules of this file: who
it is comes from the kernel (SO_PEERCRED) and goes with each command, everything is bounded, one command is answered
before the next is read. A frame is ``length u16 | msgpack``, as in a record (spec 30 §1).
"""

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Final, Protocol, cast, get_args

from relayd import logs
from relayd.domain.refusals import Fault, Refusal
from relayd.incidents import report
from relayd.metrics import Counters
from relayproto import frame, message
from relayproto.codes import Code, GoawayCode
from relayproto.commands import COMMANDS, OperatorCommand
from relayproto.errors import Malformed
from relayproto.limits import FRAME_BYTES_MAX
from relayproto.message import Message
from relayproto.notices import Goaway
from relayproto.primitives import Entropy
from relayproto.replies import Refused

SESSIONS_MAX: Final = 8
"""People type these commands; a script that needs more at once waits."""
IDLE_S: Final = 30.0
"""How long a session may take for its next command."""

_log = logs.get_logger("operator")
_COMMANDS: Final = {kind: COMMANDS[kind] for kind in (each.KIND for each in get_args(OperatorCommand))}
_PEERCRED: Final = struct.Struct("3i")


class Verbs(Protocol):
    """What the service does; an expected no is raised as a Refusal."""

    async def answer(self, command: OperatorCommand, uid: int) -> Message:
        """Do what a command of this user says."""


def bind(path: Path) -> socket.socket:
    """Return a listening socket at ``path`` that only its owner can open; what a crashed relay left is removed.

    The caller holds the state directory's lock, so whatever is there belongs to nobody.
    """
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listening.bind(str(path))
        path.chmod(0o600)  # before listen: nobody can have connected yet
        listening.listen(SESSIONS_MAX)
    except OSError:
        listening.close()
        raise
    return listening


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end, as the kernel knows it."""
    return int(_PEERCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))[1])


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame; IncompleteReadError at the end of the stream, Malformed for a length out of bounds."""
    length = int.from_bytes(await reader.readexactly(2))
    if not 0 < length <= FRAME_BYTES_MAX:
        raise Malformed("a frame's length is out of bounds")
    return await reader.readexactly(length)


class OperatorListener:
    """The operator's socket."""

    __slots__ = ("_counters", "_entropy", "_servers", "_tasks", "_verbs")

    def __init__(self, verbs: Verbs, *, counters: Counters, entropy: Entropy) -> None:
        """Take the operator's service."""
        self._verbs = verbs
        self._counters = counters
        self._entropy = entropy
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self, listening: socket.socket) -> None:
        """Serve on a Unix socket that listens already."""
        self._servers.append(await asyncio.start_unix_server(self._session, sock=listening, limit=FRAME_BYTES_MAX))

    async def close(self) -> None:
        """Stop listening and end what is open."""
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - start_unix_server runs this as one
        self._tasks.add(task)
        try:
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid not in {0, os.geteuid()}:
                _log.warning("operator refused", uid=uid)
            elif len(self._tasks) <= SESSIONS_MAX:
                await self._talk(reader, writer, uid)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> None:
        """Answer one command after the other, until the peer has enough."""
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    octets = await _frame(reader)
                    _write(writer, *await self._answer(octets, uid))
                    await writer.drain()
        except Malformed as error:
            _log.warning("operator frame", detail=error.detail)
            _write(writer, 0, Goaway(GoawayCode.BAD_FRAME, reconnect=False, after_ms=0))
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass

    async def _answer(self, octets: bytes, uid: int) -> tuple[int, Message]:
        """Return (request, reply)."""
        kind, request, _ = frame.decode(octets)
        try:
            return request, await self._do(kind, octets, uid)
        except (Refusal, Fault) as no:
            return request, Refused(no.code, no.retry_after_ms)
        except Malformed:
            raise
        except Exception as error:  # noqa: BLE001 - the border where our own mistakes stop
            report(error, where="operator", counters=self._counters, entropy=self._entropy)
            return request, Refused(Code.INTERNAL, 0)

    async def _do(self, kind: int, octets: bytes, uid: int) -> Message:
        known = _COMMANDS.get(kind)
        if known is None:
            return Refused(Code.UNSUPPORTED, 0)
        return await self._verbs.answer(cast("OperatorCommand", message.read(known, octets)), uid)


def _write(writer: asyncio.StreamWriter, request: int, reply: Message) -> None:
    octets = message.encode(reply, request)
    writer.write(len(octets).to_bytes(2) + octets)
