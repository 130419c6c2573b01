"""What senders are told, and when: protocol.md §3, "Outcomes"."""

import pytest

from relayd.domain.entry import Entry
from relayproto.codes import Class, Lane, Result
from support.stores import house


async def test_a_sender_is_told_that_its_envelope_was_delivered(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        relay.listening.add(alice.seat.row)
        await relay.submit(alice, bob)

        await relay.acknowledge(bob, 1)

        assert await relay.outcomes(alice) == [(1, 0, Result.DELIVERED)]
        assert [entry.notice for entry in relay.entries] == [
            item.notice for item in (await relay.page(alice, Lane.OUTCOME)).items
        ]


async def test_an_outcome_waits_for_its_sender_until_it_is_acknowledged(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)
        await relay.reopen()
        await relay.login(alice)

        waiting = await relay.outcomes(alice)
        await relay.acknowledge(alice, 1, lane=Lane.OUTCOME)

        assert waiting == [(1, 0, Result.DELIVERED)]
        assert await relay.outcomes(alice) == []
        assert relay.counters.outcomes_queued == 0


async def test_the_first_device_that_acknowledges_makes_it_delivered_and_the_second_says_nothing_more(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)

        await relay.acknowledge(bob, 1, device=2)
        first = await relay.outcomes(alice)
        await relay.acknowledge(bob, 1)

        assert first == await relay.outcomes(alice) == [(1, 0, Result.DELIVERED)]
        fans = await relay.store._read(lambda db: db.execute("SELECT count(*) FROM fan").fetchone())
        assert fans == (0,)


async def test_undecryptable_is_told_only_when_no_device_is_left_that_could_deliver(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)

        await relay.acknowledge(bob, 1, undecryptable=(1,))
        half = await relay.outcomes(alice)
        await relay.acknowledge(bob, 0, device=2, undecryptable=(1,))

        assert half == []
        assert await relay.outcomes(alice) == [(1, 0, Result.UNDECRYPTABLE)]


async def test_undecryptable_on_one_device_and_delivered_on_the_other_is_delivered(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)

        await relay.acknowledge(bob, 0, undecryptable=(1,))
        await relay.acknowledge(bob, 1, device=2)

        assert await relay.outcomes(alice) == [(1, 0, Result.DELIVERED)]


async def test_only_the_envelopes_named_are_undecryptable(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(3):
            await relay.submit(alice, bob)

        await relay.acknowledge(bob, 2, (3, 3), undecryptable=(2,))

        assert await relay.outcomes(alice) == [
            (1, 0, Result.DELIVERED),
            (2, 0, Result.UNDECRYPTABLE),
            (3, 0, Result.DELIVERED),
        ]


async def test_each_target_has_its_own_outcome(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        await relay.submit(alice, bob, carol)

        await relay.acknowledge(carol, 1)

        assert await relay.outcomes(alice) == [(1, 1, Result.DELIVERED)]


async def test_an_envelope_that_expires_while_its_sender_is_away_is_told_when_it_comes_back(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        relay.clock.advance(60)
        await relay.store.sweep()
        await relay.reopen()

        await relay.login(alice)

        assert await relay.outcomes(alice) == [(1, 0, Result.EXPIRED)]


async def test_a_removed_device_makes_purged_where_no_other_is_left(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1, undecryptable=(1,))

        await relay.put_devices(bob, 1)

        assert await relay.outcomes(alice) == [(1, 0, Result.PURGED)]


async def test_what_a_removed_sender_would_have_been_told_is_dropped(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice", devices=2), await relay.enrol("bob")
        await relay.submit(alice, bob, device=2)
        await relay.put_devices(alice, 1)

        await relay.acknowledge(bob, 1)

        assert relay.counters.outcomes_queued == 0
        assert await relay.outcomes(alice) == []


async def test_a_floor_acknowledges_nothing_of_another_lane(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for class_ in (Class.CHAT, Class.OTP, Class.CHAT):
            await relay.submit(alice, bob, class_=class_, ttl_s=60)

        await relay.acknowledge(bob, 1, lane=Lane.URGENT)

        assert [type(item) for item in (await relay.page(bob)).items] == [Entry, Entry]
        assert await relay.outcomes(alice) == [(2, 0, Result.DELIVERED)]


async def test_an_acknowledgement_of_another_epoch_is_ignored(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        bob.epochs[1] += 1

        await relay.acknowledge(bob, 1)

        assert [type(item) for item in (await relay.page(bob)).items] == [Entry]


async def test_an_acknowledgement_of_a_superseded_connection_is_ignored(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        older = bob.seats[1]
        await relay.login(bob)
        bob.seats[1] = older

        await relay.acknowledge(bob, 1)

        assert [type(item) for item in (await relay.page(bob)).items] == [Entry]


async def test_an_acknowledgement_of_a_removed_device_is_ignored(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob", devices=2)
        await relay.put_devices(bob, 1)

        await relay.acknowledge(bob, 1, device=2)

        assert relay.counters.internal_errors == 0


async def test_an_acknowledgement_beyond_what_was_given_gives_no_number_away(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        await relay.acknowledge(bob, 1_000)
        await relay.submit(alice, bob)

        assert [item.sequence for item in (await relay.page(bob, after=1)).items if isinstance(item, Entry)] == [2]


@pytest.mark.parametrize("device", [1, 2])
async def test_counters_equal_a_recount(tmp_path, device) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        for ttl_s in (60, 600, 600, 600):
            await relay.submit(alice, bob, ttl_s=ttl_s)
        await relay.acknowledge(bob, 0, (2, 2), device=device)
        relay.clock.advance(60)
        await relay.store.sweep()

        def recount(db):
            return db.execute(
                "SELECT m.id, m.messages, m.octets, m.outcomes,"
                " (SELECT count(*) FROM envelope e WHERE e.lane IN (m.id * 4, m.id * 4 + 1)),"
                " (SELECT coalesce(sum(octets), 0) FROM envelope e WHERE e.lane IN (m.id * 4, m.id * 4 + 1)),"
                " (SELECT count(*) FROM envelope e WHERE e.lane = m.id * 4 + 2) FROM mailbox m"
            ).fetchall()

        for _, messages, octets, outcomes, *counted in await relay.store._read(recount):
            assert [messages, octets, outcomes] == counted
        refs = await relay.store._read(
            lambda db: db.execute(
                "SELECT refs, (SELECT count(*) FROM envelope WHERE body = b.id) FROM body b"
            ).fetchall()
        )
        assert refs == [(1, 1), (2, 2), (2, 2)]
        assert relay.counters.envelopes_queued == 5


async def test_how_long_envelopes_waited_is_told_apart_by_whether_their_device_was_connected(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        relay.clock.advance(3_000)
        await relay.login(bob)
        await relay.submit(alice, bob)
        relay.clock.advance(2)

        await relay.acknowledge(bob, 2)

        connected, away = relay.counters.waits_connected, relay.counters.waits_away
        assert (sum(connected.counts), connected.total) == (1, 2.0)
        assert (sum(away.counts), away.total) == (1, 3_002.0)


async def test_an_envelope_that_hello_acknowledges_waited_for_its_device(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        relay.clock.advance(60)

        await relay.login(bob, floors=(1, 0, 0))

        assert (sum(relay.counters.waits_connected.counts), sum(relay.counters.waits_away.counts)) == (0, 1)


async def test_outcomes_and_what_expires_are_no_waits(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        relay.clock.advance(61)
        await relay.store.sweep()
        await relay.acknowledge(alice, 1, lane=Lane.OUTCOME)

        assert sum(relay.counters.waits_connected.counts) == sum(relay.counters.waits_away.counts) == 0
