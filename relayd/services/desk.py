"""The services' room: everything that a device may ask, in one place.

The store and the hub enter; the verbs leave. The rule of this file: one rate for all that one device asks.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from relayd.clock import Clock
from relayd.config import LimitsSection, RegistrationSection
from relayd.delivery.hub import Hub
from relayd.metrics import Counters
from relayd.services.administration import Administration, Domains
from relayd.services.directory import Directory
from relayd.services.enrolment import Enrolment
from relayd.services.login import Logins
from relayd.services.messages import Messages
from relayd.services.pairs import Pairs
from relayd.services.passing import PassingBy
from relayd.services.prekeys import Prekeys
from relayd.services.rates import Rates
from relayd.services.registration import Registration, Unit, bounds
from relayd.services.safety import Safety
from relayd.store import Store
from relayd.store.registrations import Mode, Terms
from relayproto.commands import Enrol, EnrolCommand, GetCode, Register
from relayproto.descriptor import root_fingerprint
from relayproto.ids import AccountId
from relayproto.primitives import Entropy
from relayproto.replies import Done, Enrolled
from relayproto.statistics import Kept

_HOUR_S: Final = 3_600
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Desk:
    """The verbs of devices. ``rates`` is keyed by the mailbox's number."""

    logins: Logins
    enrolment: Enrolment
    registration: Registration
    messages: Messages
    prekeys: Prekeys
    directory: Directory
    passing: PassingBy
    safety: Safety
    administration: Administration
    rates: Rates[int | AccountId]

    async def enter(
        self, command: EnrolCommand, place: bytes, start: Callable[[Coroutine[Any, Any, None]], None]
    ) -> Enrolled | Done:
        """Return the answer to somebody without an account; ``start`` runs what is to be done after it was said.

        Raises Refusal, Fault.
        """
        match command:
            case Enrol():
                return await self.enrolment.enrol(command)
            case Register():
                return await self.registration.register(command, place)
            case GetCode():
                parcel = await self.registration.get_code(command, place)
                # The answer comes first, and to everybody: how long a unit takes tells nobody whether it was asked.
                start(self.registration.send(parcel))
                return Done()
            case _ as never:
                assert_never(never)


def desk(
    store: Store,
    hub: Hub,
    *,
    limits: LimitsSection,
    descriptor: bytes,
    descriptors: tuple[bytes, ...],
    moderated: bool,
    domains: Domains | None = None,
    kept: Sequence[Kept] = (),
    registration: RegistrationSection = RegistrationSection(),  # noqa: B008 - frozen
    codes: Unit | None = None,
    clock: Clock,
    counters: Counters,
    entropy: Entropy,
) -> Desk:
    """Return the verbs over one store; ``descriptor`` is the present key's, ``descriptors`` are all good ones.

    ``moderated`` says whether there are moderators who can open a report; ``domains`` looks mail domains up;
    ``kept`` is the data map with the retention in force; ``codes`` is the unit that sends them.
    """
    rates: Rates[int | AccountId] = Rates(per_s=limits.device_rate_per_s, burst=limits.device_burst)
    pairs = Pairs(entropy(_KEY_BYTES), per_s=limits.pair_rate_per_s, burst=limits.pair_burst)
    reports: Rates[AccountId] = Rates(per_s=limits.reports_per_hour / _HOUR_S, burst=limits.reports_per_hour)
    return Desk(
        logins=Logins(store),
        enrolment=Enrolment(store, descriptor),
        registration=Registration(
            store=store,
            terms=Terms(Mode(registration.mode), frozenset(registration.domains)),
            unit=codes,
            bounds=bounds(registration.codes_per_hour),
            descriptor=descriptor,
            clock=clock,
            counters=counters,
            entropy=entropy,
        ),
        messages=Messages(store, rates=rates, pairs=pairs),
        prekeys=Prekeys(store, hub, entropy(_KEY_BYTES)),
        directory=Directory(store, hub, descriptors),
        passing=PassingBy(store, hub),
        safety=Safety(store, reports=reports, moderated=moderated),
        administration=Administration(store, relay=root_fingerprint(descriptor), domains=domains, kept=kept),
        rates=rates,
    )
