"""The real process on a disk that fails: its own exit status, no answer that is not so, and everything there later."""

import asyncio
import configparser
import json
from pathlib import Path

import pytest

from relayd.exits import Exit
from relayproto.replies import NotTaken
from support.kill_script import Script
from support.processes import STOP_TIMEOUT_S, RelayProcess, end
from support.tree import ROOT

SYNCS = range(1, 4)
"""One commit has one sync, and another where its log begins; the next commit has the third."""


async def begun(relay: RelayProcess) -> Script:
    """Make alice and bob at a sound relay, and let some messages come to their end."""
    script = Script(relay, STOP_TIMEOUT_S)
    relay.launcher = ("-m", "relayd.main")
    await asyncio.to_thread(relay.start)
    await script.begin()
    script.submit(*script.new())
    await script.until(script.book.complete)
    script.hang_up()
    assert relay.stop() == Exit.OK
    return script


async def on_a_failing_disk(script: Script, **how: int) -> Path:
    """Start the relay on a disk that fails once something more is submitted, and submit it; return the note."""
    noted = script.relay.state.with_name("noted.json")
    script.armed.unlink(missing_ok=True)
    script.plan.write_text(json.dumps({"armed": str(script.armed), "how": how, "noted": str(noted)}), "utf-8")
    script.relay.launcher = ("-m", "support.faulty_relay", str(script.plan))
    await asyncio.to_thread(script.relay.start)
    await script.come()
    script.armed.touch()
    script.submit(*script.new())
    return noted


async def found_again(script: Script) -> None:
    """Start a sound relay on what is left and compare it with all that was told."""
    script.hang_up()
    script.relay.launcher = ("-m", "relayd.main")
    await asyncio.to_thread(script.relay.start)
    await script.come()
    script.hang_up()


@pytest.mark.slow
async def test_a_relay_whose_sync_fails_ends_with_its_own_status_and_never_syncs_again(tmp_path) -> None:
    relay = RelayProcess(tmp_path / "relay")
    script = await begun(relay)
    try:
        for sync in SYNCS:
            noted = await on_a_failing_disk(script, broken_at=sync)
            assert relay.process is not None
            ended = await asyncio.to_thread(relay.process.wait, STOP_TIMEOUT_S)

            assert ended == Exit.FATAL
            assert json.loads(noted.read_text("utf-8")) == {"failed": True, "after": 0}
            await found_again(script)
            assert relay.stop() == Exit.OK
    finally:
        end(relay.process)


def test_systemd_does_not_restart_a_relay_whose_disk_failed() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "systemd" / "relayd.service", "utf-8")

    statuses = unit["Service"]["RestartPreventExitStatus"].split()

    assert str(int(Exit.FATAL)) in statuses
    assert unit["Service"]["Restart"] == "on-failure"


@pytest.mark.slow
async def test_a_relay_without_room_says_not_now_goes_on_and_takes_it_when_there_is_room(tmp_path) -> None:
    relay = RelayProcess(tmp_path / "relay")
    script = await begun(relay)
    try:
        script.book.may_be_full = True
        await on_a_failing_disk(script, full_at=1, full_for=2)
        alice = script.alice
        assert alice is not None
        await script.until(lambda: alice.got(NotTaken))

        assert relay.process is not None
        assert relay.process.poll() is None
        assert not script.book.complete()
        async with asyncio.timeout(STOP_TIMEOUT_S):
            while not script.book.complete():
                # As its answer says, but sooner: the relay looks at its disk every second.
                script.submit(*(each for number, each in script.book.sent.items() if number not in script.book.stored))
                await asyncio.sleep(0.2)
        script.hang_up()
        assert relay.stop() == Exit.OK
        await found_again(script)
    finally:
        end(relay.process)
