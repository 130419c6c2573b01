import random

import pytest

from relayd.domain import suppression
from relayproto import message
from relayproto.codes import Class, Code, Fate, Size, SubmitFlag
from relayproto.limits import FRAME_BYTES_MAX, STATISTICS_DAYS_MAX
from relayproto.standing import PLATFORM, Role
from relayproto.statistics import Cell, Day, GetStatistics, Statistics
from support.changed import replace
from support.officers import DAY_MS, Chamber, chamber
from support.stores import DAY_S, house, target_of

EVER = (1 << 32) - 1
UNIT = "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, ?, 1)"


@pytest.fixture
def made():
    """Alice is the admin of organisation 1 (with unit 2), carol an operator; 6 is another; today is day ``today``."""
    with chamber() as opened:
        for number, under in ((1, 0), (2, 1), (6, 0)):
            opened.unit(number, under)
        opened.hold(opened.alice.account, Role.ORGANISATION_ADMIN, 1)
        opened.hold(opened.carol.account, Role.PLATFORM_OPERATOR, PLATFORM)
        opened.hold(opened.bob.account, Role.STATISTICS_VIEWER, PLATFORM)
        opened.db.execute("UPDATE relay_time SET high_water_ms = ?", (opened.now_ms,))
        yield opened


def today(made: Chamber) -> int:
    return made.now_ms // DAY_MS


def count(made: Chamber, day: int, organisation: int, targets: int, class_=Class.CHAT, fate=Fate.STORED) -> None:
    made.db.execute(
        "INSERT INTO statistic VALUES (?, ?, ?, ?, ?, ?)", (day, organisation, class_, Size.SMALL, fate, targets)
    )


def ask(made: Chamber, unit: int, first: int = 0, last: int = EVER, who=None) -> Statistics | Code:
    return made.ask((who or (made.alice if unit else made.carol)).account, GetStatistics(unit, first, last))


def cell(targets: int, class_=Class.CHAT, fate=Fate.STORED) -> Cell:
    return Cell(class_, Size.SMALL, fate, targets)


def test_an_organisation_s_own_are_told_from_ten_on(made: Chamber) -> None:
    day = today(made) - 1
    count(made, day, 1, 10)
    count(made, day, 1, 9, Class.OTP)
    count(made, day, 6, 500)
    count(made, day - 1, 1, 3)

    assert ask(made, 1) == Statistics((Day(day, (cell(10),)),), None)


def test_totals_pool_what_is_few(made: Chamber) -> None:
    day = today(made) - 1
    for class_, of_none, one, other in ((Class.CHAT, 3, 20, 6), (Class.OTP, 6, 20, 6), (Class.ALERT, 0, 4, 5)):
        for organisation, targets in ((0, of_none), (1, one), (6, other)):
            count(made, day, organisation, targets, class_)

    assert ask(made, PLATFORM) == Statistics((Day(day, (cell(32, Class.OTP), cell(20))),), None)
    assert ask(made, PLATFORM, who=made.bob) == ask(made, PLATFORM)


def test_what_is_told_of_random_counters_is_what_the_rule_says(made: Chamber) -> None:
    """The statement against the plain rule, over every cell: the attacker of test_suppression is held off here too."""
    draw, day = random.Random(5), today(made) - 1
    counts = {
        (class_, fate): {unit: draw.choice([0, 1, 5, 9, 10, 11, 40]) for unit in (0, 1, 6)}
        for class_ in Class for fate in Fate
    }  # fmt: skip
    for (class_, fate), each in counts.items():
        for unit, targets in each.items():
            if targets:
                count(made, day, unit, targets, class_, fate)

    (told,) = ask(made, PLATFORM).days
    (own,) = ask(made, 1).days

    totals = {}
    for key, each in counts.items():
        shown = sum(each[unit] for unit in (1, 6) if each[unit] >= 10)
        total = suppression.total(shown, sum(each.values()) - shown)
        if total is not None:
            totals[key] = total
    assert {(c.class_, c.fate): c.targets for c in told.cells} == totals
    assert {(c.class_, c.fate): c.targets for c in own.cells} == {
        key: each[1] for key, each in counts.items() if each[1] >= 10
    }


def test_a_day_that_is_not_over_is_not_told(made: Chamber) -> None:
    count(made, today(made), 1, 50)
    assert ask(made, 1) == Statistics((), None)

    made.db.execute("UPDATE relay_time SET high_water_ms = ?", ((today(made) + 1) * DAY_MS,))

    assert [day.day for day in ask(made, 1).days] == [today(made)]


def test_the_clock_alone_ends_no_day(made: Chamber) -> None:
    """Only a commit of the next day says that all of this one is in the table."""
    count(made, today(made), 1, 50)

    made.clock.advance(DAY_S)

    assert ask(made, 1) == Statistics((), None)


def test_answers_go_on_where_the_last_one_ended(made: Chamber) -> None:
    last = today(made) - 1
    days = [last - 40, last - 39, last - 20, last]
    for day in days:
        count(made, day, 1, 10)

    found, first, answers = [], 0, 0
    while first is not None:
        page = ask(made, 1, first)
        found += [day.day for day in page.days]
        first, answers = page.next_day, answers + 1

    assert found == days
    assert answers == -(-41 // STATISTICS_DAYS_MAX)
    assert ask(made, 1, last - 39, last - 20).days[0].day == last - 39


def test_full_days_fit_frames(made: Chamber) -> None:
    last = today(made) - 1
    for day in range(last - 6, last + 1):
        for class_ in Class:
            for fate in Fate:
                made.db.executemany(
                    "INSERT INTO statistic VALUES (?, 1, ?, ?, ?, ?)",
                    [(day, class_, size, fate, 1 << 62) for size in Size],
                )

    first = ask(made, 1)
    rest = ask(made, 1, first.next_day)

    assert len(message.encode(first)) <= FRAME_BYTES_MAX
    assert 1 <= len(first.days) < 7
    assert rest.days[0].day == first.days[-1].day + 1


@pytest.mark.parametrize(("first", "last"), [(9, 3), (0, 0), (EVER, EVER), (EVER, 0)])
def test_a_strange_stretch_of_days_is_empty(made: Chamber, first: int, last: int) -> None:
    count(made, today(made) - 1, 1, 10)

    assert ask(made, 1, first, last) == Statistics((), None)


def test_without_counters_there_is_nothing_to_tell(made: Chamber) -> None:
    assert ask(made, 1) == ask(made, PLATFORM) == Statistics((), None)


def test_a_unit_below_has_no_counters_of_its_own(made: Chamber) -> None:
    assert ask(made, 2) is Code.CONFLICT


def test_the_counters_of_one_that_was_merged_stay_its_own(made: Chamber) -> None:
    count(made, today(made) - 1, 6, 10)
    made.db.execute("UPDATE unit SET organisation = 1, under = 1 WHERE id = 6")

    assert ask(made, 6) == Statistics((Day(today(made) - 1, (cell(10),)),), None)
    assert ask(made, 1) == Statistics((), None)


def test_whose_role_does_not_reach_is_told_nothing(made: Chamber) -> None:
    assert ask(made, 6) is Code.NOT_PERMITTED
    assert ask(made, 1, who=made.carol) is Code.NOT_PERMITTED
    assert ask(made, PLATFORM, who=made.alice) is Code.NOT_PERMITTED


@pytest.mark.parametrize("pooled", [0, 40])
def test_worlds_that_differ_in_what_is_few_answer_alike_byte_for_byte(made: Chamber, pooled: int) -> None:
    """Non-interference: 6's small count and what strangers add make the same pool, or one that is below ten."""
    day, answers = today(made) - 1, set()
    count(made, day, 1, 30)
    for few in range(10):
        made.db.execute("DELETE FROM statistic WHERE organisation <> 1")
        count(made, day, 6, few)
        count(made, day, 0, max(0, pooled - few))
        answers.add(tuple(message.encode(ask(made, unit)) for unit in (PLATFORM, 1)))
        made.hold(made.bob.account, Role.STATISTICS_VIEWER, 6)
        answers.add(tuple(message.encode(ask(made, unit)) for unit in (PLATFORM, 1)))
        assert ask(made, 6, who=made.bob) == Statistics((), None)
        made.db.execute("DELETE FROM held_role WHERE unit = 6")

    assert len(answers) == 1


async def counters(relay) -> dict[tuple[int, ...], int]:
    """Return class, size, fate -> targets by organisation, after all was written."""
    await relay.reopen()
    rows = await relay.store._read(lambda db: db.execute("SELECT * FROM statistic").fetchall())
    assert {day for day, *_ in rows} <= {relay.clock.now_ms() // DAY_MS}
    return {(organisation, Fate(fate).name, size): targets for _, organisation, _, size, fate, targets in rows}


async def settle_in(relay, *who) -> None:
    """Let people belong to unit 2 of organisation 1."""

    def change(commit) -> None:
        commit.db.execute(UNIT, (1, 0, 1, "one"))
        commit.db.execute(UNIT, (2, 1, 1, "two"))
        for each in who:
            commit.db.execute("UPDATE account SET unit = 2 WHERE account = ?", (each.account,))
        commit.tools.residents.forget_parties()

    await relay.store._act(change)


async def test_what_becomes_of_targets_is_counted_once_with_the_sender_s_organisation(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await settle_in(relay, alice)
        nobody = await relay.enrol("carol")
        stranger = replace(target_of(nobody), account=b"x" * 32)

        await relay.submit(alice, bob, body=bytes(2_000))
        await relay.submit(alice, bob, targets=(target_of(bob), stranger))
        await relay.submit(bob, alice, flags=SubmitFlag.NONE)
        await relay.submit(alice, bob, targets=(target_of(bob, devices=[1]),))
        await relay.submit(alice, bob, body=b"")
        await relay.acknowledge(bob, 2)
        await relay.acknowledge(bob, 2, device=2)
        await relay.acknowledge(alice, 1)

        assert await counters(relay) == {
            (1, "STORED", Size.MEDIUM): 1, (1, "STORED", Size.SMALL): 1, (1, "UNREACHABLE", Size.SMALL): 1,
            (1, "MISMATCHED", Size.SMALL): 1, (1, "REFUSED", Size.SMALL): 1, (0, "STORED", Size.SMALL): 1,
            (1, "DELIVERED", Size.MEDIUM): 1, (1, "DELIVERED", Size.SMALL): 1,
        }  # fmt: skip


async def test_whoever_is_not_there_is_counted_alike_for_whatever_reason(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        await relay.store.block(bob.seat, alice.account, blocked=True)
        await relay.store._act(lambda commit: commit.db.execute(
            "UPDATE account SET suspended = 1 WHERE account = ?", (carol.account,)
        ))  # fmt: skip
        await relay.reopen()
        for each in (alice, bob, carol):
            await relay.login(each)
        unknown = replace(target_of(carol), account=b"x" * 32)

        for target in (target_of(bob), target_of(carol), unknown):
            await relay.submit(alice, bob, targets=(target,))

        assert await counters(relay) == {(0, "UNREACHABLE", Size.SMALL): 3}


async def test_a_repeat_is_not_counted_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for _ in range(3):
            await relay.submit(alice, bob, submission=1)

        assert await counters(relay) == {(0, "STORED", Size.SMALL): 1}


async def test_what_ends_otherwise_is_counted_as_such(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.put_devices(bob, 1)
        await relay.submit(alice, bob, ttl_s=60)
        await relay.submit(alice, bob)
        relay.clock.advance(61)
        await relay.store.sweep()
        await relay.acknowledge(bob, 2, undecryptable=(2,))

        assert await counters(relay) == {
            (0, "STORED", Size.SMALL): 2, (0, "EXPIRED", Size.SMALL): 1, (0, "UNDECRYPTABLE", Size.SMALL): 1,
        }  # fmt: skip


async def test_what_a_failed_commit_counted_is_forgotten(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        vault = relay.store._opened.tools.vault
        sealing, vault._nonces = vault._nonces, None
        failed = await relay.submit(alice, bob)
        vault._nonces = sealing

        await relay.submit(alice, bob, submission=failed.submission)

        assert await counters(relay) == {(0, "STORED", Size.SMALL): 1}


async def test_counters_go_when_their_retention_is_over(tmp_path) -> None:
    async with house(tmp_path, statistics_days=30) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.reopen()
        first = relay.clock.now_ms() // DAY_MS

        async def days() -> list[int]:
            await relay.store.sweep()
            rows = await relay.store._read(lambda db: db.execute("SELECT DISTINCT day FROM statistic").fetchall())
            return [day for (day,) in rows]

        relay.clock.advance(30 * DAY_S)
        assert first in await days()
        relay.clock.advance(DAY_S)
        assert first not in await days()
