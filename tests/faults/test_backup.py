"""The restore drill: a relay that is destroyed comes back, and kill -9 at any moment leaves something usable."""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from relayd import verify
from relayd.backups.making import SCRATCH
from relayd.backups.shelf import Shelf
from relayd.exits import Exit
from relayd.store import restored, sound
from support.kills import every_step
from support.processes import RelayProcess, a_relay, command, environment, relay, relayd, run, succeed
from support.shelves import Keep

ALICE, BOB = "alice@office.example", "bob@office.example"
KILLS = 5


def says(home: Path, text: str) -> str:
    """Send a text to Bob and return its message's id."""
    return json.loads(succeed(relay(home, "send", BOB, text, "--json")).out)["message"]


def hears(home: Path) -> list[str]:
    """Connect, take what there is, and return the texts."""
    out = succeed(relay(home, "listen", "--drain", "--timeout", "20", "--json")).out
    return [told["text"] for told in map(json.loads, out.splitlines()) if "text" in told]


class Office:
    """A relay with a shelf and a key, and two people."""

    def __init__(self, running: RelayProcess, place: Path) -> None:
        self.running, self.place, self.shelf = running, place, place / "shelf"
        succeed(run(command("relayd.main", "backup-key", place / "key"), place))
        self.backup = ("--to", self.shelf, "--recipient", place / "key.pub", "--keep", "3")
        self.set_keys_aside()
        self.alice, self.bob = running.join(place / "alice", ALICE), running.join(place / "bob", BOB)

    def set_keys_aside(self) -> None:
        """What the operator does when the relay is set up: no backup has these."""
        shutil.copytree(self.running.state / "keys", self.place / "keys")

    def back_up(self) -> dict[str, object]:
        return json.loads(succeed(relayd(self.running.state, "backup", *self.backup, "--json")).out)

    def destroy(self) -> None:
        self.running.kill()
        shutil.rmtree(self.running.state)

    def restore(self) -> str:
        argv = command(
            "relayd.main", "restore", "--from", self.shelf, "--key", self.place / "key", "--state", self.running.state
        )
        return succeed(run(argv, self.place)).out.decode()

    def put_keys_back(self) -> None:
        for path in (self.place / "keys").glob("*.key"):
            shutil.copy2(path, self.running.state / "keys")

    def verify(self) -> None:
        assert json.loads(succeed(relayd(self.running.state, "verify", "--json")).out)["whole"]


@pytest.mark.slow
def test_a_relay_that_was_destroyed_comes_back_and_shows_nothing_twice(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        office = Office(running, tmp_path)
        says(office.alice, "one")
        assert hears(office.bob) == ["one"]
        hears(office.alice)
        before = says(office.alice, "two")
        first = office.back_up()
        assert hears(office.bob) == ["two"]
        after = says(office.alice, "three")
        office.verify()
        finished_ms = json.loads((running.state / "backup.json").read_text())["finished_ms"]
        office.destroy()

        said = office.restore()
        without_keys = relayd(running.state, "serve", timeout_s=30)
        office.put_keys_back()
        office.verify()
        running.start()
        hears(office.alice)
        heard = hears(office.bob)
        hears(office.alice)

        assert first["kept"] == 1
        assert finished_ms == first["finished_ms"]
        assert "2 mailboxes have new epochs" in said
        assert "Before it starts: put the relay's keys back" in said
        assert without_keys.status == Exit.CONFIG
        assert heard == ["three"]
        states = [
            json.loads(succeed(relay(office.alice, "status", message, "--json")).out)["state"]
            for message in (before, after)
        ]
        assert states == ["delivered", "delivered"]
        assert hears(office.bob) == []
        assert b"relayd_restores_total 0.0" in running.page("/metrics")[1]
        assert office.back_up()["kept"] == 2


@pytest.mark.slow
def test_a_backup_that_is_killed_while_the_relay_runs_leaves_the_earlier_ones_and_the_relay(tmp_path: Path) -> None:
    chance = random.Random(8)
    with a_relay(tmp_path / "relay") as running:
        office = Office(running, tmp_path)
        says(office.alice, "one")
        began = time.monotonic()
        office.back_up()
        takes_s = time.monotonic() - began
        for _ in range(KILLS):
            argv = command("relayd.main", "backup", "--state", running.state, *office.backup)
            started = subprocess.Popen(
                argv, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(takes_s / 3, takes_s))
            started.kill()
            assert started.wait(20) in {-signal.SIGKILL, Exit.OK}

        checked = run(command("relayd.main", "restore", "--from", office.shelf, "--key", tmp_path / "key", "--check"),
                      tmp_path)  # fmt: skip
        assert checked.status == Exit.OK, checked.err
        assert b"opened and whole" in checked.out
        assert 2 <= office.back_up()["kept"] <= 3
        assert not (running.state / SCRATCH).exists()
        running.kill()
        assert office.back_up()["kept"] == 3
        office.verify()
        running.start()
        assert hears(office.bob) == ["one"]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """A store with two backups of it, of which the next one will take the older's place."""
    made = Keep(tmp_path)
    made.send(100, body=os.urandom(1_000))
    made.back_up(keep=2)
    made.clock.advance(60)
    made.send(50, body=os.urandom(1_000))
    made.back_up(keep=2)
    made.clock.advance(60)
    made.send(20, body=os.urandom(1_000))
    return made


def strays(shelf: Shelf) -> set[str]:
    """Return the files of a shelf that no backup names."""
    named = {chunk.name.hex() for name in shelf.names() for chunk in shelf.snapshot(name).chunks}
    on_disk = {path.name for path in shelf.path.rglob("*") if path.is_file()}
    return on_disk - named - set(shelf.names()) - {"day-keys", "lock"}


@pytest.mark.slow
def test_at_every_step_of_a_backup_a_kill_leaves_whole_ones_only_and_the_next_succeeds(keep: Keep) -> None:
    shutil.copytree(keep.path, keep.place / "before")
    names = sorted(path.name for path in keep.path.glob("backup-*"))
    kills = 0

    def begin_again() -> None:
        shutil.rmtree(keep.path)
        shutil.copytree(keep.place / "before", keep.path)

    for step in every_step(lambda: keep.back_up(keep=2), begin_again):
        kills = step + 1
        left = [one.name for one in keep.check()]
        assert left == sorted(left)
        assert left[: len(names)] == names or (left[0] == names[1] and len(left) == 2)
        if step % 7 == 0:
            shutil.rmtree(keep.place / "new", ignore_errors=True)
            done = keep.restore(keep.place / "new")
            assert done.name == left[-1]
            assert verify.verify(done.database).whole
        assert keep.back_up(keep=2).kept == 2
        with Shelf.to_read(keep.path) as shelf:
            assert strays(shelf) == set()
        assert not (keep.state / SCRATCH).exists()

    assert kills > 20
    assert len(keep.check()) == 2
    assert verify.verify(keep.state / "relay.db").whole


def epochs(database: Path) -> set[int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return {row for (row,) in db.execute("SELECT epoch FROM mailbox UNION SELECT epoch FROM ledger")}


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["everything", "the database"])
def test_at_every_step_of_a_restore_a_kill_leaves_none_or_all_of_it(keep: Keep, lost: str) -> None:
    old = epochs(keep.state / "relay.db")
    state = keep.place / "new"
    kills = completed = 0

    def begin_again() -> None:
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(keep.state / "keys", state / "keys")
        if lost == "the database":
            for name in ("root.pub", "day-keys", restored.FILE_NAME):
                shutil.copy2(keep.state / name, state)

    for step in every_step(lambda: keep.restore(state), begin_again):
        kills = step + 1
        database = state / "relay.db"
        if not database.exists():
            if (state / restored.UNFINISHED).exists() or lost == "the database":
                with pytest.raises(sound.Fatal):
                    sound.expect_file(database)
            keep.restore(state)
        else:
            completed += 1
        assert verify.verify(database).whole
        assert not epochs(database) & old
        asyncio.run(_opens(keep, state))

    assert kills > 10
    assert completed >= 1


async def _opens(keep: Keep, state: Path) -> None:
    house = await keep.house(state).open()
    assert house.counters.envelopes_queued == 150
    await house.store.close()
