"""What an operator sees first when something is wrong: one line that names the cause and the next step.

Real processes: for each cause the first line of the log at "error" or above, or the one line of a program that ends.
Causes that only keep a relay from starting are in test_start.py, descriptors in test_descriptors.py.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from relayd.clock import SystemClock
from relayd.exits import Exit
from relayd.store.database import PAGE_BYTES
from support.clocks import HandClock
from support.disks import fill, make_an_error, real_disk, small_disk
from support.processes import Ended, RelayProcess, a_relay, command, relay, relayd, run, succeed, until
from support.stores import house

ALICE, BOB = "alice@office.example", "bob@office.example"
TABLE_LEAF = 0x0D
"""The first byte of such a page (sqlite.org/fileformat2.html)."""
TURNED = """
import sys
from pathlib import Path
from relayd import clock
wall_ms, turned_by = clock._wall_ms, Path({file!r})
clock.SystemClock.__init__.__kwdefaults__["wall_ms"] = lambda: wall_ms() + int(turned_by.read_text())
from relayd.main import main
sys.exit(main())
"""
HOUR_MS = 3_600_000


def first_error(running: RelayProcess) -> dict[str, object]:
    """Return the first event of the log at "error" or above, nothing where there is none."""
    lines = [line.partition(">")[2] for line in running.log.read_text("utf-8").splitlines() if line.startswith("<")]
    for event in map(json.loads, lines):
        if event["level"] in {"error", "critical"}:
            return event
    return {}


def figure(running: RelayProcess, name: str) -> float:
    [line] = [each for each in running.page("/metrics")[1].decode().splitlines() if each.startswith(f"{name} ")]
    return float(line.split()[1])


def with_people(running: RelayProcess, place: Path) -> tuple[Path, Path]:
    return running.join(place / "alice", ALICE), running.join(place / "bob", BOB)


@pytest.mark.slow
def test_a_disk_that_fills_while_it_runs(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as place, a_relay(place / "relay") as running:
        alice, _ = with_people(running, tmp_path)
        other = fill(place, leave=1 << 20)
        until(lambda: figure(running, "relayd_disk_refusing") == 1, 20)

        seen = first_error(running)
        waiting = relay(alice, "send", BOB, "text", "--timeout", "2")
        other.unlink()
        until(lambda: figure(running, "relayd_disk_refusing") == 0, 20)

        assert seen["event"] == "submissions are refused, the disk is nearly full; make room on it"
        assert waiting.status == Exit.LATER
        assert succeed(relay(alice, "send", BOB, "another"))
        assert running.stop() == Exit.OK


@pytest.mark.slow
def test_a_disk_that_fails_while_it_runs_and_can_only_be_read_from_then_on(tmp_path: Path) -> None:
    with real_disk(tmp_path / "disk", 48) as place:
        running = RelayProcess(place / "relay")
        running.log = tmp_path / "log"
        running.start()
        try:
            make_an_error(place)
            assert running.process is not None
            ended = running.process.wait(30)
        finally:
            running.stop()
        again = relayd(running.state, "serve", timeout_s=30)

    seen = first_error(running)
    assert ended == Exit.FATAL
    assert (seen["level"], seen["event"]) == ("critical", "the store can't be trusted any more")
    assert str(seen["error"]).startswith(f"{running.state}/relay.db: ")
    assert any(step in str(seen["error"]) for step in NEXT_STEPS)
    says(again, Exit.CANNOT_CREATE, f"{running.state}: Read-only file system")


NEXT_STEPS = (
    "relayd must be able to write the file and its directory; see their owner and the mount",
    "reading or writing failed below us; look at the kernel's log and the disk before a restart",
)
"""By what the relay tried first when the disk had become read-only."""


def says(ended: Ended, status: Exit, *parts: str) -> None:
    """The program ended so, with one line that has all these parts."""
    line = ended.lines[-1]
    assert (ended.status, line.startswith("relayd: ")) == (status, True), ended.lines
    for part in parts:
        assert part in line, line


@pytest.mark.slow
def test_a_clock_two_hours_off(tmp_path: Path) -> None:
    turned_by = tmp_path / "turned-by"
    turned_by.write_text("0")
    running = RelayProcess(tmp_path / "relay", launcher=("-c", TURNED.format(file=str(turned_by))))
    running.start()
    try:
        turned_by.write_text(str(2 * HOUR_MS))
        until(lambda: figure(running, "relayd_clock_ahead_seconds") > 7_000, 10)
        ahead = first_error(running)
        succeed(relayd(running.state, "confirm-clock"))
        until(lambda: figure(running, "relayd_clock_ahead_seconds") == 0, 10)
        assert running.stop() == Exit.OK
        running.log.unlink()
        turned_by.write_text("0")
        running.start()
        until(lambda: figure(running, "relayd_clock_behind_seconds") > 7_000, 10)
        until(lambda: first_error(running) != {}, 10)
        behind = first_error(running)
    finally:
        running.stop()

    assert ahead["event"] == "the clock jumped ahead; nothing expires by it until relayd confirm-clock"
    assert behind["event"] == (
        "the clock is behind the relay's time, which goes on from where it was; put the clock right"
    )


@pytest.fixture
def used(tmp_path: Path) -> RelayProcess:
    """A relay that has stopped and holds some envelopes."""
    running = RelayProcess(tmp_path / "relay")
    asyncio.run(_use(running.state))
    return running


async def _use(state: Path) -> None:
    # Of its own time, or what waits here had expired before the relay starts.
    clock = HandClock(now_ms=SystemClock().now_ms())
    async with house(state, clock=clock, master_key=(state / "keys" / "master.key").read_bytes()) as store:
        alice, bob = await store.enrol("someone"), await store.enrol("someone-else")
        for _ in range(100):
            await store.submit(alice, bob, body=bytes(1_000))


def lose_a_key(name: str) -> Callable[[Path], None]:
    return lambda state: (state / name).unlink()


def damage_pages(state: Path) -> None:
    octets = bytearray((state / "relay.db").read_bytes())
    leaves = [at for at in range(0, len(octets), PAGE_BYTES) if octets[at] == TABLE_LEAF]
    for at in leaves[-3:]:
        octets[at : at + 100] = b"\xff" * 100
    (state / "relay.db").write_bytes(octets)


LOST_DAY_KEYS = "relay.db: the file day-keys lacks the key of envelopes that are still queued"


@pytest.mark.parametrize(
    ("harm", "status", "parts"),
    [
        (lose_a_key("keys/master.key"), Exit.CONFIG, ("keys/master.key: No such file", "put its copy back")),
        (lose_a_key("keys/relay-1.key"), Exit.CONFIG, ("keys/relay-1.key: No such file", "put its copy back")),
        (lose_a_key("root.pub"), Exit.CONFIG, ("root.pub: No such file", "put its copy back")),
        (
            lose_a_key("day-keys"),
            Exit.FATAL,
            (LOST_DAY_KEYS, "put back day-keys and the database of one and the same moment"),
        ),
        (damage_pages, Exit.FATAL, ("relay.db: ", "copy the whole state directory away as it is", "the last copy")),
    ],
    ids=["master key", "relay key", "root", "day keys", "corrupted pages"],
)
def test_what_was_lost_or_damaged_is_named_at_the_start(
    used: RelayProcess, harm: Callable[[Path], None], status: Exit, parts: tuple[str, ...]
) -> None:
    harm(used.state)

    ended = relayd(used.state, "serve", timeout_s=30)

    says(ended, status, *parts)


@pytest.mark.slow
def test_corrupted_pages_are_found_by_verify_and_become_no_backup(used: RelayProcess, tmp_path: Path) -> None:
    succeed(run(command("relayd.main", "backup-key", tmp_path / "key"), tmp_path))
    where = ("--to", tmp_path / "shelf", "--recipient", tmp_path / "key.pub")
    good = relayd(used.state, "verify")
    damage_pages(used.state)

    bad = relayd(used.state, "verify")
    backup = relayd(used.state, "backup", *where)

    assert good.status == Exit.OK
    assert bad.status == Exit.NOT_WHOLE
    assert b"WRONG" in bad.out
    assert b"go on from the last backup: relayd restore" in bad.out
    says(backup, Exit.NOT_WHOLE, "it is not whole", "nothing was kept", "relayd verify says more")
