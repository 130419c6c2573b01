import pytest

from relayd.domain.refusals import Refusal
from relayproto.codes import Code, GoawayCode, Lane
from relayproto.errors import RemoteProtocolError
from relayproto.notices import RolledBack
from relayproto.primitives import x25519_public
from relayproto.replies import LaneState
from relayproto.standing import PLATFORM, Standing
from support.stores import guest, hello_of, house


async def test_welcome_says_what_the_relay_knows_of_the_device(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.submit(alice, bob)

        login = await relay.login(bob, floors=(1, 0, 0))
        sender = await relay.login(alice)

        welcome = login.welcome
        assert welcome.lanes == (LaneState(1, 3), LaneState(0, 1), LaneState(0, 1))
        assert (welcome.now_ms, welcome.list_version) == (relay.clock.now_ms(), 1)
        assert (welcome.one_time_left, welcome.kem_left) == (0, 0)
        assert (sender.welcome.ledger_floor, sender.welcome.lanes[Lane.OUTCOME]) == (2, LaneState(0, 2))
        assert login.cursors == (1, 0, 0)
        assert login.notices == ()


async def test_welcome_says_where_the_account_belongs_and_how_far_its_acts_have_come(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        new = (await relay.login(alice)).welcome
        await relay.store._act(
            lambda commit: commit.db.execute("UPDATE account SET standing = ?, unit = 9, act = 12", (Standing.OFFICE,))
        )

        known = (await relay.login(alice)).welcome

        assert (new.standing, new.unit, new.act) == (Standing.INVITED, PLATFORM, 0)
        assert (known.standing, known.unit, known.act) == (Standing.OFFICE, 9, 12)


async def test_the_floor_of_hello_acknowledges(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        await relay.login(bob, floors=(1, 0, 0))

        assert len(await relay.outcomes(alice)) == 1
        assert relay.counters.envelopes_queued == 0


async def test_unknown_wrong_and_removed_are_one_refusal(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, stranger = await relay.enrol("alice", devices=2), guest("stranger")
        key = x25519_public(alice.keys[1][0])
        await relay.put_devices(alice, 1)

        tries = [
            (hello_of(stranger), key),
            (hello_of(alice), x25519_public(stranger.keys[1][0])),
            (hello_of(alice, 2), x25519_public(alice.keys[2][0])),
            (hello_of(alice, 3), key),
            (hello_of(alice, 3), bytes(32)),
        ]

        for hello, static_key in tries:
            with pytest.raises(Refusal) as refusal:
                await relay.store.login(hello, static_key)
            assert (refusal.value.code, refusal.value.retry_after_ms) == (Code.AUTHENTICATION, 0)


async def test_a_floor_that_was_never_given_breaks_the_protocol_and_changes_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        with pytest.raises(RemoteProtocolError) as broken:
            await relay.login(bob, floors=(2, 0, 0))

        assert broken.value.code is GoawayCode.BAD_ACK
        assert len((await relay.page(bob)).items) == 1


@pytest.mark.parametrize("knows_the_epoch", [True, False])
async def test_a_floor_below_the_relays_is_told_and_not_believed(tmp_path, knows_the_epoch) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)

        login = await relay.login(bob, epoch=None if knows_the_epoch else 0)

        assert login.notices == (RolledBack(Lane.NORMAL, 1),)
        assert login.welcome.lanes[Lane.NORMAL] == LaneState(1, 2)
        assert login.cursors == (0, 0, 0)


async def test_floors_of_another_epoch_mean_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob)

        login = await relay.login(bob, epoch=bob.epochs[1] + 1, floors=(77, 0, 0))

        assert (login.cursors, login.notices) == ((0, 0, 0), ())
        assert len((await relay.page(bob)).items) == 1


async def test_each_login_outdates_the_one_before_also_across_a_restart(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        first = alice.seat.generation
        await relay.login(alice)
        second = alice.seat.generation

        await relay.reopen()
        await relay.login(alice)

        assert first < second < alice.seat.generation
