from relayd.config import LimitsSection
from relayd.delivery.hub import Hub
from relayd.metrics import Counters
from relayd.services.desk import desk
from support.clocks import HandClock
from support.desks import AgreeableStore, seat_of
from support.people import Person


def test_one_rate_counts_all_that_a_device_asks() -> None:
    alice = Person("alice")
    limits = LimitsSection(device_rate_per_s=1, device_burst=1)
    verbs = desk(
        AgreeableStore(alice), Hub(), limits=limits, descriptor=b"one", descriptors=(b"one",),
        moderated=False, clock=HandClock(), counters=Counters(), entropy=bytes,
    )  # fmt: skip

    assert verbs.rates.take(seat_of(alice).row, 0.0) == 0

    assert verbs.messages._rates is verbs.rates
    assert verbs.directory.relay_keys().descriptors == (b"one",)
