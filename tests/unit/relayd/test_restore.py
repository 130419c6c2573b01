from pathlib import Path

import pytest

from relayd import restore
from relayd.restore import CannotRenew
from relayd.store import database
from support.stores import house


async def test_every_device_gets_new_epochs(tmp_path: Path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice", devices=2)
        before = await relay.login(alice)
        await relay.store.close()

        renewed = restore.renew(tmp_path / "relay.db")

        await relay.open()
        after = await relay.login(alice)
    assert renewed == 2
    assert after.welcome.epoch != before.welcome.epoch
    assert after.welcome.ledger_epoch != before.welcome.ledger_epoch


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(CannotRenew, match="there is no database"):
        restore.renew(tmp_path / "relay.db")

    assert list(tmp_path.iterdir()) == []


def test_a_database_of_a_newer_relay_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    db = database.connect(path, autocheckpoint_pages=100)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(CannotRenew, match="newer relay"):
        restore.renew(path)


def test_what_is_no_database_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"nonsense" * 1000)

    with pytest.raises(CannotRenew, match="not a database"):
        restore.renew(path)
