import pytest

from relayd.domain.refusals import Refusal
from relayd.services.rates import Rates
from relayd.services.safety import Safety
from relayproto.codes import Code
from relayproto.commands import Block, PutProfile, Report
from relayproto.limits import REPORT_BYTES
from relayproto.replies import Done
from support.desks import AgreeableStore, seat_of
from support.people import Person

ALICE, MALLORY = Person("alice"), Person("mallory")
REPORT = Report(bytes(REPORT_BYTES))


def safety(store: AgreeableStore, *, moderated: bool = True) -> Safety:
    return Safety(store, reports=Rates(per_s=1 / 360, burst=2), moderated=moderated)


@pytest.mark.parametrize("blocked", [True, False])
async def test_a_block_is_made_and_taken_back(blocked: bool) -> None:
    store = AgreeableStore(ALICE)

    assert await safety(store).block(seat_of(ALICE), Block(MALLORY.account, blocked)) == Done()

    assert store.taken == [(seat_of(ALICE), MALLORY.account, blocked)]


async def test_a_report_is_kept_up_to_a_rate() -> None:
    store = AgreeableStore(ALICE)
    service = safety(store)

    answers = [await service.report(seat_of(ALICE), REPORT, 0.0) for _ in range(2)]
    with pytest.raises(Refusal) as refused:
        await service.report(seat_of(ALICE), REPORT, 0.0)

    assert answers == [Done(), Done()]
    assert (refused.value.code, refused.value.retry_after_ms) == (Code.LIMIT, 360_001)
    assert store.taken == [(seat_of(ALICE), REPORT.sealed)] * 2


async def test_where_nobody_can_open_a_report_none_is_taken() -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await safety(store, moderated=False).report(seat_of(ALICE), REPORT, 0.0)

    assert refused.value.code is Code.UNSUPPORTED
    assert store.taken == []


@pytest.mark.parametrize(("said", "kept"), [("", ""), (" on leave ", "on leave"), ("cafe\u0301", "caf\xe9")])
async def test_a_profile_is_kept_in_its_one_form(said: str, kept: str) -> None:
    store = AgreeableStore(ALICE)

    assert await safety(store).present(seat_of(ALICE), PutProfile(said, bytes(25))) == Done()

    assert store.taken == [(seat_of(ALICE), kept, bytes(25), 0)]


@pytest.mark.parametrize(
    ("about", "hidden"), [("two\nlines", bytes(25)), ("\u202eturned", bytes(25)), (" ", bytes(25)), ("", b"\x02" * 25)]
)
async def test_what_is_no_line_or_no_table_is_not_kept(about: str, hidden: bytes) -> None:
    store = AgreeableStore(ALICE)

    with pytest.raises(Refusal) as refused:
        await safety(store).present(seat_of(ALICE), PutProfile(about, hidden))

    assert (refused.value.code, store.taken) == (Code.UNSUPPORTED, [])
