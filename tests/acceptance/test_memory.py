"""What a connection costs the relay does not depend on what waits for its device."""

import asyncio
import re
import socket
import time
from pathlib import Path

import pytest

from relayproto.commands import Credit
from support.processes import RelayProcess, a_relay
from support.visitors import submit_many, visitors

QUEUED = 100_000
GROWTH_BYTES_MAX = 6 << 20
"""An outbox (1 MiB), a backlog (128 KiB), SQLite's cache for reading (2 MiB), and what an allocator rounds up."""
SETTINGS = {
    "mailbox_messages = 5000": "mailbox_messages = 300000",
    "mailbox_bytes = 33554432": "mailbox_bytes = 1073741824",
    "device_rate_per_s = 200": "device_rate_per_s = 1000000",
    "device_burst = 1000": "device_burst = 1000000",
    "pair_rate_per_s = 50": "pair_rate_per_s = 1000000",
    "pair_burst = 500": "pair_burst = 1000000",
}
ALL = Credit(1 << 30, 1 << 40)


def resident_bytes(relay: RelayProcess) -> int:
    [kib] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{relay.pid}/status").read_text("ascii"))
    return int(kib) << 10


def delivered(relay: RelayProcess) -> float:
    _, page = relay.page("/metrics")
    return float(re.findall(rb"^relayd_delivered_total (\S+)$", page, re.MULTILINE)[0])


async def stopped(relay: RelayProcess) -> float:
    """Return how many were written once no more are: the reader's and the relay's buffers are full."""
    before, deadline = -1.0, time.monotonic() + 30
    while before != (now := await asyncio.to_thread(delivered, relay)) or not now:
        assert time.monotonic() < deadline
        before = now
        await asyncio.sleep(1)
    return now


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_100000_queued_messages_and_a_reader_that_stops_cost_no_more_than_a_few(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay", settings=SETTINGS) as relay:
        async with visitors(relay, "alice", "bob", "carol") as (alice, bob, carol):
            sender, _ = await alice.login()
            await submit_many(sender, bob, QUEUED)
            other, _ = await carol.login(ALL)
            await submit_many(sender, carol, 200, first=QUEUED + 1)
            await other.close()
            await asyncio.sleep(1)
            before = resident_bytes(relay)

            line, _ = await bob.login(ALL)
            line.transport.pause_reading()
            line.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            written = await stopped(relay)
            growth = resident_bytes(relay) - before

    assert written < QUEUED // 2, "the reader did not stop, so nothing was measured"
    assert growth < GROWTH_BYTES_MAX
