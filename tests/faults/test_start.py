"""What keeps a relay from starting is one line that names it and the next step, with a status that scripts can use."""

import contextlib
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from relayd.exits import Exit
from support.disks import fill, remount, small_disk
from support.processes import Ended, RelayProcess, a_relay, relayd
from support.stores import house


def serve(relay: RelayProcess) -> Ended:
    return relayd(relay.state, "serve", timeout_s=30)


def says(ended: Ended, status: Exit, *parts: str) -> None:
    """The relay ended so, with one line that has all these parts in their order."""
    [line] = ended.lines
    assert (ended.status, line.startswith("relayd: ")) == (status, True), line
    at = 0
    for part in parts:
        assert part in line[at:], line
        at = line.index(part, at) + len(part)


@pytest.fixture
def relay(tmp_path: Path) -> RelayProcess:
    """A relay that has run, kept something and stopped."""
    with a_relay(tmp_path / "relay") as running:
        running.invite("alice@office.example")
    return running


def unknown_setting(relay: RelayProcess) -> None:
    relay.set("mailbox_messages = ", "mailbox_mesages = ")


def bad_port(relay: RelayProcess) -> None:
    relay.set(f'devices = "127.0.0.1:{relay.devices}"', 'devices = "127.0.0.1:77777"')


def open_key(relay: RelayProcess) -> None:
    (relay.state / "keys" / "master.key").chmod(0o644)


def short_key(relay: RelayProcess) -> None:
    (relay.state / "keys" / "stamp.key").write_bytes(b"short")


def lost_key(relay: RelayProcess) -> None:
    (relay.state / "keys" / "master.key").unlink()


def newer(relay: RelayProcess) -> None:
    with contextlib.closing(sqlite3.connect(relay.state / "relay.db")) as db:
        db.execute("PRAGMA user_version = 9999")


def no_database(relay: RelayProcess) -> None:
    (relay.state / "relay.db").write_bytes(b"something else" * 1_000)


@pytest.mark.parametrize(
    ("harm", "status", "parts"),
    [
        (unknown_setting, Exit.CONFIG, ("relayd.toml", "limits.mailbox_mesages", "there is no such setting")),
        (bad_port, Exit.CONFIG, ("relayd.toml", "listen.devices", "'127.0.0.1:77777' is not HOST:PORT")),
        (open_key, Exit.CONFIG, ("master.key", "others than its owner may read it", "chmod 600")),
        (short_key, Exit.CONFIG, ("stamp.key", "not 32 bytes")),
        (lost_key, Exit.CONFIG, ("master.key", "No such file", "put its copy back, no other will do")),
        (newer, Exit.FATAL, ("relay.db", "9999", "made by a newer relayd", "nothing was changed")),
        (no_database, Exit.FATAL, ("relay.db", "not a database", "copy the whole state directory away")),
    ],
)
def test_what_is_wrong_is_named_with_the_next_step(
    relay: RelayProcess, harm: Callable[[RelayProcess], None], status: Exit, parts: tuple[str, ...]
) -> None:
    harm(relay)
    before = (relay.state / "relay.db").read_bytes()

    ended = serve(relay)

    says(ended, status, *parts)
    assert (relay.state / "relay.db").read_bytes() == before


def test_a_port_that_is_taken_is_named(relay: RelayProcess) -> None:
    with socket.create_server(("127.0.0.1", relay.devices)):
        ended = serve(relay)

    says(ended, Exit.CANNOT_CREATE, f"127.0.0.1:{relay.devices}", "in use", "change [listen] or stop what is there")


@pytest.mark.parametrize("emptied", [False, True], ids=["gone", "empty"])
async def test_a_relay_whose_database_is_lost_does_not_start_with_nothing(
    relay: RelayProcess, tmp_path: Path, emptied: bool
) -> None:
    async with house(tmp_path / "relay", master_key=(relay.state / "keys" / "master.key").read_bytes()) as store:
        alice, bob = await store.enrol("someone"), await store.enrol("someone-else")
        await store.submit(alice, bob)
    (relay.state / "relay.db").unlink()
    if emptied:
        (relay.state / "relay.db").touch()

    ended = serve(relay)

    says(ended, Exit.FATAL, "relay.db", "missing or empty", "put the last copy in its place")


def test_a_disk_that_can_only_be_read_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as place:
        with a_relay(place / "relay") as relay:
            pass
        remount(place, "ro")
        ended = serve(relay)
        remount(place, "rw")

    says(ended, Exit.CANNOT_CREATE, "relay: ", "Read-only file system")


def test_a_disk_without_any_room_is_named_and_a_start_succeeds_once_there_is_some(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as place:
        with a_relay(place / "relay") as relay:
            pass
        other = fill(place)
        ended = serve(relay)
        other.unlink()
        relay.start()

        says(ended, Exit.CANNOT_CREATE, "relay: ", "the disk is full", "make room on it")
        assert relay.stop() == Exit.OK
