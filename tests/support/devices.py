"""Joined devices with a scripted relay, for tests of what drives them."""

import asyncio
from pathlib import Path

from relayclient import enrol
from relayclient.clock import RelayClock
from relayclient.device import Device
from support.scripted_relay import ScriptedRelay


async def started() -> ScriptedRelay:
    relay = ScriptedRelay()
    await relay.start()
    return relay


async def joined(relay: ScriptedRelay, home: Path, name: str) -> Device:
    """Enrol ``name``@office.example in ``home``/``name``."""
    device = Device.create(home / name, relay.invite(f"{name}@office.example"), now_ms=RelayClock().now_ms())
    await enrol.join(device)
    return device


async def seen(client, kind, count=1, timeout_s=30.0):
    """Return the first ``count`` events of a kind that the client tells of."""
    found = []
    async with asyncio.timeout(timeout_s):
        async for event in client.events():
            if isinstance(event, kind):
                found.append(event)
                if len(found) == count:
                    break
    return found


async def until(condition, timeout_s=30.0):
    """Wait until ``condition()`` is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a test looks at what it does not own
            await asyncio.sleep(0.005)
