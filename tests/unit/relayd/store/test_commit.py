from collections import Counter

from relayd.store.commit import Numbers, Tally
from relayd.store.rows import ID_SHIFT
from support.stores import house


def test_a_tally_adds_another_figure_by_figure() -> None:
    tally = Tally(messages=1, codes=[0])

    tally.add(Tally(messages=2, expired=3, codes=[104, 0, 104], outcomes=Counter({1: 2})))

    assert tally == Tally(messages=3, expired=3, codes=[0, 104, 0, 104], outcomes=Counter({1: 2}))


async def test_numbers_begin_above_what_is_in_use(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)
        await relay.submit(alice, bob)

        numbers = await relay.store._read(Numbers)

        assert (numbers.body(), numbers.fan(), numbers.body()) == (3, 3, 4)


async def test_reads_of_a_commit_see_what_it_has_decided(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob")
        row = bob.seat.row

        def look(commit):
            first = commit.mailbox(row)
            first.messages = 5
            seen = commit.mailbox(row).messages, commit.mailbox(row + 77)
            first.messages = 0
            return seen

        assert await relay.store._act(look) == (5, None)


async def test_ids_of_envelopes_rise_with_relay_time_and_are_never_given_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        numbers, now_ms = await relay.store._read(Numbers), relay.clock.now_ms()
        first = numbers.envelopes(3, now_ms)
        second = numbers.envelopes(1, now_ms)
        much_later = numbers.envelopes(1, now_ms + 1)

        assert (first, second) == ((now_ms << ID_SHIFT) + 1, (now_ms << ID_SHIFT) + 4)
        assert much_later == (now_ms + 1) << ID_SHIFT
