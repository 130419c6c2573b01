import pytest

from relayd.domain.refusals import Refusal
from relayd.store import policies
from relayproto import policy
from relayproto.codes import Code
from relayproto.standing import PLATFORM, Action, Permission, Standing
from support.stores import DAY_S, house

DENIED = bytes([Permission.DENY]) * policy.TABLE_BYTES


def row(action: Action, permission: Permission) -> bytes:
    made = bytearray(policy.ROW_BYTES)
    for standing in Standing:
        made[standing * policy.ACTIONS + action] = permission
    return bytes(made)


async def test_what_a_person_tightens_counts_from_the_next_submission_on(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        said = [(await relay.submit(bob, alice)).codes]

        await relay.store.put_policy(alice.seat, row(Action.TEXT, Permission.DENY))
        said += [(await relay.submit(one, other)).codes for one, other in ((bob, alice), (alice, bob))]
        await relay.store.put_policy(alice.seat, bytes(policy.ROW_BYTES))
        said += [(await relay.submit(bob, alice)).codes]

    assert said == [(Code.STORED,), (Code.NOT_AVAILABLE,), (Code.STORED,), (Code.STORED,)]


async def test_a_connection_that_was_taken_over_tightens_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        old = alice.seat
        await relay.login(alice)

        with pytest.raises(Refusal) as refused:
            await relay.store.put_policy(old, row(Action.TEXT, Permission.DENY))

    assert refused.value.code is Code.AUTHENTICATION


async def test_a_table_for_everybody_holds_at_once_and_after_a_restart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        said = [(await relay.submit(bob, alice)).codes]
        await relay.store._act(lambda commit: policies.put(commit, PLATFORM, DENIED))
        said += [(await relay.submit(bob, alice)).codes]
        await relay.reopen()
        await relay.login(bob)
        said += [(await relay.submit(bob, alice)).codes]
        await relay.store._act(lambda commit: policies.put(commit, PLATFORM, None))
        said += [(await relay.submit(bob, alice)).codes]

    assert said == [(Code.STORED,), (Code.NOT_AVAILABLE,), (Code.NOT_AVAILABLE,), (Code.STORED,)]


async def test_the_table_of_a_unit_concerns_its_people_only(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]

        def belong(commit) -> None:
            commit.db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (5, 0, 5, 'GAD', 1)")
            commit.db.execute("UPDATE account SET unit = 5 WHERE account = ?", (alice.account,))
            policies.put(commit, 5, DENIED)

        await relay.store._act(belong)
        pairs = ((bob, alice), (alice, bob), (bob, carol))
        said = [(await relay.submit(one, other)).codes for one, other in pairs]

    assert said == [(Code.NOT_AVAILABLE,), (Code.NOT_AVAILABLE,), (Code.STORED,)]


async def test_a_profile_is_the_accounts_own_and_what_hides_nothing_takes_no_room(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.store.put_profile(alice.seat, "on leave", bytes(24) + b"\x01")
        await relay.store.put_profile(bob.seat, "", bytes(25))
        old = alice.seat
        await relay.login(alice)
        with pytest.raises(Refusal) as refused:
            await relay.store.put_profile(old, "", bytes(25))

        kept = "SELECT about, hidden FROM account ORDER BY id"
        rows = await relay.store._read(lambda db: db.execute(kept).fetchall())

    assert refused.value.code is Code.AUTHENTICATION
    assert rows == [("on leave", bytes(24) + b"\x01"), ("", None)]


async def test_what_is_told_again_replaces_nothing_that_was_said_later(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        said_ms = relay.clock.now_ms()
        relay.clock.advance(1)
        tight, tighter = row(Action.TEXT, Permission.DENY), row(Action.CALL, Permission.DENY)
        kept = "SELECT policy, policy_ms, about, profile_ms FROM account"

        async def rows() -> list[tuple]:
            return await relay.store._read(lambda db: db.execute(kept).fetchall())

        await relay.store.put_policy(alice.seat, tight, said_ms)
        await relay.store.put_profile(alice.seat, "then", bytes(25), said_ms)
        then = await rows()
        await relay.store.put_policy(alice.seat, tighter)
        await relay.store.put_profile(alice.seat, "now", bytes(25))
        await relay.store.put_policy(alice.seat, tight, said_ms)
        await relay.store.put_profile(alice.seat, "then", bytes(25), said_ms)
        now = await rows()
        await relay.store.put_policy(alice.seat, tight, relay.clock.now_ms() + DAY_S)
        bounded = await rows()

    now_ms = relay.clock.now_ms()
    assert then == [(tight, said_ms, "then", said_ms)]
    assert now == [(tighter, now_ms, "now", now_ms)]
    assert bounded == [(tight, now_ms, "now", now_ms)], "no time in the future, which nothing could replace"
