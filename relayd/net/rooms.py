"""The wire's room: what every connection of the process shares.

The rule of this file: one value, made once by the app; a connection holds it and nothing else that is shared.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from relayd.clock import Clock
from relayd.config import LimitsSection, RegistrationSection
from relayd.delivery.hub import Hub
from relayd.incidents import report
from relayd.metrics import Counters
from relayd.net.admission import Admission
from relayd.net.agenda import Agenda
from relayd.net.gate import Gate
from relayd.net.shares import Shares
from relayd.net.turn import Exits, Turn, Wheel
from relayd.services.administration import Domains
from relayd.services.desk import Desk, desk
from relayd.services.registration import Unit
from relayd.store import Store
from relayproto.codes import Suite
from relayproto.primitives import Entropy
from relayproto.statistics import Kept


class Tasks:
    """The tasks of connections: a first moment, a login, an enrolment, a run of verbs, a page. Never one a message."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], None] = {}

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside the loop; it sees to its own errors."""
        task = asyncio.get_running_loop().create_task(work)
        self._running[task] = None
        task.add_done_callback(self._running.pop)

    def __len__(self) -> int:
        return len(self._running)

    async def cancel(self) -> None:
        """End what still runs."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """The clock, the store, the verbs and the bounds; ``keys`` are the relay's X25519 private keys by key id."""

    clock: Clock
    entropy: Entropy
    counters: Counters
    limits: LimitsSection
    store: Store
    hub: Hub
    desk: Desk
    admission: Admission
    turn: Turn
    exits: Exits
    wheel: Wheel
    gate: Gate
    shares: Shares
    tasks: Tasks
    keys: Mapping[int, bytes] = field(repr=False)
    suites: frozenset[Suite]
    descriptor: bytes

    def chance(self) -> float:
        """Return a random number from 0 to below 1, to spread what would otherwise happen at once."""
        return int.from_bytes(self.entropy(4)) / (1 << 32)

    def incident(self, error: Exception, where: str) -> None:
        """Report a mistake of ours."""
        report(error, where=where, counters=self.counters, entropy=self.entropy)


def furnish(
    *,
    store: Store,
    hub: Hub,
    agenda: Agenda,
    turn: Turn,
    clock: Clock,
    entropy: Entropy,
    counters: Counters,
    limits: LimitsSection,
    keys: Mapping[int, bytes],
    suites: frozenset[Suite],
    descriptor: bytes,
    descriptors: tuple[bytes, ...],
    moderated: bool,
    domains: Domains | None = None,
    kept: Sequence[Kept] = (),
    registration: RegistrationSection = RegistrationSection(),  # noqa: B008 - frozen
    codes: Unit | None = None,
) -> Rooms:
    """Return what connections share, over an open store; on the running loop.

    ``descriptor`` is the present key's; ``descriptors`` are those of all keys that are still good;
    without ``domains`` no mail domain is proven; ``kept`` is the data map with the retention in force; ``codes`` is the
    unit that sends codes.
    """
    tasks = Tasks()
    return Rooms(
        clock=clock,
        entropy=entropy,
        counters=counters,
        limits=limits,
        store=store,
        hub=hub,
        desk=desk(
            store, hub, limits=limits, descriptor=descriptor, descriptors=descriptors, moderated=moderated,
            domains=domains, kept=kept, registration=registration, codes=codes, clock=clock, counters=counters,
            entropy=entropy,
        ),
        admission=Admission(limits, entropy(32)),
        turn=turn,
        exits=Exits(agenda.soon, partial(report, where="exit", counters=counters, entropy=entropy)),
        wheel=Wheel(clock, agenda.soon),
        gate=Gate(store, tasks.start),
        shares=Shares(clock, agenda.soon),
        tasks=tasks,
        keys=keys,
        suites=suites,
        descriptor=descriptor,
    )  # fmt: skip
