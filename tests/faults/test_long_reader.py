"""A log that cannot be moved because somebody reads for long: the relay goes on, says so, and recovers."""

import asyncio
import contextlib
import sqlite3

import pytest

from relayd.exits import Exit
from relayd.store.database import PAGE_BYTES
from relayproto.codes import SubmitFlag
from support import device
from support.kill_script import Script
from support.processes import STOP_TIMEOUT_S, a_relay

PAGES = 100
BODY = bytes(range(256)) * 40
ROUNDS = 30
PATIENCE_S = 40.0


async def log_bytes(script: Script) -> int:
    """Return what /metrics says of the log's size."""
    _, page = await asyncio.to_thread(script.relay.page, "/metrics")
    [line] = [line for line in page.decode().splitlines() if line.startswith("relayd_store_log_bytes ")]
    return int(float(line.split()[1]))


async def write(script: Script, rounds: int) -> None:
    """Let messages of some pages go from alice to bob, each to its end."""
    for _ in range(rounds):
        number = len(script.book.sent) + 1
        said = device.submit(number, script.people["bob"], ttl_s=600, flags=SubmitFlag.OUTCOME, body=BODY)
        script.submit(said)
        await script.until(script.book.complete)


async def said(script: Script, condition) -> int:
    """Wait until the log's size in the metrics is as wanted, and return it."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition(found := await log_bytes(script)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return found


@pytest.mark.slow
async def test_while_somebody_reads_the_log_grows_and_is_told_and_afterwards_it_is_short_again(tmp_path) -> None:
    pages = {"wal_autocheckpoint_pages = 16000": f"wal_autocheckpoint_pages = {PAGES}"}
    with a_relay(tmp_path / "relay", settings=pages) as relay:
        script = Script(relay, STOP_TIMEOUT_S)
        await script.begin()
        with contextlib.closing(sqlite3.connect(relay.state / "relay.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM envelope").fetchone()

            await write(script, ROUNDS)
            long = await said(script, lambda size: size > 3 * PAGES * PAGE_BYTES)

            assert script.book.complete()
            assert reader.execute("SELECT count(*) FROM envelope").fetchone() == before
            assert (await asyncio.to_thread(relay.ready)) is True
            reader.execute("COMMIT")
        # One commit moves the log, the next begins it again.
        await write(script, 3)
        short = await said(script, lambda size: size < PAGES * PAGE_BYTES)

        assert short < long // 3
        assert (relay.state / "relay.db-wal").stat().st_size < PAGES * PAGE_BYTES
        script.hang_up()
        assert relay.stop() == Exit.OK
