"""The services' room: asking a unit that may reach outside, where the relay may not (operations.md).

A question enters, one line of JSON on a Unix socket; an answer leaves, or a fault. The rules of this file: the relay
never waits for it long, never believes more of it than fits a line, and lives without it.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import msgspec

from relayd.domain.refusals import Fault
from relayproto.codes import Code

LINE_BYTES_MAX: Final = 65_536
"""A checkpoint is 300 bytes, the texts of a domain's zone a few thousand."""
TIMEOUT_S: Final = 20.0
"""A resolver gives up after ten seconds; a command that carries a checkpoint has twice that."""
RETRY_MS: Final = 30_000


class Outside:
    """One such unit, at its socket."""

    __slots__ = ("_path", "_timeout_s")

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the unit's answer. Raises Fault(UNAVAILABLE) where it is away, late or makes no sense."""
        try:
            async with asyncio.timeout(self._timeout_s):
                line = await self._exchange(msgspec.json.encode(question) + b"\n")
            answer: dict[str, Any] = msgspec.json.decode(line, type=dict)
        except (
            OSError,
            ValueError,
            RecursionError,
            asyncio.IncompleteReadError,
        ) as error:
            raise Fault(Code.UNAVAILABLE, RETRY_MS) from error
        return answer

    async def _exchange(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_BYTES_MAX)
        try:
            writer.write(line)
            await writer.drain()
            return await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            raise ValueError("a line that is too long") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
