import pytest

from relayd.store import watch
from relayproto.codes import Class
from support.stores import house


def oldest(relay) -> dict[str, int]:
    """Return the classes that have something waiting -> the age of the oldest, seconds."""
    return {Class(class_).name: age // 1000 for class_, age in relay.counters.oldest_ms.items() if age}


async def test_the_oldest_envelope_of_each_class_has_an_age_until_it_is_acknowledged(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        relay.clock.advance(100)
        await relay.submit(alice, bob)
        await relay.submit(alice, bob, class_=Class.CALL, ttl_s=60)
        relay.clock.advance(10)

        await relay.store.observe(census=False)
        before = oldest(relay)
        await relay.acknowledge(bob, 1)
        await relay.store.observe(census=False)
        later = oldest(relay)
        await relay.acknowledge(bob, 2)
        await relay.store.observe(census=False)

        assert before == {"CHAT": 110, "CALL": 10}
        assert later == {"CHAT": 10, "CALL": 10}
        assert oldest(relay) == {"CALL": 10}


async def test_ages_outlive_a_restart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.reopen()
        relay.clock.advance(50)

        await relay.store.observe(census=False)

        assert oldest(relay) == {"CHAT": 50}


async def test_a_class_behind_many_others_is_found_by_later_looks(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ROWS_EACH_MAX", 2)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(5):
            await relay.submit(alice, bob)
        await relay.submit(alice, bob, class_=Class.NOTICE)
        relay.clock.advance(5)

        found = []
        for _ in range(3):
            await relay.store.observe(census=False)
            found.append("NOTICE" in oldest(relay))

        assert found == [False, False, True]


async def test_what_is_over_and_not_swept_is_counted(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(3):
            await relay.submit(alice, bob, ttl_s=60)
        relay.clock.advance(61)

        await relay.store.observe(census=False)
        before = relay.counters.overdue
        await relay.store.sweep()
        await relay.store.observe(census=False)

        assert (before, relay.counters.overdue) == (3, 0)


async def test_sizes_and_the_census_are_those_of_the_store(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("alice")
        await relay.enrol("bob", devices=2)

        await relay.store.observe(census=True)

        counters, figures = relay.counters, dict(await relay.store.status())
        assert (counters.accounts, counters.devices, counters.mailboxes_full) == (2, 3, 0)
        assert counters.log_bytes == figures["bytes of its log"] > 0
        assert counters.store_bytes > 0
        assert counters.free_bytes >= 0
