"""What the local operator does to people: in one commit with its audit record, or not at all."""

import sqlite3

import pytest

from relayd.domain.refusals import Refusal
from relayd.store import interventions
from relayd.store.interventions import By
from relayproto import audit
from relayproto.audit import Record
from relayproto.codes import Class, Code, Kind, Lane, Result
from relayproto.commands import GetBundles
from relayproto.operating import Queue
from relayproto.standing import PLATFORM, ActState, Role
from support.officers import chamber
from support.stores import House, house

BY = By(1000, "because")


async def records(relay: House) -> list[Record]:
    rows = await relay.store._read(lambda db: db.execute("SELECT record FROM audit ORDER BY id").fetchall())
    return [audit.decode(record) for (record,) in rows]


async def settle_in(relay: House, address: str, unit: int) -> None:
    """Let an account belong to a unit."""

    def settle(commit) -> None:
        commit.db.execute(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (?1, 0, ?1, 'Office', 1)", (unit,)
        )
        commit.db.execute("UPDATE account SET unit = ?, standing = 2 WHERE address = ?", (unit, address))

    await relay.store._act(settle)


async def break_audit(relay: House) -> None:
    """Let no audit record be written any more."""
    await relay.store._act(
        lambda commit: commit.db.execute(
            "CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room for it'); END"
        )
    )


def test_who_did_it_stands_before_why() -> None:
    assert (str(By(0)), str(By(0, "why"))) == ("uid 0", "uid 0: why")


async def test_a_person_is_named_by_address_or_account_and_one_device_or_all(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob", devices=2)

        def named(whom: str, device: int = 0):
            return relay.store._act(lambda commit: interventions.person(commit, whom, device))

        by_address, by_account = await named("Bob@gad.example"), await named(bob.account.hex())
        assert by_address == by_account
        assert set(by_address.mailboxes) == {1, 2}
        assert set((await named("bob@gad.example", 2)).mailboxes) == {2}
        for whom, device, code in (
            ("nobody", 0, Code.BAD_ADDRESS), ("nobody@gad.example", 0, Code.NOT_AVAILABLE),
            ("00" * 32, 0, Code.NOT_AVAILABLE), ("bob@gad.example", 3, Code.NOT_AVAILABLE),
        ):  # fmt: skip
            with pytest.raises(Refusal) as refused:
                await named(whom, device)
            assert refused.value.code is code


async def test_a_look_gives_numbers_and_is_written_down_for_the_platform_and_for_the_unit(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob, body=b"canary", ttl_s=600)
        await relay.submit(alice, bob, class_=Class.ALERT, ttl_s=60)
        await relay.acknowledge(bob, 1, device=2)
        await settle_in(relay, "bob@gad.example", 7)

        seen = await relay.store.look("bob@gad.example", BY)

        now_ms = relay.clock.now_ms()
        assert (seen.account, seen.unit, seen.suspended, seen.now_ms) == (bob.account, 7, False, now_ms)
        assert (seen.envelopes_max, seen.octets_max) == (relay.limits.mailbox_messages, relay.limits.mailbox_bytes)
        first, second = seen.boxes
        cost = len(b"canary") + len(b"wrap")
        assert first.queues == (Queue(0, 2, 1, cost), Queue(0, 2, 1, len(b"body") + len(b"wrap")), Queue(0, 1, 0, 0))
        assert (first.device, first.mailbox, first.epoch) == (1, bob.seat.row, bob.epochs[1])
        assert (first.earliest_ms, second.earliest_ms) == (now_ms + 60_000, now_ms + 60_000)
        assert second.queues[0] == Queue(1, 2, 0, 0)
        assert "canary" not in repr(seen)
        for record, unit in zip(await records(relay), (PLATFORM, 7), strict=True):
            assert (record.kind, record.unit, record.whom) == (Kind.GET_MAILBOX, unit, bob.account)
            assert (record.reason, record.account, record.state) == ("uid 1000: because", b"", ActState.DONE)
        assert seen.record == 1


async def test_a_suspended_account_is_not_there_for_others_and_fetches_what_waits(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        assert (await relay.submit(alice, bob)).codes == (Code.STORED,)

        await relay.store.suspend("bob@gad.example", BY, suspended=True)

        assert (await relay.submit(alice, bob)).codes == (Code.NOT_AVAILABLE,)
        assert (await relay.submit(bob, alice)).codes == (Code.NOT_AVAILABLE,)
        for asked in (
            relay.store.account_of("bob@gad.example", alice.account),
            relay.store.devices_of(bob.account, alice.account),
            relay.store.bundles(alice.seat, GetBundles(bob.account, ())),
            relay.store.account_of("alice@gad.example", bob.account),
        ):
            with pytest.raises(Refusal) as refused:
                await asked
            assert refused.value.code is Code.NOT_AVAILABLE
        assert (await relay.submit(bob, bob)).codes == (Code.STORED,), "its devices still talk to each other"
        await relay.reopen()
        await relay.login(bob)
        await relay.login(alice)
        assert len((await relay.page(bob)).items) == 1
        assert (await relay.submit(alice, bob)).codes == (Code.NOT_AVAILABLE,), "a restart changes nothing"

        await relay.store.suspend("bob@gad.example", BY, suspended=False)

        assert (await relay.submit(alice, bob)).codes == (Code.STORED,)
        assert (await relay.store.devices_of(bob.account, alice.account)).address == "bob@gad.example"
        assert [(each.kind, each.detail, each.whom) for each in await records(relay)] == [
            (Kind.SUSPEND, 1, bob.account), (Kind.SUSPEND, 0, bob.account),
        ]  # fmt: skip


async def test_what_is_so_already_is_refused_and_leaves_no_record(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("bob")

        with pytest.raises(Refusal) as refused:
            await relay.store.suspend("bob@gad.example", BY, suspended=False)

        assert refused.value.code is Code.CONFLICT
        assert await records(relay) == []


def test_who_is_suspended_holds_no_role() -> None:
    with chamber() as made:
        made.hold(made.alice.account, Role.PLATFORM_OPERATOR)
        from relayd.store import authority  # noqa: PLC0415 - beside what it is about

        row = authority.actor(made.view, made.alice.account).row
        before = authority.held(made.view, row)

        made.store.act(lambda commit: interventions.suspend(commit, made.alice.account.hex(), BY, suspended=True))

        assert len(before) == 1
        assert authority.held(made.view, row) == []


async def test_a_purge_tells_senders_begins_a_new_epoch_and_keeps_what_the_device_hears_of_its_own(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob, carol = await relay.enrol("alice"), await relay.enrol("bob", devices=2), await relay.enrol("carol")
        for _ in range(3):
            await relay.submit(alice, bob)
        await relay.submit(bob, alice)
        await relay.acknowledge(alice, 1)
        before = await relay.store.look("bob@gad.example", BY)

        _, acted = await relay.store.purge("bob@gad.example", 0, BY)

        after = await relay.store.look("bob@gad.example", BY)
        assert acted.value == 6
        assert await relay.outcomes(alice) == [(number, 0, Result.PURGED) for number in (1, 2, 3)]
        assert await relay.outcomes(bob) == [(1, 0, Result.DELIVERED)]
        for old, new in zip(before.boxes, after.boxes, strict=True):
            assert new.epoch != old.epoch
            assert new.queues[Lane.NORMAL] == Queue(3, 4, 0, 0)
            assert new.queues[Lane.OUTCOME] == old.queues[Lane.OUTCOME]
        assert relay.counters.envelopes_queued == 0

        made = await relay.login(bob)
        assert made.welcome.epoch == after.boxes[0].epoch
        await relay.submit(carol, bob)
        [entry] = (await relay.page(bob, after=3)).items
        assert entry.sequence == 4
        whole = await relay.store.self_check()
        assert [finding for finding in whole[0] if finding.wrong] == []


async def test_one_devices_mailbox_is_purged_and_the_other_may_still_deliver(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)

        await relay.store.purge("bob@gad.example", 2, BY)

        assert await relay.outcomes(alice) == []
        assert len((await relay.page(bob)).items) == 1
        await relay.acknowledge(bob, 1)
        assert await relay.outcomes(alice) == [(1, 0, Result.DELIVERED)]


async def test_what_is_not_written_down_is_not_done(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await break_audit(relay)
        store = relay.store

        for done in (
            store.suspend("bob@gad.example", BY, suspended=True), store.purge("bob@gad.example", 0, BY),
            store.look("bob@gad.example", BY), store.dismiss("bob@gad.example", 0, BY), store.note(Kind.DRAIN, BY),
            store.invite("carol@gad.example", relay.clock.now_ms() + 60_000, BY),
            store.break_glass("bob@gad.example", 60, BY),
        ):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="no room for it"):
                await done

        assert (await relay.submit(alice, bob)).codes == (Code.STORED,)
        assert len((await relay.page(bob)).items) == 2
        assert await relay.outcomes(alice) == []
        counts = await store._read(
            lambda db: [
                db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("audit", "held_role", "ticket WHERE account IS NULL")
            ]
        )
        assert counts == [0, 0, 0]


async def test_an_invitation_and_an_emergency_say_which_user_it_was(tmp_path) -> None:
    async with house(tmp_path) as relay:
        await relay.enrol("bob")

        ticket = await relay.store.invite("carol@gad.example", relay.clock.now_ms() + 60_000, By(7))
        await relay.store.break_glass("bob@gad.example", 60, BY)

        invited, broken = await records(relay)
        assert len(ticket) == 16
        assert (invited.kind, invited.reason, len(invited.after)) == (Kind.INVITE, "uid 7", 32)
        assert (broken.kind, broken.reason) == (Kind.BREAK_GLASS, "uid 1000: because")
