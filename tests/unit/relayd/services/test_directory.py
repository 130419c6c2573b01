import pytest

from relayd.delivery.hub import Hub
from relayd.domain.refusals import Refusal
from relayd.services.directory import LOOKUP_BURST_MAX, LOOKUP_RATE_PER_S, Directory
from relayproto.codes import Code
from relayproto.commands import GetDevices, Lookup, PutDevices
from support.desks import AgreeableStore, listed, seat_of
from support.people import Person

ALICE, MALLORY = Person("alice"), Person("mallory")


class Ear:
    generation = 1
    revoked = 0

    def revoke(self) -> None:
        self.revoked += 1


def directory(store: AgreeableStore, hub: Hub | None = None) -> Directory:
    return Directory(store, hub or Hub(), (b"one", b"two"))


async def test_an_address_is_looked_up_in_its_one_spelling() -> None:
    store = AgreeableStore(ALICE)

    found = await directory(store).lookup(seat_of(MALLORY), Lookup(" Alice@GAD.example"), 0.0)

    assert found.account == ALICE.account
    assert store.taken == [("alice@gad.example", MALLORY.account)]


async def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        await directory(AgreeableStore(ALICE)).lookup(seat_of(MALLORY), Lookup("alice"), 0.0)

    assert refused.value.code is Code.BAD_ADDRESS


async def test_lists_and_relay_keys_are_handed_out() -> None:
    service = directory(AgreeableStore(ALICE))

    assert (await service.devices(seat_of(MALLORY), GetDevices(ALICE.account))).devices == listed(ALICE)[0]
    assert service.relay_keys().descriptors == (b"one", b"two")


async def test_devices_that_are_gone_from_the_list_are_sent_away() -> None:
    store, hub, ear = AgreeableStore(ALICE), Hub(), Ear()
    store.removed = (4, 5)
    hub.attach(4, ear)
    octets, signature = listed(ALICE)

    await directory(store, hub).put_devices(seat_of(ALICE), PutDevices(octets, signature), 0.0)

    assert ear.revoked == 1
    assert store.taken == [(seat_of(ALICE), ALICE.list, octets, signature)]


@pytest.mark.parametrize(
    ("octets", "signature"), [(listed(ALICE)[0], bytes(64)), (b"nonsense", bytes(64)), listed(MALLORY)]
)
async def test_a_list_that_the_account_did_not_sign_is_refused(octets: bytes, signature: bytes) -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await directory(store).put_devices(seat_of(ALICE), PutDevices(octets, signature), 0.0)

    assert refused.value.code is Code.BAD_SIGNATURE
    assert store.taken == []


async def test_who_tries_addresses_out_is_slowed_down_before_anything_is_looked_at() -> None:
    store = AgreeableStore(ALICE)
    service = directory(store)
    for _ in range(LOOKUP_BURST_MAX):
        await service.lookup(seat_of(MALLORY), Lookup("alice@gad.example"), 0.0)

    for asked in ("alice@gad.example", "nobody@gad.example", "no address"):
        with pytest.raises(Refusal) as refused:
            await service.lookup(seat_of(MALLORY), Lookup(asked), 0.0)
        assert (refused.value.code, refused.value.retry_after_ms) == (Code.RATE, 1 + int(1000 / LOOKUP_RATE_PER_S))
    await service.lookup(seat_of(ALICE), Lookup("alice@gad.example"), 0.0)
    await service.lookup(seat_of(MALLORY), Lookup("alice@gad.example"), 1.001 / LOOKUP_RATE_PER_S)

    assert len(store.taken) == LOOKUP_BURST_MAX + 2
