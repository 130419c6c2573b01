import sqlite3

import pytest

from relayd.domain.refusals import Fault
from relayd.store import selfcheck
from relayd.store.interventions import By
from relayproto.codes import Code, Kind
from support.stores import house

BY = By(0, "because")


async def test_connections_that_are_ended_are_named_and_written_down(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob", devices=2)

        who, acted = await relay.store.dismiss("bob@gad.example", 2, BY)
        noted = await relay.store.note(Kind.DRAIN, BY, detail=1)

        assert who.mailboxes == {2: bob.seats[2].row}
        assert (acted.record, noted.record) == (1, 2)


async def test_the_log_is_moved_into_the_file(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("bob")
        assert (tmp_path / "relay.db-wal").stat().st_size > 0

        assert await relay.store.move_log() == 0

        assert (tmp_path / "relay.db-wal").stat().st_size == 0


async def test_a_check_that_cant_read_is_a_fault_and_nothing_is_distrusted(tmp_path, monkeypatch) -> None:
    def check(*_: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    async with house(tmp_path) as relay:
        monkeypatch.setattr(selfcheck, "check", check)

        with pytest.raises(Fault) as fault:
            await relay.store.self_check()

        assert fault.value.code is Code.UNAVAILABLE
        assert not relay.store.fatal.done()
