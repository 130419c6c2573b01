"""The command line: what the verbs that need the relay share.

A coroutine enters and its result leaves; a command for the relay enters and its answer leaves.
The rule of this file: a verb waits with a limit, ends in order on Ctrl-C and SIGTERM, and says why it is offline.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import relayproto
from relayclient import holder
from relayclient.cli import terminal
from relayclient.client import Client
from relayclient.device import Device
from relayclient.errors import RelayAway
from relayclient.events import Connected, Disconnected, Event
from relayclient.holder import Holder
from relayproto.commands import DeviceCommand
from relayproto.replies import Reply

T = TypeVar("T")
BUILD: Final = f"relay {relayproto.__version__}"
_LOOK_S: Final = 0.1
"""How often the store is read while another process holds the connection."""
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


async def reach(
    device: Device, home: Path, reached: Callable[[], bool], *, timeout_s: float, patient: bool = True
) -> str:
    """Let what is in the store go out until ``reached``, ourselves or beside whoever holds the connection.

    Returns, also when the time is over, why the last connection failed ("" where none did). Where not ``patient`` the
    first failure ends the waiting.
    """
    holder.poke(home)
    why = ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not reached():
                held = holder.take(home)
                if held is None:
                    await _beside(home, reached)
                    continue
                async with contextlib.aclosing(_failures(device, home, held, reached)) as failures:
                    async for why in failures:
                        if not patient:
                            return why
                        terminal.progress(f"{why}; trying again until the time is over")
    return why


async def _beside(home: Path, reached: Callable[[], bool]) -> None:
    """Watch the store while another process sends; return when that one has ended."""
    while not reached():
        await asyncio.sleep(_LOOK_S)
        if (held := holder.take(home)) is not None:
            held.release()
            return


async def _failures(device: Device, home: Path, held: Holder, reached: Callable[[], bool]) -> AsyncGenerator[str, None]:
    """Stay connected until ``reached``; yield why a connection failed, each reason once in a row."""
    why = ""
    async with client(device, home, held) as connected, contextlib.aclosing(connected.events()) as events:
        async for event in events:
            if isinstance(event, Disconnected) and event.reason != why:
                why = event.reason
                yield why
            if reached():
                return


def _worth_waiting(event: Event) -> str:
    if isinstance(event, Disconnected) and event.retry_in_s is not None:
        raise RelayAway(event.reason)  # else the client itself tells what there is to tell
    return "no answer in time"
