import asyncio
import contextlib
import os
import signal
import stat

import pytest

from relayd import unit
from relayd.domain.refusals import Fault
from relayd.lifecycle import CannotStart
from relayd.services.outside import Outside


async def echo(question: dict) -> dict:
    if question.get("fail"):
        raise RuntimeError("on purpose")
    return {"said": question}


@contextlib.asynccontextmanager
async def served(path):
    serving = asyncio.create_task(unit.serve(unit.sockets(path), echo))
    try:
        await asyncio.sleep(0.05)
        yield
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 5)


async def test_questions_are_answered_until_a_signal(tmp_path) -> None:
    path = tmp_path / "unit.sock"
    path.write_text("what a crash left")
    async with served(path):
        mode = stat.S_IMODE(path.stat().st_mode)
        answers = [await Outside(path).ask({"n": n}) for n in range(3)]

    assert answers == [{"said": {"n": n}} for n in range(3)]
    assert mode == 0o600


async def test_a_failure_is_one_questions_own(tmp_path) -> None:
    path = tmp_path / "unit.sock"
    async with served(path):
        failed = await Outside(path).ask({"fail": True})
        answered = await Outside(path).ask({})

    assert (failed, answered) == ({"error": "failed; see this unit's log"}, {"said": {}})


@pytest.mark.parametrize(
    "line", [b"not JSON\n", b"[1]\n", b"{}", b"x" * 70_000 + b"\n", b'{"n":' + b"[" * 30_000 + b"]" * 30_000 + b"}\n"]
)
async def test_what_is_no_question_gets_no_answer_and_the_next_one_does(tmp_path, line) -> None:
    path = tmp_path / "unit.sock"
    async with served(path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        writer.write_eof()
        heard = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        answered = await Outside(path).ask({})

    assert (heard, answered) == (b"", {"said": {}})


def test_without_any_socket_it_does_not_start(tmp_path) -> None:
    with pytest.raises(CannotStart, match="--listen"):
        unit.sockets(None)
    with pytest.raises(CannotStart, match="cannot listen on"):
        unit.sockets(tmp_path / "no" / "unit.sock")


async def test_a_unit_that_is_away_is_a_fault(tmp_path) -> None:
    with pytest.raises(Fault):
        await Outside(tmp_path / "nobody.sock").ask({})


async def test_a_second_unit_does_not_take_a_socket_over(tmp_path) -> None:
    path = tmp_path / "unit.sock"
    async with served(path):
        with pytest.raises(CannotStart, match="another unit serves there"):
            unit.sockets(path)

        assert await Outside(path).ask({}) == {"said": {}}
