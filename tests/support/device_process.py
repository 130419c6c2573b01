"""Devices in a process of their own that sends, listens, and may be killed at any moment: ``device_process.py PLAN``.

PLAN is a JSON file: a list of {"home", "heard", "send": [[address, text], ...]}. What of a plan was queued is found in
the device's store, so that a process that was killed is started again with the same plan and goes on. Every message
that the device tells of is a JSON line in the file ``heard``, written before anything else happens.
"""

import asyncio
import json
import sys
from pathlib import Path

from relayclient.client import Client
from relayclient.device import Device
from relayclient.events import MessageReceived
from relayproto.ids import Address

_PAUSE_S = 0.002
"""Between two texts, so that a plan is not queued as a whole before the first of it arrives."""
_MANY = 1 << 31


async def run(home: Path, heard: Path, send: list[list[str]]) -> None:
    with Device.open(home) as device, heard.open("a", encoding="utf-8") as said:
        async with Client(device, home) as client:
            sending = asyncio.create_task(queue(device, client, send))
            async for event in client.events():
                if isinstance(event, MessageReceived):
                    print(json.dumps([event.sender.hex(), event.text]), file=said, flush=True)
            await sending


async def queue(device: Device, client: Client, send: list[list[str]]) -> None:
    queued = len(device.outbox(_MANY))
    for address, text in send[queued:]:
        client.send(Address(address), text)
        await asyncio.sleep(_PAUSE_S)


async def run_all(plan: list[dict]) -> None:
    async with asyncio.TaskGroup() as together:
        for each in plan:
            together.create_task(run(Path(each["home"]), Path(each["heard"]), each["send"]))


if __name__ == "__main__":
    asyncio.run(run_all(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
