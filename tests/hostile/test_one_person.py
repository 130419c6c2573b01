"""One person is one person: as many devices as he makes, an account has one rate.

Over TCP: an account lets a second device in, has it say what it may, and puts another one in its place.
"""

import copy
from pathlib import Path

from relayd.services.directory import ADDED_A_DAY_MAX, LISTS_BURST_MAX
from relayd.services.prekeys import BUNDLES_BURST_MAX
from relayproto import identity
from relayproto.codes import Code
from relayproto.commands import GetBundles, PutDevices, Report
from relayproto.identity import DeviceEntry
from relayproto.message import Message
from relayproto.primitives import ed25519_public, x25519_public
from relayproto.replies import Bundles, Devices, Done, NotTaken, Refused, Submitted
from support.device import Line, enrol, login, submit
from support.live_relay import NOW_MS, LiveRelay, live_relay
from support.people import Person

SWAPS = 6
"""Second devices, one after the other: enough for several times what one account may."""


def second(owner: Person, number: int) -> Person:
    """Return a device of the account with keys of its own; it is in no list yet."""
    made = copy.copy(owner)
    made.device, made.dh_private, made.sign_seed = number, owner.entropy(32), owner.entropy(32)
    made.entry = DeviceEntry(number, ed25519_public(made.sign_seed), x25519_public(made.dh_private), NOW_MS)
    return made


async def lists(line: Line, owner: Person, *devices: Person) -> Message:
    """Have the account's first device put a list; it counts where it is taken."""
    newer = owner.next_list(
        devices=(owner.entry, *(each.entry for each in devices)),
        highest_device=max(owner.list.highest_device, *(each.device for each in devices), 1),
    )
    octets = identity.encode(newer)
    said = PutDevices(octets, identity.sign_list(owner.identity_seed, octets))
    answer = await answered(line, said, Devices)
    if isinstance(answer, Devices):
        owner.list = newer
    return answer


async def answered(line: Line, said: Message, *kinds: type[Message]) -> Message:
    line.say(said)
    while True:
        happened = await line.expect(Message)
        if isinstance(happened, (*kinds, Refused)):
            return happened


async def two(relay: LiveRelay) -> tuple[Person, Person]:
    mallory, bob = Person("mallory"), Person("bob")
    for person in (mallory, bob):
        await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
    return mallory, bob


async def test_an_account_that_swaps_its_second_device_reports_no_oftener(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        mallory, _ = await two(relay)
        first, _ = await login(relay.port, mallory)
        taken = 0
        for number in range(2, 2 + SWAPS):
            device = second(mallory, number)
            assert isinstance(await lists(first, mallory, device), Devices)
            line, _ = await login(relay.port, device)
            for _ in range(10):
                taken += isinstance(await answered(line, Report(b"r" * 15_360), Done), Done)
            await line.close()

        assert taken == 10


async def test_an_account_that_swaps_its_second_device_gets_no_more_of_somebodys_prekeys(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        mallory, bob = await two(relay)
        first, _ = await login(relay.port, mallory)
        taken = 0
        for number in range(2, 2 + SWAPS):
            device = second(mallory, number)
            await lists(first, mallory, device)
            line, _ = await login(relay.port, device)
            for _ in range(BUNDLES_BURST_MAX):
                taken += isinstance(await answered(line, GetBundles(bob.account, ()), Bundles), Bundles)
            await line.close()

        assert taken == BUNDLES_BURST_MAX


async def test_devices_of_one_account_submit_no_more_than_one(tmp_path: Path) -> None:
    async with live_relay(tmp_path, pair_burst=5, pair_rate_per_s=1) as relay:
        mallory, bob = await two(relay)
        first, _ = await login(relay.port, mallory)
        stored = 0
        for number in range(2, 2 + SWAPS):
            device = second(mallory, number)
            await lists(first, mallory, device)
            line, _ = await login(relay.port, device)
            for submission in range(1, 6):
                answer = await answered(line, submit(submission, bob), Submitted, NotTaken)
                stored += isinstance(answer, Submitted)
            await line.close()

        assert stored == 5


async def test_an_account_makes_so_many_devices_on_a_day_and_removes_one_whenever_it_will(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        mallory, _ = await two(relay)
        first, _ = await login(relay.port, mallory)
        number, refused = 2, 0
        for _ in range(3 * ADDED_A_DAY_MAX):
            answer = await lists(first, mallory, second(mallory, number))
            if isinstance(answer, Devices):
                number += 1
            else:
                assert (answer.code, answer.retry_after_ms > 0) == (Code.RATE, True)
                refused += 1
                relay.pass_time(61)

        assert number - 2 <= ADDED_A_DAY_MAX + 1, "one more for the time that has passed"
        assert refused > 0
        relay.pass_time(61 * LISTS_BURST_MAX)
        assert isinstance(await lists(first, mallory), Devices)
        assert len(mallory.list.devices) == 1


async def test_a_stolen_device_that_repeats_the_list_and_floods_does_not_keep_its_owner_from_removing_it(
    tmp_path: Path,
) -> None:
    async with live_relay(tmp_path, device_burst=40, device_rate_per_s=1) as relay:
        alice, bob = await two(relay)
        first, _ = await login(relay.port, alice)
        stolen = second(alice, 2)
        await lists(first, alice, stolen)
        thief, _ = await login(relay.port, stolen)
        octets = identity.encode(alice.list)
        again = PutDevices(octets, identity.sign_list(alice.identity_seed, octets))
        for _ in range(LISTS_BURST_MAX + 1):
            await answered(thief, again, Devices)
        for number in range(1, 50):
            if isinstance(await answered(thief, submit(number, bob), Submitted, NotTaken), NotTaken):
                break

        assert isinstance(await lists(first, alice), Devices)
        assert len(alice.list.devices) == 1
