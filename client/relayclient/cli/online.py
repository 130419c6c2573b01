"""The command line: what the verbs that need the relay share.

A coroutine enters and its result leaves; a command for the relay enters and its answer leaves.
The rule of this file: a verb waits with a limit, ends in order on Ctrl-C and SIGTERM, and says why it is offline.
"""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import relayproto
from relayclient.client import Client
from relayclient.device import Device
from relayclient.errors import RelayAway
from relayclient.events import Connected, Disconnected, Event
from relayclient.holder import Holder
from relayproto.commands import DeviceCommand
from relayproto.replies import Reply

T = TypeVar("T")
BUILD: Final = f"relay {relayproto.__version__}"
ANSWER_TIMEOUT_S: Final = 20.0
"""Two connection attempts and an answer; whoever waits at a prompt has given up by then."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's coroutine; SIGTERM ends it as Ctrl-C does, with its ``finally`` blocks."""

    async def bounded() -> T:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(bounded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def client(device: Device, home: Path, held: Holder | None = None) -> Client:
    """Return the client of a verb; entering it raises ConnectionHeld where another process is connected."""
    return Client(device, home, build=BUILD, held=held)


async def ask(device: Device, home: Path, command: DeviceCommand) -> Reply:
    """Connect, ask, and end the connection. Raises RelayAway with its reason, and ConnectionHeld."""
    async with client(device, home) as connected:
        why = "no answer in time"
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S), contextlib.aclosing(connected.events()) as events:
                async for event in events:
                    if isinstance(event, Connected):
                        return await connected.ask(command)
                    why = _worth_waiting(event)
        except TimeoutError:
            pass
        raise RelayAway(why)


def _worth_waiting(event: Event) -> str:
    if isinstance(event, Disconnected):
        raise RelayAway(event.reason)
    return "no answer in time"
