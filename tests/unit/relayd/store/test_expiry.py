"""What is over goes, and every number is explained: protocol.md §2, §4."""

from relayd.domain.entry import Entry
from relayd.store import expiry
from relayd.store.expiry import runs
from relayproto.codes import GapReason, Lane, Result
from relayproto.limits import OUTCOME_LIFETIME_S
from relayproto.notices import Gap
from relayproto.primitives import x25519_public
from support.stores import DAY_S, house


def shape(page) -> list[tuple]:
    """Return (sequence) of entries and (first, last, reason) of gaps, in order."""
    return [
        (item.sequence,) if isinstance(item, Entry) else (item.first, item.last, item.reason) for item in page.items
    ]


async def test_an_expired_row_is_never_in_a_page_swept_or_not(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        await relay.submit(alice, bob, ttl_s=600)
        relay.clock.advance(60)

        unswept = await relay.page(bob)
        swept = await relay.store.sweep()

        assert (shape(unswept), swept) == ([(2,)], 1)
        assert shape(await relay.page(bob)) == [(1, 1, GapReason.EXPIRED), (2,)]


async def test_whoever_listens_is_told_of_a_hole_when_its_expiry_is_committed(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for ttl_s in (60, 60, 600, 60):
            await relay.submit(alice, bob, ttl_s=ttl_s)
        relay.clock.advance(60)

        await relay.store.sweep()

        row = bob.seat.row
        assert relay.gaps == [
            (row, Gap(Lane.NORMAL, 1, 2, GapReason.EXPIRED)),
            (row, Gap(Lane.NORMAL, 4, 4, GapReason.EXPIRED)),
        ]
        assert relay.counters.expired == 3


async def test_a_hole_is_remembered_until_the_floor_has_passed_it(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for ttl_s in (60, 600):
            await relay.submit(alice, bob, ttl_s=ttl_s)
        relay.clock.advance(60)
        await relay.store.sweep()
        await relay.reopen()

        await relay.login(bob)
        explained = await relay.page(bob)
        await relay.acknowledge(bob, 1)

        assert shape(explained)[0] == (1, 1, GapReason.EXPIRED)
        assert await relay.store._read(lambda db: db.execute("SELECT count(*) FROM hole").fetchone()) == (0,)


async def test_holes_are_joined_over_what_was_acknowledged_and_not_over_what_is_queued(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for ttl_s in (600, 60, 600, 120, 180, 600, 60):
            await relay.submit(alice, bob, ttl_s=ttl_s)
        await relay.acknowledge(bob, 0, (3, 3))

        for _ in range(3):
            relay.clock.advance(60)
            await relay.store.sweep()

        holes = await relay.store._read(lambda db: db.execute("SELECT first, last FROM hole ORDER BY 1").fetchall())
        assert holes == [(2, 5), (7, 7)]
        assert shape(await relay.page(bob)) == [(1,), (2, 5, GapReason.EXPIRED), (6,), (7, 7, GapReason.EXPIRED)]


async def test_a_hole_before_another_is_joined_with_it(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for ttl_s in (120, 60):
            await relay.submit(alice, bob, ttl_s=ttl_s)

        for _ in range(2):
            relay.clock.advance(60)
            await relay.store.sweep()

        holes = await relay.store._read(lambda db: db.execute("SELECT first, last FROM hole").fetchall())
        assert holes == [(1, 2)]


async def test_a_hole_is_not_joined_with_a_later_one_over_what_is_queued(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for ttl_s in (120, 600, 60):
            await relay.submit(alice, bob, ttl_s=ttl_s)

        for _ in range(2):
            relay.clock.advance(60)
            await relay.store.sweep()

        holes = await relay.store._read(lambda db: db.execute("SELECT first, last FROM hole ORDER BY 1").fetchall())
        assert holes == [(1, 1), (3, 3)]


async def test_what_expires_below_the_floor_leaves_no_hole(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        await relay.submit(alice, bob, ttl_s=60)
        await relay.acknowledge(bob, 2)
        relay.clock.advance(60)

        await relay.store.sweep()

        assert await relay.store._read(lambda db: db.execute("SELECT count(*) FROM hole").fetchone()) == (0,)
        assert await relay.outcomes(alice) == [(1, 0, Result.DELIVERED), (2, 0, Result.DELIVERED)]


async def test_a_late_acknowledgement_of_what_has_expired_is_harmless(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60)
        relay.clock.advance(60)
        await relay.store.sweep()

        await relay.acknowledge(bob, 1)

        assert await relay.outcomes(alice) == [(1, 0, Result.EXPIRED)]


async def test_one_pass_is_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(expiry, "ROWS_MAX", 2)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(5):
            await relay.submit(alice, bob, ttl_s=60)
        relay.clock.advance(60)

        passes = [await relay.store.sweep() for _ in range(4)]

        assert passes == [2, 2, 1, 0]


async def test_an_outcome_is_kept_for_seven_days(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)

        relay.clock.advance(OUTCOME_LIFETIME_S - 1)
        kept = await relay.outcomes(alice)
        relay.clock.advance(1)
        gone = await relay.outcomes(alice)
        await relay.store.sweep()

        assert (len(kept), gone, relay.counters.outcomes_queued) == (1, [], 0)
        assert shape(await relay.page(alice, Lane.OUTCOME)) == [(1, 1, GapReason.EXPIRED)]


async def test_a_days_key_goes_when_the_day_is_over_and_its_rows_are_gone(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, ttl_s=60, flags=0)
        keys = relay.store._opened.keys
        (day,) = keys.days
        relay.clock.advance(2 * DAY_S)

        await relay.store.sweep()
        with_rows_just_gone = set(keys.days)
        await relay.store.sweep()

        assert (with_rows_just_gone, set(keys.days)) == ({day}, set())


async def test_a_used_up_ticket_and_an_hour_key_past_its_retention_go(tmp_path) -> None:
    moderators = (x25519_public(bytes(range(32))), x25519_public(bytes(range(1, 33))))
    async with house(tmp_path, moderators=moderators) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        count = "SELECT (SELECT count(*) FROM ticket), (SELECT count(*) FROM hour_key)"
        before = await relay.store._read(lambda db: db.execute(count).fetchone())

        relay.clock.advance(181 * DAY_S)
        await relay.store.sweep()

        assert (before, await relay.store._read(lambda db: db.execute(count).fetchone())) == ((2, 1), (0, 0))


async def test_a_role_goes_when_its_time_is_over(tmp_path) -> None:
    async with house(tmp_path) as relay:
        until_ms = relay.clock.now_ms() + DAY_S * 1000
        put = "INSERT INTO held_role (unit, account, role, until_ms) VALUES (1, 1, 4, ?), (1, 1, 5, ?)"
        await relay.store._act(lambda commit: commit.db.execute(put, (until_ms, until_ms + 1)) and None)

        relay.clock.advance(DAY_S)
        await relay.store.sweep()

        roles = await relay.store._read(lambda db: db.execute("SELECT role FROM held_role").fetchall())
        assert roles == [(5,)]


async def test_free_pages_are_given_back_to_the_disk(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.store._opened.writer.run(
            lambda db: db.executescript(
                "CREATE TABLE big (x BLOB); INSERT INTO big VALUES (zeroblob(16000000)); DROP TABLE big;"
            ).close()
        )
        await relay.submit(alice, bob)
        free = "PRAGMA freelist_count"
        before = (await relay.store._opened.writer.run(lambda db: db.execute(free).fetchone()))[0]

        await relay.store.sweep()

        after = (await relay.store._opened.writer.run(lambda db: db.execute(free).fetchone()))[0]
        assert before - after == 256


def test_numbers_that_follow_one_another_are_one_run() -> None:
    assert runs([1, 2, 3, 5, 8, 9]) == [(1, 3), (5, 5), (8, 9)]
    assert runs([]) == []
