import itertools

from relayd.store import selfcheck, whole
from relayd.store.interventions import By
from relayproto.codes import Kind
from support.stores import house


async def test_a_relay_in_use_breaks_no_rule_and_every_rule_was_looked_at(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        for _ in range(3):
            await relay.submit(alice, bob)
        await relay.store.note(Kind.DRAIN, By(0))

        found, unfinished = await relay.store.self_check()

        assert [finding.rule for finding in found] == list(whole.NAMES)
        assert [finding for finding in found if finding.wrong] == []
        assert unfinished == []
        looked_at = {finding.rule: finding.looked_at for finding in found}
        assert looked_at[whole.NAMES[-1]] == 1
        assert looked_at["every envelope lies in a lane of a mailbox"] == 6


async def test_what_is_broken_is_found_while_the_relay_runs(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob")
        await relay.store.note(Kind.DRAIN, By(0))
        await relay.store._act(lambda commit: commit.db.execute("UPDATE mailbox SET messages = 5"))
        await relay.store._act(lambda commit: commit.db.execute("UPDATE audit SET at_ms = 1"))

        found, _ = await relay.store.self_check()

        broken = {finding.rule: finding.first for finding in found if finding.wrong}
        assert broken["counters of a mailbox are what a recount gives"] == f"number {bob.seat.row}"
        assert "record 1" in broken[whole.NAMES[-1]]
        assert len(broken) == 2


async def test_a_day_whose_key_is_gone_is_found(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        path, now_ms = relay.store._opened.path, relay.clock.now_ms()

        found, _ = selfcheck.check(path, frozenset, now_ms, lambda: 0.0)

        assert [finding.rule for finding in found if finding.wrong] == [whole.NAMES[-2]]


async def test_what_there_was_no_time_for_is_named_and_not_called_whole(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        def fill(commit) -> None:
            # So many steps of SQLite's machine that it looks at the time.
            commit.db.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                " INSERT INTO block (account, mark) SELECT 1, i FROM n"
            )

        assert (await relay.submit(alice, bob)).codes
        await relay.store._act(fill)
        now = itertools.count()

        found, unfinished = selfcheck.check(relay.store._opened.path, frozenset, 0, lambda: float(next(now)), 1.0)

        assert unfinished
        assert [*[finding.rule for finding in found], *unfinished] == list(whole.NAMES)
        assert "blocks are an account's" in unfinished
        assert not any("interrupted" in finding.first for finding in found)
