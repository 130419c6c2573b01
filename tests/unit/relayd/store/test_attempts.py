"""What makes its device fail is found by being first in its lane at one login after the other."""

from relayproto.codes import Class, Lane
from relayproto.limits import HEAD_ATTEMPTS_MAX
from support.stores import house


async def alone(relay, someone) -> tuple[int, ...]:
    return (await relay.login(someone)).alone


async def test_after_so_many_logins_the_first_envelope_is_offered_alone(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for class_ in (Class.CHAT, Class.CHAT, Class.OTP):
            await relay.submit(alice, bob, class_=class_, ttl_s=600)

        found = [await alone(relay, bob) for _ in range(HEAD_ATTEMPTS_MAX + 1)]

        assert found == [(0, 0, 0)] * HEAD_ATTEMPTS_MAX + [(1, 1, 0)]


async def test_attempts_are_counted_over_a_restart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        for _ in range(HEAD_ATTEMPTS_MAX):
            await relay.login(bob)
            await relay.reopen()

        assert await alone(relay, bob) == (1, 0, 0)


async def test_another_envelope_that_is_first_is_counted_anew(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(2):
            await relay.submit(alice, bob)
        for _ in range(HEAD_ATTEMPTS_MAX + 1):
            await relay.login(bob)
        await relay.acknowledge(bob, 1)

        found = [await alone(relay, bob) for _ in range(HEAD_ATTEMPTS_MAX + 1)]

        assert found == [(0, 0, 0)] * HEAD_ATTEMPTS_MAX + [(2, 0, 0)]


async def test_nothing_is_remembered_of_an_empty_lane(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.submit(alice, bob, class_=Class.OTP, ttl_s=600)
        await relay.login(bob)

        async def remembered() -> list[tuple[int, ...]]:
            return await relay.store._read(lambda db: db.execute("SELECT lane & 3 FROM attempt ORDER BY 1").fetchall())

        both = await remembered()
        await relay.acknowledge(bob, 1, lane=Lane.URGENT)
        await relay.login(bob)
        one = await remembered()
        await relay.acknowledge(bob, 1)
        await relay.login(bob)

        assert (both, one, await remembered()) == ([(0,), (1,)], [(0,)], [])


async def test_the_relay_never_drops_what_it_offers_alone(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        for _ in range(3 * HEAD_ATTEMPTS_MAX):
            await relay.login(bob)

        assert len((await relay.page(bob)).items) == 1


async def test_a_removed_device_leaves_no_count_behind(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)
        await relay.login(bob, 2)

        await relay.put_devices(bob, 1)

        rows = await relay.store._read(lambda db: db.execute("SELECT count(*) FROM attempt").fetchone())
        assert rows == (0,)
