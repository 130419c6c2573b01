import pytest

from relayd.domain.refusals import Refusal
from relayd.metrics import Counters
from relayd.services.operator import Operator
from relayproto import __version__, message
from relayproto.administration import BreakGlass
from relayproto.codes import Code
from relayproto.commands import Invite
from relayproto.replies import Done, Status
from relayproto.standing import ActState
from support.clocks import HandClock
from support.desks import AgreeableStore
from support.people import Person


def operator(store: AgreeableStore, counters: Counters | None = None) -> Operator:
    return Operator(
        store, clock=HandClock(now_ms=5_000_000), confirm=lambda: store.taken.append(("confirmed",)),
        counters=counters or Counters(), endpoint="relay.example:7443", descriptor=b"descriptor",
    )  # fmt: skip


async def test_an_invitation_binds_an_address_for_a_time() -> None:
    store = AgreeableStore(Person("alice"))

    invited = await operator(store).invite(Invite("Alice@gad.example", 3600))

    assert invited.address == "alice@gad.example"
    assert (invited.ticket, invited.expires_ms) == (b"t" * 16, 8_600_000)
    assert (invited.endpoint, invited.descriptor) == ("relay.example:7443", b"descriptor")
    assert store.taken == [("alice@gad.example", 8_600_000)]


async def test_what_is_no_address_gets_no_invitation() -> None:
    store = AgreeableStore(Person("alice"))

    with pytest.raises(Refusal) as refused:
        await operator(store).invite(Invite("nobody", 3600))

    assert refused.value.code is Code.BAD_ADDRESS
    assert store.taken == []


async def test_a_confirmed_clock_is_on_disk_before_it_is_said() -> None:
    store = AgreeableStore(Person("alice"))

    assert await operator(store).confirm_clock() == Done()

    assert store.taken == [("confirmed",), ("probed",)]


async def test_the_glass_is_broken_by_the_service_that_is_loud_about_it() -> None:
    store, counters = AgreeableStore(Person("alice")), Counters()

    with pytest.raises(Refusal) as refused:
        await operator(store, counters).break_glass(BreakGlass("nobody", 60, "x"))
    acted = await operator(store, counters).break_glass(BreakGlass("alice@gad.example", 60, "x"))

    assert refused.value.code is Code.BAD_ADDRESS
    assert (acted.state, counters.break_glass) == (ActState.DONE, 1)


async def test_the_status_has_the_processs_figures_and_the_stores() -> None:
    counters = Counters()
    counters.connections_open = 3

    status = await operator(AgreeableStore(Person("alice")), counters).status()

    assert status.version == __version__
    assert dict(status.figures)["connections open"] == 3
    assert dict(status.figures)["accounts"] == 2
    assert message.read(Status, [status.version, [list(figure) for figure in status.figures]]) == status
