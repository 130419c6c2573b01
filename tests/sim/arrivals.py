"""How people and devices come into a simulated world: a relay is founded, people join, devices are let in.

A world enters, and has more in it. The rule of this file: it is done as programs do it, over the network, and may be
cut off anywhere.
"""

import functools

from relayclient import enrol, linking
from relayclient.device import Device
from relayd import initialise, keyring
from relayproto import descriptor
from relayproto.ids import Address, KeyId
from relayproto.invitation import Invitation
from sim.loop import Process
from sim.machines import START_MS, Phone
from sim.world import World, gently

PEOPLE = (("alice", 2), ("bob", 1), ("carol", 1))


def found_relay(world: World) -> None:
    """Make the relay's keys, its people and their devices."""
    world.relay.state.mkdir(parents=True, mode=0o700)
    initialise.make_keys(world.relay.state, world.rng.randbytes, START_MS)
    world.relay.start()
    world.run(1.0)
    for owner, devices in PEOPLE:
        first = join(world, owner)
        first.start()
        world.run(2.0)
        for _ in range(1, devices):
            let_in(world, first)
            world.run(2.0)


def invitation(world: World, address: str, ticket: bytes) -> Invitation:
    keys = keyring.load(world.relay.state, START_MS)
    said = descriptor.read(keys.newest, keys.root_fingerprint)
    return Invitation(
        Address(address), "192.0.2.1", 7443, KeyId(said.key_id), said.x25519, keys.root_fingerprint, ticket
    )


def join(world: World, owner: str) -> Phone | None:
    """Let somebody become a member; None where it does not come about now."""
    if not world.relay.serves:
        return None
    address = f"{owner}@office.example"
    phone = world.phone(owner, f"{owner} 1")
    assert world.relay.process is not None
    ticket = world.do(world.relay.process, gently(functools.partial(world.relay.ticket, address)))
    if ticket is None or not world.relay.state.exists():
        return None
    process = Process(f"{owner} joins")
    process.things["disk"] = phone.disk

    async def joins() -> bool:
        device = Device.create(
            phone.home, invitation(world, address, ticket), now_ms=phone.clock().now_ms(), entropy=phone.rng.randbytes
        )
        with device:
            await enrol.join(device, clock=phone.clock(), entropy=phone.rng.randbytes)
            world.accounts[device.identity.account] = owner
            phone.sender = (device.identity.account, device.identity.device)
        return True

    joined = world.do(process, gently(joins))
    world.loop.end(process)
    if not joined:
        return None
    world.phones.append(phone)
    world.count("people enrolled")
    return phone


def let_in(world: World, old: Phone) -> None:
    """Let a person's device let another one in, or go on with that where it was cut off."""
    if old.client is None or old.process is None:
        return
    begun = world.unfinished.get(old.owner)
    if begun is None:
        numbers = [int(phone.name.split()[1]) for phone in world.phones if phone.owner == old.owner]
        begun = world.unfinished[old.owner] = (old, world.phone(old.owner, f"{old.owner} {1 + max(numbers)}"))
    old, phone = begun
    if old.client is not None and old.device.linking.ready():
        _let_in(world, old, phone)


def _let_in(world: World, old: Phone, phone: Phone) -> None:
    within, client, device = world.loop.within, old.client, old.device
    process = Process(f"{phone} is linked")
    process.things["disk"] = phone.disk
    begin = functools.partial(linking.begin, phone.home, passphrase=None, entropy=phone.rng.randbytes)
    code = within(process, begin)
    while (command := within(old.process, device.linking.grow, code, client.now_ms())) is not None:
        if (
            world.do(old.process, gently(functools.partial(client.ask, command)), 30.0) is None
            or old.client is not client
        ):
            return
    if old.client is not client:
        return
    answered = within(old.process, device.linking.answer, code)
    if answered is None:
        return
    within(process, functools.partial(
        linking.finish, phone.home, answered.code, phone.clock().now_ms(), lambda *_: None, passphrase=None,
        entropy=phone.rng.randbytes,
    ))  # fmt: skip
    with within(process, functools.partial(Device.open, phone.home, entropy=phone.rng.randbytes)) as opened:
        phone.sender = (opened.identity.account, opened.identity.device)
    world.loop.end(process)
    del world.unfinished[phone.owner]
    phone.since = world.loop.now
    world.phones.append(phone)
    world.count("devices linked")
    phone.start()
