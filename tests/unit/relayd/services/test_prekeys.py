import pytest

from relayd.delivery.hub import Hub
from relayd.domain.refusals import Refusal
from relayd.services.prekeys import BUNDLES_BURST_MAX, Prekeys
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import GetBundles, PutPrekeys
from relayproto.notices import PrekeysLow
from support.desks import AgreeableStore, seat_of
from support.people import Person

ALICE, MALLORY = Person("alice"), Person("mallory")


NOW = 1_000.0


def service(store: AgreeableStore, hub: Hub | None = None) -> Prekeys:
    return Prekeys(store, hub or Hub(), bytes(32))


class Ear:
    generation = 1

    def __init__(self) -> None:
        self.heard = []

    def say(self, notice) -> None:
        self.heard.append(notice)


async def test_prekeys_that_the_device_signed_are_kept() -> None:
    store = AgreeableStore(ALICE)
    prekeys = (ALICE.prekeys[PrekeyKind.ONE_TIME],)

    await service(store).put(seat_of(ALICE), PutPrekeys(prekeys))

    assert store.taken == [(seat_of(ALICE), prekeys)]


async def test_prekeys_of_somebody_else_are_refused() -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await service(store).put(seat_of(ALICE), PutPrekeys((MALLORY.prekeys[PrekeyKind.ONE_TIME],)))

    assert refused.value.code is Code.BAD_SIGNATURE
    assert store.taken == []


async def test_a_device_that_is_no_longer_in_the_list_deposits_nothing() -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await service(store).put(seat_of(ALICE, device=9), PutPrekeys((ALICE.prekeys[PrekeyKind.ONE_TIME],)))

    assert refused.value.code is Code.AUTHENTICATION
    assert store.taken == []


async def test_whose_prekeys_run_low_hears_it_where_it_listens() -> None:
    store, hub, ear = AgreeableStore(ALICE), Hub(), Ear()
    store.low = ((4, PrekeysLow(2, 3)), (5, PrekeysLow(1, 1)))
    hub.attach(4, ear)

    bundles = await service(store, hub).bundles(seat_of(MALLORY), GetBundles(ALICE.account, ()), NOW)

    assert bundles.bundles == (ALICE.bundle(),)
    assert ear.heard == [PrekeysLow(2, 3)]


async def test_nobody_takes_all_of_somebodys_prekeys_alone() -> None:
    handing = service(AgreeableStore(ALICE))
    asked = GetBundles(ALICE.account, ())
    for _ in range(BUNDLES_BURST_MAX):
        await handing.bundles(seat_of(MALLORY), asked, NOW)

    with pytest.raises(Refusal) as refused:
        await handing.bundles(seat_of(MALLORY, row=2, device=2), asked, NOW)

    assert refused.value.code is Code.RATE
    assert 0 < refused.value.retry_after_ms <= 61_000
    await handing.bundles(seat_of(MALLORY), GetBundles(MALLORY.account, ()), NOW)
    await handing.bundles(seat_of(MALLORY), asked, NOW + 61)
