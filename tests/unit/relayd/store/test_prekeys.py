import pytest

from relayd.domain.refusals import Refusal
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import GetBundles
from relayproto.limits import KEM_PREKEYS_MAX, ONE_TIME_PREKEYS_MAX
from relayproto.notices import PrekeysLow
from relayproto.replies import PrekeysLeft
from support.stores import house


async def put(relay, someone, kind: PrekeyKind, numbers) -> PrekeysLeft:
    return await relay.store.put_prekeys(someone.seat, tuple(someone.prekey(kind, number) for number in numbers))


async def test_prekeys_are_counted_by_family(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob")

        await put(relay, bob, PrekeyKind.ONE_TIME, range(1, 4))
        left = await put(relay, bob, PrekeyKind.KEM_ONE_TIME, range(1, 3))

        assert left == PrekeysLeft(3, 2)
        assert (await relay.login(bob)).welcome.one_time_left == 3


async def test_a_one_time_prekey_is_handed_out_once_and_the_oldest_first(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await put(relay, bob, PrekeyKind.ONE_TIME, (2, 1))
        await put(relay, bob, PrekeyKind.KEM_ONE_TIME, (1,))

        asking = GetBundles(bob.account, ())
        taken = [(await relay.store.bundles(alice.seat, asking)).reply.bundles[0] for _ in range(3)]

        assert [bundle.one_time and bundle.one_time.id for bundle in taken] == [1, 2, None]
        assert [bundle.kem.kind for bundle in taken] == [
            PrekeyKind.KEM_ONE_TIME, PrekeyKind.KEM_LAST_RESORT, PrekeyKind.KEM_LAST_RESORT,
        ]  # fmt: skip
        assert (relay.counters.prekeys_handed_out, relay.counters.last_resort_handed_out) == (3, 2)


async def test_a_repeat_of_a_deposit_takes_nothing_in_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await put(relay, bob, PrekeyKind.ONE_TIME, (1, 2))
        await relay.store.bundles(alice.seat, GetBundles(bob.account, ()))

        left = await put(relay, bob, PrekeyKind.ONE_TIME, (1, 2))

        assert left == PrekeysLeft(1, 0)


async def test_a_signed_prekey_replaces_its_predecessor(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        await put(relay, bob, PrekeyKind.SIGNED, (7,))

        (bundle,) = (await relay.store.bundles(alice.seat, GetBundles(bob.account, (1,)))).reply.bundles
        assert bundle.signed.id == 7


@pytest.mark.parametrize(
    ("kind", "maximum"),
    [(PrekeyKind.ONE_TIME, ONE_TIME_PREKEYS_MAX), (PrekeyKind.KEM_ONE_TIME, KEM_PREKEYS_MAX)],
)
async def test_more_than_a_device_may_keep_are_refused_as_a_whole(tmp_path, kind, maximum) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob")
        await put(relay, bob, kind, range(1, maximum))

        with pytest.raises(Refusal) as refusal:
            await put(relay, bob, kind, (maximum, maximum + 1))

        assert refusal.value.code is Code.LIMIT
        left = await put(relay, bob, kind, (maximum,))
        assert max(left.one_time, left.kem) == maximum


async def test_a_device_hears_when_few_are_left(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await put(relay, bob, PrekeyKind.ONE_TIME, range(1, 12))
        await put(relay, bob, PrekeyKind.KEM_ONE_TIME, range(1, 13))

        taken = [await relay.store.bundles(alice.seat, GetBundles(bob.account, ())) for _ in range(2)]

        assert [one.low for one in taken] == [(), ((bob.seat.row, PrekeysLow(9, 10)),)]


async def test_a_device_with_nothing_left_is_not_told_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        taken = await relay.store.bundles(alice.seat, GetBundles(bob.account, ()))

        assert (len(taken.reply.bundles), taken.low) == (1, ())


async def test_an_account_that_is_not_there_is_not_available(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")

        with pytest.raises(Refusal) as refusal:
            await relay.store.bundles(alice.seat, GetBundles(bytes(32), ()))

        assert refusal.value.code is Code.NOT_AVAILABLE


async def test_whoever_asks_for_a_device_that_was_removed_is_shown_the_newest_list(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", 2)
        await relay.put_devices(bob, 1)

        gone = await relay.store.bundles(alice.seat, GetBundles(bob.account, (2,)))
        both = await relay.store.bundles(alice.seat, GetBundles(bob.account, (1, 2)))

        assert (gone.reply.devices, gone.reply.signature) == bob.listed()
        assert gone.reply.bundles == ()
        assert [bundle.device for bundle in both.reply.bundles] == [1]


async def test_bundles_of_ones_own_account_are_of_the_other_devices_that_have_some(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice", devices=3)
        for kind in (PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT):
            await relay.store.put_prekeys(alice.seats[2], (alice.prekey(kind, 1, device=2),))

        taken = await relay.store.bundles(alice.seat, GetBundles(alice.account, ()))

        assert [bundle.device for bundle in taken.reply.bundles] == [2]
        assert taken.reply.devices == alice.listed()[0]


async def test_a_superseded_connection_deposits_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob")
        older = bob.seat
        await relay.login(bob)

        with pytest.raises(Refusal) as refusal:
            await relay.store.put_prekeys(older, (bob.prekey(PrekeyKind.ONE_TIME, 1),))

        assert refusal.value.code is Code.AUTHENTICATION
