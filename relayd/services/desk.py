"""The services' room: everything that a device may ask, in one place.

The store and the hub enter; the verbs leave. The rule of this file: one rate for all that one device asks.
"""

from dataclasses import dataclass

from relayd.config import LimitsSection
from relayd.delivery.hub import Hub
from relayd.metrics import Counters
from relayd.services.directory import Directory
from relayd.services.enrolment import Enrolment
from relayd.services.login import Logins
from relayd.services.messages import Messages
from relayd.services.prekeys import Prekeys
from relayd.services.rates import Rates
from relayd.store import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """The verbs of devices. ``rates`` is keyed by the mailbox's number."""

    logins: Logins
    enrolment: Enrolment
    messages: Messages
    prekeys: Prekeys
    directory: Directory
    rates: Rates[int]


def desk(
    store: Store,
    hub: Hub,
    *,
    counters: Counters,
    limits: LimitsSection,
    descriptor: bytes,
    descriptors: tuple[bytes, ...],
) -> Desk:
    """Return the verbs over one store; ``descriptor`` is the present key's, ``descriptors`` are all good ones."""
    rates: Rates[int] = Rates(per_s=limits.device_rate_per_s, burst=limits.device_burst)
    return Desk(
        logins=Logins(store),
        enrolment=Enrolment(store, descriptor),
        messages=Messages(store, rates=rates, counters=counters),
        prekeys=Prekeys(store, hub),
        directory=Directory(store, hub, descriptors),
        rates=rates,
    )
