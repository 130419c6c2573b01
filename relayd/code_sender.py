"""A leaf of the relay: the unit that sends codes to people who register (spec 89 §2).

A contact and its code enter on the unit's socket; the operator's own command has them on its standard input when the
answer leaves. The rules of this file: neither is in an argument, the environment or the log, where others on this
machine could read them; what the command says is its own and is not looked at.
"""

import asyncio
import subprocess
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

COMMAND_TIMEOUT_S: Final = 15.0
"""Less than the relay waits, so that it hears why."""


class Question(msgspec.Struct, forbid_unknown_fields=True, tag_field="question", tag="code"):
    """A code as the relay hands it over. Nothing in it can begin a line of its own or an option."""

    contact: Annotated[str, Meta(max_length=254, pattern=r"^[a-z0-9][a-z0-9._+-]*@[a-z0-9.-]+\Z")]
    code: Annotated[str, Meta(pattern=r"^[0-9]{8}\Z")]


class CodeSender:
    """Gives each code to a command."""

    __slots__ = ("_command",)

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send one code; ``sent`` in the answer says that the command has taken it."""
        try:
            asked = msgspec.convert(question, Question)
        except msgspec.ValidationError:
            return {"error": "not a code to send"}
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await process.communicate(f"{asked.contact}\n{asked.code}\n".encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            return {"error": f"the command took longer than {COMMAND_TIMEOUT_S:g} s"}
        return {"sent": True} if process.returncode == 0 else {"error": f"the command ended with {process.returncode}"}
