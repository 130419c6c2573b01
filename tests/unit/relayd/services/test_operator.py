from collections.abc import Callable

import pytest

from relayd.domain.refusals import Refusal
from relayd.metrics import Counters
from relayd.services.operator import Operator
from relayd.store import By
from relayproto import __version__
from relayproto.administration import BreakGlass
from relayproto.codes import Code
from relayproto.commands import ConfirmClock, GetStatus, Invite
from relayproto.message import Message
from relayproto.operating import MoveLog
from relayproto.replies import Done, Status
from relayproto.standing import ActState
from support.clocks import HandClock
from support.desks import AgreeableStore
from support.people import Person
from support.reading import read


class Intervening:
    """What is done at night, as a test wants it."""

    draining = True

    def __init__(self) -> None:
        self.taken: list[tuple[Message, By]] = []

    async def answer(self, command: Message, by: By) -> Message:
        self.taken.append((command, by))
        return Done()


def operator(
    store: AgreeableStore, counters: Counters | None = None, intervening: Intervening | None = None,
    *, codes_failing: Callable[[], int] | None = None,
) -> Operator:  # fmt: skip
    return Operator(
        store, clock=HandClock(now_ms=5_000_000), confirm=lambda: store.taken.append(("confirmed",)),
        counters=counters or Counters(), endpoint="relay.example:7443", descriptor=b"descriptor",
        intervening=intervening or Intervening(), codes_failing=codes_failing,
    )  # fmt: skip


async def test_an_invitation_binds_an_address_for_a_time_and_says_who_made_it() -> None:
    store = AgreeableStore(Person("alice"))

    invited = await operator(store).answer(Invite("Alice@gad.example", 3600), 1000)

    assert invited.address == "alice@gad.example"
    assert (invited.ticket, invited.expires_ms) == (b"t" * 16, 8_600_000)
    assert (invited.endpoint, invited.descriptor) == ("relay.example:7443", b"descriptor")
    assert store.taken == [("alice@gad.example", 8_600_000, By(1000))]


async def test_what_is_no_address_gets_no_invitation() -> None:
    store = AgreeableStore(Person("alice"))

    with pytest.raises(Refusal) as refused:
        await operator(store).answer(Invite("nobody", 3600), 0)

    assert refused.value.code is Code.BAD_ADDRESS
    assert store.taken == []


async def test_a_confirmed_clock_is_written_down_before_and_on_disk_before_it_is_said() -> None:
    store = AgreeableStore(Person("alice"))

    assert await operator(store).answer(ConfirmClock(), 1000) == Done()

    assert store.taken == [("CONFIRM_CLOCK", "uid 1000", 0), ("confirmed",), ("probed",)]


async def test_the_glass_is_broken_by_the_service_that_is_loud_about_it() -> None:
    store, counters = AgreeableStore(Person("alice")), Counters()

    with pytest.raises(Refusal) as refused:
        await operator(store, counters).answer(BreakGlass("nobody", 60, "x"), 0)
    acted = await operator(store, counters).answer(BreakGlass("alice@gad.example", 60, "x"), 7)

    assert refused.value.code is Code.BAD_ADDRESS
    assert (acted.state, counters.break_glass) == (ActState.DONE, 1)
    assert store.taken == [("alice@gad.example", 60, By(7, "x"))]


async def test_what_is_done_at_night_has_its_own_service() -> None:
    intervening = Intervening()

    assert await operator(AgreeableStore(Person("alice")), intervening=intervening).answer(MoveLog(), 7) == Done()

    assert intervening.taken == [(MoveLog(), By(7))]


async def test_the_status_has_the_processs_figures_and_the_stores() -> None:
    counters = Counters()
    counters.connections_open = 3

    status = await operator(AgreeableStore(Person("alice")), counters).answer(GetStatus(), 0)

    assert status.version == __version__
    assert dict(status.figures)["connections open"] == 3
    assert (dict(status.figures)["accounts"], dict(status.figures)["draining"]) == (2, 1)
    assert read(Status, [status.version, [list(figure) for figure in status.figures]]) == status


async def test_where_people_may_register_the_status_says_whether_codes_go_out() -> None:
    counters = Counters()
    counters.codes.update(sent=5, failed=3, refused=7)
    store = AgreeableStore(Person("alice"))

    closed = await operator(store, counters).answer(GetStatus(), 0)
    told = await operator(store, counters, codes_failing=lambda: 2).answer(GetStatus(), 0)

    assert [(name, figure) for name, figure in told.figures if (name, figure) not in closed.figures] == [
        ("codes handed over to be sent", 5), ("codes not handed over", 3), ("of these since one was handed over", 2),
        ("codes refused by a bound", 7),
    ]  # fmt: skip
