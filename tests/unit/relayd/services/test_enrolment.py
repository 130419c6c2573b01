import pytest

from relayd.domain.refusals import Refusal
from relayd.services.enrolment import Enrolment
from relayproto import identity
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import Enrol
from relayproto.identity import DeviceEntry
from support.changed import replace
from support.desks import AgreeableStore, listed
from support.device import enrolment
from support.people import Person

TICKET = b"t" * 16


async def enrol(command: Enrol) -> tuple[object, AgreeableStore]:
    store = AgreeableStore(Person("alice"))
    return await Enrolment(store, b"descriptor").enrol(command), store


async def test_an_account_that_a_restore_has_lost_comes_again_with_its_newest_list() -> None:
    alice = Person("alice")

    for make in (two_devices, later_version):
        said = make(alice)
        _, store = await enrol(said)
        assert store.taken == [(said, identity.decode(said.devices, said.signature), 1)]


async def test_a_ticket_becomes_an_account() -> None:
    alice = Person("alice")

    enrolled, store = await enrol(enrolment(alice, TICKET))

    assert (enrolled.account, enrolled.address, enrolled.descriptor) == (
        alice.account, "alice@gad.example", b"descriptor",
    )  # fmt: skip
    assert store.taken == [(enrolment(alice, TICKET), alice.list, 1)]


def foreign_signature(alice: Person) -> Enrol:
    return replace(enrolment(alice, TICKET), signature=bytes(64))


def no_list(alice: Person) -> Enrol:
    return replace(enrolment(alice, TICKET), devices=b"\x01nonsense")


def two_devices(alice: Person) -> Enrol:
    both = replace(alice.list, devices=(*alice.list.devices, DeviceEntry(2, bytes(32), bytes(32), 1)), highest_device=2)
    octets, signature = listed(alice, both)
    return replace(enrolment(alice, TICKET), devices=octets, signature=signature)


def later_version(alice: Person) -> Enrol:
    octets, signature = listed(alice, replace(alice.list, version=2, previous=b"p" * 32))
    return replace(enrolment(alice, TICKET), devices=octets, signature=signature)


def anothers_prekey(alice: Person) -> Enrol:
    mallory = Person("mallory")
    prekeys = (mallory.prekeys[PrekeyKind.SIGNED], alice.prekeys[PrekeyKind.KEM_LAST_RESORT])
    return replace(enrolment(alice, TICKET), prekeys=prekeys)


def no_last_resort(alice: Person) -> Enrol:
    prekeys = (alice.prekeys[PrekeyKind.SIGNED], alice.prekeys[PrekeyKind.ONE_TIME])
    return replace(enrolment(alice, TICKET), prekeys=prekeys)


def two_of_a_kind(alice: Person) -> Enrol:
    prekeys = enrolment(alice, TICKET).prekeys
    return replace(enrolment(alice, TICKET), prekeys=(*prekeys, alice.make_prekey(PrekeyKind.SIGNED)))


@pytest.mark.parametrize("make", [foreign_signature, no_list, anothers_prekey, no_last_resort, two_of_a_kind])
async def test_what_is_no_signed_beginning_is_refused(make) -> None:
    with pytest.raises(Refusal) as refused:
        await enrol(make(Person("alice")))

    assert refused.value.code is Code.BAD_SIGNATURE


def test_the_list_of_a_person_is_a_beginning() -> None:
    assert identity.decode(*listed(Person("alice"))) == Person("alice").list
