"""A newer program over an older store, and back again; there is no older release yet, so the newer one is made up.

The made-up program is this one with one migration more.
"""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayd.exits import Exit
from relayd.store import database
from relayd.store.copies import before_upgrade
from support.disks import fill, small_disk
from support.kills import every_step
from support.processes import Ended, RelayProcess, a_relay, end, environment, relay, relayd, run, succeed, until

KNOWN = database.migrations()[-1][0]
NEWER = f"""
import sys
from relayd.store import database
known = database.migrations()
script = "ALTER TABLE report ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"
database.migrations = lambda: [*known, ({KNOWN + 1}, script)]
from relayd.main import main
sys.exit(main())
"""


def newer(relay_: RelayProcess, verb: str) -> list[str]:
    return [sys.executable, "-c", NEWER, verb, "--state", str(relay_.state)]


@contextlib.contextmanager
def newer_serves(relay_: RelayProcess) -> Iterator[None]:
    with relay_.log.open("ab") as log:
        started = subprocess.Popen(
            newer(relay_, "serve"), env=environment(relay_.state.parent), cwd=relay_.state.parent, stdout=log,
            stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        until(relay_.ready, 20)
        yield
    finally:
        assert end(started) == Exit.OK


def version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.slow
def test_an_upgrade_keeps_a_copy_with_which_the_older_program_goes_on(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        alice = running.join(tmp_path / "alice", "alice@office.example")
        bob = running.join(tmp_path / "bob", "bob@office.example")
        succeed(relay(alice, "send", "bob@office.example", "before"))
        assert running.stop() == Exit.OK
        path = running.state / "relay.db"
        kept = before_upgrade(path, KNOWN)

        with newer_serves(running):
            log = running.log.read_text("utf-8")
            succeed(relay(alice, "send", "bob@office.example", "after"))
        refused = relayd(running.state, "serve", timeout_s=30)
        upgraded = (version(path), version(kept))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        kept.rename(path)
        running.start()
        succeed(relay(alice, "listen", "--drain", "--timeout", "20"))
        heard = succeed(relay(bob, "listen", "--drain", "--timeout", "20")).out.decode()

        assert upgraded == (KNOWN + 1, KNOWN)
        assert "the store is upgraded; its copy of before is kept" in log
        says(refused, Exit.FATAL, f"its version is {KNOWN + 1}", "made by a newer relayd", "nothing was changed")
        assert "older copy of itself" in running.log.read_text("utf-8")
        assert "before" in heard
        assert "after" in heard


def says(ended: Ended, status: Exit, *parts: str) -> None:
    [line] = ended.lines
    assert ended.status == status, line
    for part in parts:
        assert part in line


def used(path: Path) -> None:
    with contextlib.closing(database.connect(path, autocheckpoint_pages=1_000)) as db:
        db.execute("INSERT INTO report (day, sealed) VALUES (1, x'00')")


def test_at_every_step_of_an_upgrade_a_kill_leaves_what_the_next_start_goes_on_with(
    tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / "state" / "relay.db"
    known = database.migrations()
    more = [(KNOWN + 1, "ALTER TABLE report ADD COLUMN seen INTEGER;"), (KNOWN + 2, "CREATE TABLE further (x);")]

    def begin_again() -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        monkeypatch.setattr(database, "migrations", lambda: known)
        used(path)
        monkeypatch.setattr(database, "migrations", lambda: [*known, *more])

    def upgrade() -> None:
        database.connect(path, autocheckpoint_pages=1_000).close()

    kills = 0
    for step in every_step(upgrade, begin_again):
        kills = step + 1
        kept = before_upgrade(path, KNOWN)
        if kept.exists():
            assert version(kept) == KNOWN
        upgrade()
        assert version(path) == KNOWN + 2
        assert version(kept) == KNOWN
        assert [each.name for each in path.parent.glob("*.unfinished")] == []

    assert kills >= 3


def test_an_upgrade_without_room_for_the_copy_changes_nothing_and_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as place:
        with a_relay(place / "relay") as running:
            pass
        with contextlib.closing(sqlite3.connect(running.state / "relay.db")) as db:
            db.executemany("INSERT INTO report (day, sealed) VALUES (?, zeroblob(100000))", [(1,)] * 30)
            db.commit()
        fill(place, leave=1 << 20)

        ended = run(newer(running, "serve"), place, timeout_s=30)

        says(ended, Exit.CANNOT_CREATE, "the disk is full; make room on it")
        assert version(running.state / "relay.db") == KNOWN
        assert not before_upgrade(running.state / "relay.db", KNOWN).exists()
