"""The relay's rooms joined over a real store and a real socket, without the app: for tests of the wire's room."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relayd.config import LifetimesSection, LimitsSection, RegistrationSection
from relayd.delivery.hub import Hub
from relayd.metrics import Counters
from relayd.net.agenda import Agenda
from relayd.net.listener import Listener, bind
from relayd.net.rooms import Rooms, furnish
from relayd.net.turn import Turn
from relayd.services.registration import Unit
from relayd.store import Ears, Store
from relayproto import descriptor
from relayproto.codes import Suite
from relayproto.descriptor import KeyDescriptor
from relayproto.ids import Address
from relayproto.primitives import ed25519_public, x25519_public
from support.clocks import HandClock
from support.kem import stream
from support.stores import NO_LIMIT

NOW_MS = 1_790_000_000_000
KEY_ID = 7
RELAY_PRIVATE = bytes(range(32))
RELAY_PUBLIC = x25519_public(RELAY_PRIVATE)
ROOT_SEED = b"r" * 32
STAMP_SEED = b"s" * 32
DESCRIPTOR = descriptor.make(
    ROOT_SEED, KeyDescriptor(1, KEY_ID, RELAY_PUBLIC, ed25519_public(STAMP_SEED), 0, NOW_MS * 2, NOW_MS)
)


DIALLED: list[asyncio.Transport] = []
"""The devices' ends of connections, so that none outlives its relay."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the relay has come so far."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state of the relay, not an event of ours
            await asyncio.sleep(0.01)


class Before:
    """Stands before a store; a test replaces what it wants to go wrong."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


@dataclass
class LiveRelay:
    clock: HandClock
    counters: Counters
    store: Store
    hub: Hub
    rooms: Rooms
    listener: Listener
    port: int

    async def ticket(self, address: str) -> bytes:
        return await self.store.create_ticket(Address(address), self.clock.now_ms() + 3_600_000)

    def pass_time(self, seconds: float) -> None:
        """Let time go by and wake everybody whose deadline has come."""
        self.clock.advance(seconds)
        self.rooms.wheel.tick()


async def open_store(
    directory: Path, hub: Hub, turn: Turn, clock: HandClock, counters: Counters, limits: LimitsSection
) -> Store:
    return await Store.open(
        directory, settings=NO_LIMIT, limits=limits,
        lifetimes=LifetimesSection(), master_key=b"m" * 32, stamp_seed=STAMP_SEED, relay_id=1, moderators=(),
        retention_days=1, audit_days=400, statistics_days=400, clock=clock, entropy=stream("the store"),
        counters=counters,
        ears=Ears(hub.wake, hub.explain, hub.say, hub.announce, hub.listening, turn.speak),
    )  # fmt: skip


def furnished(
    store: Store,
    hub: Hub,
    clock: HandClock,
    counters: Counters,
    limits: LimitsSection,
    suites: frozenset[Suite],
    **more: Any,
) -> Rooms:
    return furnish(
        store=store, hub=hub, clock=clock, entropy=stream("the relay"), counters=counters, limits=limits,
        keys={KEY_ID: RELAY_PRIVATE}, suites=suites, descriptor=DESCRIPTOR, descriptors=(DESCRIPTOR,), moderated=True,
        **more,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def live_relay(
    directory: Path,
    *,
    suites: frozenset[Suite] = frozenset({Suite.HYBRID}),
    through: Callable[[Store], Store] = lambda store: store,
    clock: HandClock | None = None,
    registration: RegistrationSection = RegistrationSection(),  # noqa: B008 - frozen
    codes: Unit | None = None,
    **limits: float,
) -> AsyncIterator[LiveRelay]:
    """Run a relay on a port of the loopback until the block ends; ``through`` may put something before the store.

    One that runs on in the same directory is given the clock of the one before.
    """
    section = LimitsSection(**limits)
    clock, counters, hub = clock or HandClock(), Counters(), Hub()
    agenda = Agenda(asyncio.get_running_loop().call_soon)
    turn = Turn(clock, agenda.soon)
    store = await open_store(directory, hub, turn, clock, counters, section)
    rooms = furnished(
        through(store),
        hub,
        clock,
        counters,
        section,
        suites,
        agenda=agenda,
        turn=turn,
        registration=registration,
        codes=codes,
    )
    listener = Listener(rooms)
    [listening] = bind("127.0.0.1", 0)
    await listener.start([listening])
    try:
        yield LiveRelay(clock, counters, store, hub, rooms, listener, listening.getsockname()[1])
    finally:
        await listener.drain(0.2)
        await store.close()
        while DIALLED:
            DIALLED.pop().abort()
        await asyncio.sleep(0)
