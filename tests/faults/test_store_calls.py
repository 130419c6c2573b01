"""The first, second, third ... statement of each thing that people do with a store fails, until it runs clean."""

import sqlite3

import pytest

from relayd import restore
from relayd.restore import CannotRenew
from relayd.store import engine
from support.nth_call import CALLS_MAX, FailingStatements, rows_of, until_clean
from support.store_scenes import SCENES, Scene, SubmittingToMany, scene
from support.stores import house

WAYS = [
    FailingStatements(sqlite3.SQLITE_FULL, rolls_back=True),
    FailingStatements(sqlite3.SQLITE_BUSY),
    FailingStatements(sqlite3.SQLITE_IOERR, rolls_back=True),
    FailingStatements(sqlite3.SQLITE_IOERR, done_all_the_same=True),
]
IDS = ["full", "busy", "broken", "done but broken"]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch) -> None:
    """Commits that failed are tried again at once."""
    monkeypatch.setattr(engine, "_PAUSE_S", 0)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=IDS)
@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: kind.__name__)
async def test_whichever_statement_fails_it_is_not_done_and_not_told_or_done_once(
    tmp_path, kind: type[Scene], way: FailingStatements
) -> None:
    with way.plugged():
        async with house(tmp_path) as relay:
            acting = await scene(kind, relay)

            calls = await until_clean(relay, acting, way, seats=lambda: acting.log_in(relay))

            assert calls >= 5
            assert "COMMIT" in way.calls


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS[:3], ids=IDS[:3])
async def test_whichever_statement_of_a_renewal_fails_no_epoch_is_new_or_all_are(tmp_path, way) -> None:
    path = tmp_path / "relay.db"
    async with house(tmp_path) as relay:
        acting = await scene(SubmittingToMany, relay)
        await acting.prepare(relay)
        await acting.act(relay)
    before = rows_of(path)

    with way.plugged():
        for call in range(1, CALLS_MAX):
            way.arm(call)
            try:
                renewed = restore.renew(path)
            except CannotRenew:
                assert way.disarm()
                assert rows_of(path) == before
            else:
                break

    assert not way.disarm()
    assert call > 20
    assert renewed == 4
    after = rows_of(path)
    assert not {row[1] for row in before["mailbox"]} & {row[1] for row in after["mailbox"]}
    assert len(after["envelope"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=IDS)
async def test_whichever_statement_of_a_start_fails_the_next_start_finds_everything(tmp_path, way) -> None:
    async with house(tmp_path) as relay:
        acting = await scene(SubmittingToMany, relay)
        await acting.prepare(relay)
        await acting.act(relay)
    before = rows_of(tmp_path / "relay.db")

    with way.plugged():
        for call in range(1, CALLS_MAX):
            way.arm(call)
            try:
                await relay.open()
            except Exception:  # noqa: BLE001 - which one it is, is what test_start.py and test_opening.py are about
                assert way.disarm()
            else:
                failed = way.disarm()
                await relay.store.close()
                if not failed:
                    break
            assert rows_of(tmp_path / "relay.db") == before

    assert call > 20
    assert rows_of(tmp_path / "relay.db") == before
