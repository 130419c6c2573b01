"""Counters and the data map through a real relay, its command lines and its backups."""

import contextlib
import fnmatch
import json
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from relayd.services.retention import whole_map
from relayproto.codes import Fate
from relayproto.standing import Role, Standing
from support.processes import RelayProcess, a_relay, command, relay, relayd, run, succeed, until

ALICE, BOB = "alice@office.example", "bob@office.example"
DAY_MS = 86_400_000
MESSAGES = 12
ORGANISATION = 1


def database(running: RelayProcess) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(running.state / "relay.db"))


def settle_in(running: RelayProcess) -> None:
    """Let alice belong to an organisation of which she may see the counters, while the relay does not run."""
    until_ms = int(time.time() * 1000) + DAY_MS
    with database(running) as db, db:
        db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'Works', 1)")
        db.execute("INSERT INTO organisation VALUES (1, zeroblob(32), x'', 1)")
        db.execute("UPDATE account SET unit = 1, standing = ? WHERE address = ?", (Standing.VERIFIED, ALICE))
        for address, role, unit in ((ALICE, Role.STATISTICS_VIEWER, 1), (BOB, Role.PLATFORM_OPERATOR, 0)):
            db.execute(
                "INSERT INTO held_role (unit, account, role, until_ms) SELECT ?, id, ?, ? FROM account"
                " WHERE address = ?",
                (unit, role, until_ms, address),
            )


def counted(running: RelayProcess) -> dict[tuple[int, int], int]:
    with database(running) as db:
        rows = db.execute("SELECT organisation, fate, sum(count) FROM statistic GROUP BY organisation, fate")
        return {(organisation, fate): targets for organisation, fate, targets in rows}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_was_sent_is_counted_and_told_to_whom_it_may_when_its_day_is_over(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        alice, bob = running.join(tmp_path / "alice", ALICE), running.join(tmp_path / "bob", BOB)
        running.stop()
        settle_in(running)
        running.start()
        lines = "".join(f"message {number}\n" for number in range(MESSAGES)).encode()
        succeed(relay(alice, "send", BOB, "--lines", "-", stdin=lines))
        succeed(relay(bob, "listen", "--drain", "--timeout", "20"))
        succeed(relay(bob, "send", ALICE, "few"))
        succeed(relay(alice, "listen", "--drain", "--timeout", "20"))
        today = relay(alice, "stats", "show", "--json")
        running.stop()

        found = counted(running)
        with database(running) as db, db:
            # Yesterday's news: the relay cannot be made to wait for midnight here.
            db.execute("UPDATE statistic SET day = day - 1")
        running.start()
        own = succeed(relay(alice, "stats", "show", "--json"))
        totals = succeed(relay(bob, "stats", "show", "0", "--json"))
        not_his = relay(bob, "stats", "show", "1", "--json")
        table = succeed(relay(alice, "stats", "show"))

    assert found[ORGANISATION, Fate.STORED] >= MESSAGES
    assert found[ORGANISATION, Fate.DELIVERED] >= MESSAGES
    assert found[0, Fate.STORED] >= 1
    assert (today.status, today.out) == (0, b""), "a day that is not over"
    told = [json.loads(line) for line in own.out.splitlines()]
    assert sum(cell["targets"] for cell in told if cell["fate"] == "stored") >= MESSAGES
    assert all(cell["targets"] >= 10 for cell in told)
    assert not_his.status == 77
    # bob's few are pooled: the totals are alice's and nothing that could be subtracted.
    shown = {(cell["class"], cell["size"], cell["fate"]): cell["targets"] for cell in told}
    assert {
        (cell["class"], cell["size"], cell["fate"]): cell["targets"]
        for cell in map(json.loads, totals.out.splitlines())
        if (cell["class"], cell["size"], cell["fate"]) in shown
    } == shown
    assert b"<10" in table.out


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_kill_loses_seconds_of_counts_and_no_more(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        alice, bob = running.join(tmp_path / "alice", ALICE), running.join(tmp_path / "bob", BOB)
        succeed(relay(alice, "send", BOB, "before"))
        deadline = time.monotonic() + 30
        while not counted(running):
            assert time.monotonic() < deadline, "counts are written within 15 s"
            time.sleep(0.5)
        before = counted(running)[0, Fate.STORED]
        succeed(relay(alice, "send", BOB, "just now"))
        running.kill()
        running.start()

        heard = succeed(relay(bob, "listen", "--drain", "--timeout", "20", "--json"))

        assert [json.loads(line)["text"] for line in heard.out.splitlines()] == ["before", "just now"]
        assert counted(running)[0, Fate.STORED] >= before


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_anybody_reads_what_is_kept_by_the_settings_in_force(tmp_path: Path) -> None:
    settings = {"# How long they are kept.\nretention_days = 400": "# How long they are kept.\nretention_days = 60"}
    with a_relay(tmp_path / "relay", settings=settings) as running:
        alice = running.join(tmp_path / "alice", ALICE)

        rows = [json.loads(line) for line in succeed(relay(alice, "stats", "retention", "--json")).out.splitlines()]
        page = succeed(relay(alice, "stats", "retention")).out.decode()

    kept = {(row["place"], row["column"]): row["kept_s"] for row in rows}
    assert len(kept) == len(rows) > 150
    assert kept["statistic", "count"] == 61 * 86_400
    assert kept["envelope", "sealed"] == 30 * 86_400
    assert "statistic - of organisations; at most 61 days; " in page
    assert "    count: " in page


def strays(files: Iterable[Path], root: Path, patterns: Iterable[str]) -> set[str]:
    """Return the files below a directory that no pattern of the map fits."""
    patterns = list(patterns)
    names = {path.relative_to(root).as_posix() for path in files if not path.is_dir()}
    return {name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_file_of_a_relay_and_of_its_backups_is_in_the_map(tmp_path: Path) -> None:
    kept, shelf, key = whole_map(), tmp_path / "shelf", tmp_path / "backup.key"
    with a_relay(tmp_path / "relay", settings={"ballast_bytes = 0": "ballast_bytes = 65536"}) as running:
        alice = running.join(tmp_path / "alice", ALICE)
        running.join(tmp_path / "bob", BOB)
        succeed(relay(alice, "send", BOB, "a message"))
        succeed(run(command("relayd.main", "backup-key", key), tmp_path))
        succeed(relayd(running.state, "backup", "--to", shelf, "--recipient", f"{key}.pub"))
        # The first sweep writes it, a second after the start.
        until((running.state / "high-water").exists, 10)
        while_running = strays(running.state.rglob("*"), running.state, kept.files)
        seen = [path.relative_to(running.state).as_posix() for path in running.state.rglob("*")]
        running.stop()
        afterwards = strays(running.state.rglob("*"), running.state, kept.files)
        backups = strays(shelf.rglob("*"), shelf, kept.backups)
        held = [path.relative_to(shelf).as_posix() for path in shelf.rglob("*")]

    assert while_running | afterwards == set()
    assert backups == set()
    passing = {"relay.db.version-*", "backup-scratch", "restore-unfinished"}
    unseen = {pattern for pattern in kept.files if not fnmatch.filter(seen, pattern)}
    assert unseen == passing, "the map names a file that a relay does not write"
    assert {pattern for pattern in kept.backups if not fnmatch.filter(held, pattern)} == set()
