import pytest

from relayd.delivery.hub import Hub
from relayd.domain.refusals import Refusal
from relayd.services.prekeys import Prekeys
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import GetBundles, PutPrekeys
from relayproto.notices import PrekeysLow
from support.desks import AgreeableStore, seat_of
from support.people import Person

ALICE, MALLORY = Person("alice"), Person("mallory")


class Ear:
    generation = 1

    def __init__(self) -> None:
        self.heard = []

    def say(self, notice) -> None:
        self.heard.append(notice)


async def test_prekeys_that_the_device_signed_are_kept() -> None:
    store = AgreeableStore(ALICE)
    prekeys = (ALICE.prekeys[PrekeyKind.ONE_TIME],)

    await Prekeys(store, Hub()).put(seat_of(ALICE), PutPrekeys(prekeys))

    assert store.taken == [(seat_of(ALICE), prekeys)]


async def test_prekeys_of_somebody_else_are_refused() -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await Prekeys(store, Hub()).put(seat_of(ALICE), PutPrekeys((MALLORY.prekeys[PrekeyKind.ONE_TIME],)))

    assert refused.value.code is Code.BAD_SIGNATURE
    assert store.taken == []


async def test_a_device_that_is_no_longer_in_the_list_deposits_nothing() -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await Prekeys(store, Hub()).put(seat_of(ALICE, device=9), PutPrekeys((ALICE.prekeys[PrekeyKind.ONE_TIME],)))

    assert refused.value.code is Code.AUTHENTICATION
    assert store.taken == []


async def test_whose_prekeys_run_low_hears_it_where_it_listens() -> None:
    store, hub, ear = AgreeableStore(ALICE), Hub(), Ear()
    store.low = ((4, PrekeysLow(2, 3)), (5, PrekeysLow(1, 1)))
    hub.attach(4, ear)

    bundles = await Prekeys(store, hub).bundles(seat_of(MALLORY), GetBundles(ALICE.account, ()))

    assert bundles.bundles == (ALICE.bundle(),)
    assert ear.heard == [PrekeysLow(2, 3)]
