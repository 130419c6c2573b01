import pytest

from relayd.domain.refusals import Fatal
from relayd.store.daykeys import FILE_NAME
from support.stores import DAY_S, House, house


async def test_a_store_whose_day_keys_are_lost_is_not_opened(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=DAY_S)
        await relay.submit(alice, bob, ttl_s=5 * DAY_S)
    kept = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).unlink()

    with pytest.raises(Fatal, match="day-keys"):
        await House(tmp_path, clock=relay.clock).open()
    (tmp_path / FILE_NAME).write_bytes(kept)
    async with house(tmp_path, clock=relay.clock) as again:
        assert again.counters.envelopes_queued == 2


async def test_keys_of_what_has_expired_are_not_missed(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        keys = relay.store._opened.keys
        keys.forget(keys.days)
    relay.clock.advance(60)

    async with house(tmp_path, clock=relay.clock) as again:
        assert await again.store.sweep() == 1


async def test_the_high_water_mark_counts_where_the_clock_is_behind(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("alice")
    mark_ms = relay.clock.now_ms()
    relay.clock.advance(-DAY_S)

    async with house(tmp_path, clock=relay.clock) as again:
        assert again.store.high_water_ms == mark_ms


async def test_what_is_no_database_is_not_opened(tmp_path) -> None:
    (tmp_path / "relay.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)

    with pytest.raises(Fatal, match="not a database"):
        await House(tmp_path).open()
