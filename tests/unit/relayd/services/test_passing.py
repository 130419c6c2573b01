from relayd.delivery.hub import Hub
from relayd.services.passing import PassingBy
from relayproto.commands import Ephemeral, Target, Wrap
from relayproto.notices import Passing
from support.desks import AgreeableStore, seat_of
from support.people import Person
from support.stores import house

ALICE, BOB = Person("alice"), Person("bob")


class Ear:
    generation = 1

    def __init__(self) -> None:
        self.heard: list[Passing] = []

    def pass_by(self, notice: Passing) -> None:
        self.heard.append(notice)


def typing(account: bytes, *devices: int) -> Ephemeral:
    return Ephemeral(Target(account, 1, tuple(Wrap(device, bytes([device])) for device in devices)))


async def test_each_device_that_listens_gets_its_own_wrap() -> None:
    hub, first, second = Hub(), Ear(), Ear()
    hub.attach(7, first)
    hub.attach(8, second)

    await PassingBy(AgreeableStore(BOB), hub).pass_on(seat_of(ALICE), typing(BOB.account, 1, 2, 3))

    assert first.heard == [Passing(ALICE.account, 1, b"\x01")]
    assert second.heard == [Passing(ALICE.account, 1, b"\x02")]


async def test_the_sending_device_gets_nothing_back() -> None:
    hub, own = Hub(), Ear()
    hub.attach(7, own)

    await PassingBy(AgreeableStore(BOB), hub).pass_on(seat_of(BOB, row=7), typing(BOB.account, 1))

    assert own.heard == []


async def test_an_account_that_is_not_there_is_silence() -> None:
    hub, ear = Hub(), Ear()
    hub.attach(7, ear)

    await PassingBy(AgreeableStore(BOB), hub).pass_on(seat_of(ALICE), typing(ALICE.account, 1))

    assert ear.heard == []


async def test_nothing_of_it_is_ever_on_disk(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        hub, ear = Hub(), Ear()
        hub.attach(bob.seat.row, ear)
        before = await relay.store._read(lambda db: list(db.iterdump()))

        await PassingBy(relay.store, hub).pass_on(alice.seat, typing(bob.account, 1))

        assert ear.heard == [Passing(alice.account, 1, b"\x01")]
        assert await relay.store._read(lambda db: list(db.iterdump())) == before
