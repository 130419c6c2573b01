import pytest

from relayd.domain.refusals import Fault, Refusal
from relayd.store import reports
from relayproto.codes import Code
from relayproto.limits import REPORT_BYTES
from support.stores import DAY_S, house

SEALED = bytes(REPORT_BYTES)


async def rows(relay) -> list[tuple[int, bytes]]:
    return await relay.store._read(lambda db: db.execute("SELECT day, sealed FROM report").fetchall())


async def test_a_report_is_kept_with_its_day_and_nobodys_name(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")

        await relay.store.report(alice.seat, SEALED)

        assert await rows(relay) == [(relay.clock.now_ms() // 86_400_000, SEALED)]
        columns = await relay.store._read(lambda db: db.execute("PRAGMA table_info(report)").fetchall())
        assert [name for _, name, *_ in columns] == ["id", "day", "sealed"]
        assert relay.counters.reports == 1
        assert ("reports kept", 1) in await relay.store.status()


async def test_a_report_survives_a_restart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        await relay.store.report(alice.seat, SEALED)

        await relay.reopen()

        assert len(await rows(relay)) == 1


async def test_a_report_goes_when_retention_ends(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        await relay.store.report(alice.seat, SEALED)
        relay.clock.advance(180 * DAY_S)
        await relay.store.sweep()
        assert len(await rows(relay)) == 1

        relay.clock.advance(DAY_S)
        await relay.store.sweep()

        assert await rows(relay) == []


async def test_reports_that_nobody_reads_are_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reports, "REPORTS_MAX", 1)
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        await relay.store.report(alice.seat, SEALED)

        with pytest.raises(Refusal) as refused:
            await relay.store.report(alice.seat, SEALED)

        assert refused.value.code is Code.LIMIT
        assert relay.counters.reports == 1


async def test_a_full_disk_takes_no_report(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        relay.store._disk.tight = True

        with pytest.raises(Fault) as fault:
            await relay.store.report(alice.seat, SEALED)

        assert fault.value.code is Code.DISK
