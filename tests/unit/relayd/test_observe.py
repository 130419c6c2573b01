import asyncio
from pathlib import Path

import pytest

from relayd import observe
from relayd.domain.refusals import Fault
from relayd.metrics import Counters
from relayproto.codes import Code
from support.live_relay import until


def test_a_finished_backup_is_known_by_its_stamp(tmp_path: Path) -> None:
    (tmp_path / observe.STAMP).write_text('{"finished_ms": 1790000000000, "place": "anywhere"}', "utf-8")

    assert observe.backup_finished_ms(tmp_path) == 1_790_000_000_000


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"finished_ms": "soon"}', '{"finished_ms": -1}', "{" * 5_000])
def test_a_stamp_that_nobody_can_read_is_no_backup(tmp_path: Path, text: str) -> None:
    (tmp_path / observe.STAMP).write_text(text, "utf-8")

    assert observe.backup_finished_ms(tmp_path) == 0


def test_without_a_stamp_there_is_no_backup(tmp_path: Path) -> None:
    assert observe.backup_finished_ms(tmp_path) == 0


async def test_it_looks_again_and_again_and_makes_a_census_now_and_then(tmp_path: Path) -> None:
    asked: list[bool] = []

    async def looks(census: bool) -> None:
        asked.append(census)
        if len(asked) == 2:
            raise Fault(Code.UNAVAILABLE, 0)

    counters = Counters()
    task = asyncio.create_task(
        observe.observe_forever(looks, state=tmp_path, counters=counters, passing=(Fault,), every_s=0.0)
    )
    await until(lambda: len(asked) > observe.CENSUS_EVERY)
    (tmp_path / observe.STAMP).write_text('{"finished_ms": 7}', "utf-8")
    await until(lambda: counters.backup_finished_ms == 7)
    task.cancel()

    assert asked[: observe.CENSUS_EVERY + 1] == [True, *[False] * (observe.CENSUS_EVERY - 1), True]


async def test_our_own_mistake_ends_it_and_is_not_hidden(tmp_path: Path) -> None:
    async def looks(census: bool) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await observe.observe_forever(looks, state=tmp_path, counters=Counters(), passing=(Fault,), every_s=0.0)
