"""A leaf of the relay: the unit that carries checkpoints of the audit log outside (spec 80 §3).

A checkpoint enters on the unit's socket; it lies outside when the answer leaves. The rules of this file: nothing is
said to be carried before it is synced or the operator's own command has said so; the same one twice does no harm.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

COMMAND_TIMEOUT_S: Final = 15.0
"""Less than the relay waits, so that it hears why."""


class Checkpoint(msgspec.Struct, forbid_unknown_fields=True):
    """A checkpoint as the relay hands it over; bytes are hexadecimal."""

    relay: str
    records: int
    head: str
    at_ms: int
    key_id: int
    signature: str


class Carrier:
    """Appends to files in a directory - a mount of another machine, say - or gives each to a command, or both."""

    __slots__ = ("_command", "_directory")

    def __init__(self, directory: Path | None, command: Sequence[str]) -> None:
        self._directory = directory
        self._command = tuple(command)

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Carry one checkpoint; ``carried`` in the answer is how many records it is for."""
        try:
            checkpoint = msgspec.convert(question, Checkpoint)
        except msgspec.ValidationError as error:
            return {"error": f"not a checkpoint: {error}"}
        line = msgspec.json.encode(checkpoint) + b"\n"
        if self._directory is not None:
            await asyncio.to_thread(append, self._directory, checkpoint.at_ms, line)
        if self._command:
            failure = await self._run(line)
            if failure:
                return {"error": failure}
        return {"carried": checkpoint.records}

    async def _run(self, line: bytes) -> str:
        """Give a checkpoint to the command on its standard input; return what went wrong, empty where nothing did."""
        process = await asyncio.create_subprocess_exec(*self._command, stdin=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await process.communicate(line)
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"the command took longer than {COMMAND_TIMEOUT_S:g} s"
        return "" if process.returncode == 0 else f"the command ended with {process.returncode}"


def append(directory: Path, at_ms: int, line: bytes) -> None:
    """Append a line to the month's file, all of it, and sync it, the directory as well where the file is new.

    Raises OSError, after which part of the line may be there: the next one begins a line of its own.
    """
    month = dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC).strftime("%Y-%m")
    path = directory / f"checkpoints-{month}.jsonl"
    new = not path.exists()
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(opened).st_size
        if size and os.pread(opened, 1, size - 1) != b"\n":
            line = b"\n" + line  # what a power cut or a full disk tore: it stays, as a line that is none
        while line:
            line = line[os.write(opened, line) :]
        os.fsync(opened)
    finally:
        os.close(opened)
    if new:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(held)
        finally:
            os.close(held)
