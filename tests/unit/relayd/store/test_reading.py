"""The line of questions, and what passes by it."""

import asyncio
import contextlib
import gc
import sqlite3

import pytest

from relayd.domain.refusals import Fault, Refusal
from relayd.store.database import Thread, connect, connect_reader
from relayd.store.reading import AT_ONCE, Reading
from relayproto.codes import Code


class Counted(Thread):
    """A thread that notes how often something went to it."""

    __slots__ = ("went",)

    def post(self, function, heard=None):
        self.went = getattr(self, "went", 0) + 1
        return super().post(function, heard)


@contextlib.asynccontextmanager
async def counted(directory, at_once=AT_ONCE, distrust=lambda _: None):
    """What reads a file of its own, so many questions at once, and its thread."""
    connect(directory / "relay.db", autocheckpoint_pages=1000).close()
    thread = await Counted.start(lambda: connect_reader(directory / "relay.db"))
    thread.went = 0
    try:
        yield Reading(thread, distrust, at_once), thread
    finally:
        await thread.close()


@contextlib.asynccontextmanager
async def reading(directory):
    """The same, and what was distrusted."""
    distrusted = []
    async with counted(directory, distrust=distrusted.append) as (room, _):
        yield room, distrusted


def one(db: sqlite3.Connection) -> int:
    return db.execute("SELECT 1").fetchone()[0]


def refuse(_: sqlite3.Connection) -> int:
    raise Refusal(Code.NOT_AVAILABLE)


def fail(code: int):
    def act(_: sqlite3.Connection) -> int:
        error = sqlite3.OperationalError("on purpose")
        error.sqlite_errorcode = code
        raise error

    return act


async def test_questions_are_answered_in_their_order_and_a_page_passes_by_them(tmp_path) -> None:
    async with reading(tmp_path) as (room, _):
        ended = []

        async def ask(number: int) -> None:
            await room.ask(one)
            ended.append(number)

        async def page() -> None:
            await room.read(one)
            ended.append("page")

        await asyncio.gather(*[ask(number) for number in range(20)], page())

        assert [each for each in ended if each != "page"] == list(range(20))
        assert ended.index("page") <= 2


async def test_a_few_questions_go_together_and_the_loop_has_its_turn_before_the_next(tmp_path) -> None:
    async with counted(tmp_path) as (room, thread):
        ended: list[tuple[int, int]] = []

        async def ask(number: int) -> None:
            await room.ask(one)
            ended.append((number, thread.went))

        await asyncio.gather(*[ask(number) for number in range(1 + 2 * AT_ONCE)])

        # Whoever came first went at once and alone. Each was told before those behind him had gone.
        assert ended == [(number, 1 + (number + AT_ONCE - 1) // AT_ONCE) for number in range(1 + 2 * AT_ONCE)]


async def test_long_questions_go_one_by_one(tmp_path) -> None:
    async with counted(tmp_path, at_once=1) as (room, thread):
        ended: list[tuple[int, int]] = []

        async def ask(number: int) -> None:
            await room.ask(one)
            ended.append((number, thread.went))

        await asyncio.gather(*[ask(number) for number in range(4)])

        assert ended == [(number, 1 + number) for number in range(4)]


async def test_nobody_waits_for_a_thread_that_has_ended(tmp_path) -> None:
    async with counted(tmp_path) as (room, thread):
        await thread.close()

        answers = await asyncio.wait_for(
            asyncio.gather(*[room.ask(one) for _ in range(2 * AT_ONCE)], return_exceptions=True), 5
        )

        assert {type(each) for each in answers} == {ValueError}


async def test_what_ends_a_whole_go_is_told_to_all_of_it_and_the_next_are_asked(tmp_path) -> None:
    class Gone(BaseException):
        """What no question catches."""

    def end(_: sqlite3.Connection) -> int:
        raise Gone

    async with counted(tmp_path) as (room, _):
        answers = await asyncio.wait_for(
            asyncio.gather(room.ask(one), room.ask(end), room.ask(one), return_exceptions=True), 5
        )

        assert [type(each) for each in answers] == [int, Gone, Gone]
        assert await room.ask(one) == 1


async def test_a_page_waits_for_those_that_have_gone_alone(tmp_path) -> None:
    async with counted(tmp_path) as (room, thread):
        ended = []

        async def ask(number: int) -> None:
            await room.ask(one)
            ended.append(number)

        questions = asyncio.gather(*[ask(number) for number in range(3 * AT_ONCE)])
        for _ in range(100_000):
            if thread.went == 2:
                break
            await asyncio.sleep(0)
        await room.read(one)
        assert len(ended) <= 1 + AT_ONCE
        await questions


async def test_what_nobody_waits_for_any_more_is_not_asked(tmp_path) -> None:
    async with counted(tmp_path) as (room, thread):
        asked = []
        first = asyncio.ensure_future(room.ask(one))
        gone = [asyncio.ensure_future(room.ask(lambda _, number=number: asked.append(number))) for number in range(9)]
        last = asyncio.ensure_future(room.ask(one))
        await asyncio.sleep(0)

        for each in gone:
            each.cancel()

        assert [await first, await last] == [1, 1]
        assert asked == []
        assert thread.went == 2
        assert await room.ask(one) == 1


async def test_a_mistake_of_ours_is_raised_as_it_is(tmp_path) -> None:
    async with reading(tmp_path) as (room, distrusted):
        answers = await asyncio.gather(room.ask(one), room.ask(lambda _: 1 // 0), room.ask(one), return_exceptions=True)

        assert [type(each) for each in answers] == [int, ZeroDivisionError, int]
        assert distrusted == []


async def test_who_is_refused_or_fails_keeps_nobody_behind_him_waiting(tmp_path) -> None:
    async with reading(tmp_path) as (room, distrusted):
        answers = await asyncio.gather(
            room.ask(refuse), room.ask(fail(sqlite3.SQLITE_BUSY)), room.ask(one), return_exceptions=True
        )

        assert [type(each) for each in answers] == [Refusal, Fault, int]
        assert answers[1].retry_after_ms == 1_000
        assert distrusted == []


async def test_what_cant_be_trusted_is_told(tmp_path) -> None:
    async with reading(tmp_path) as (room, distrusted):
        with pytest.raises(Fault) as fault:
            await room.ask(fail(sqlite3.SQLITE_CORRUPT))

        assert fault.value.retry_after_ms == 0
        assert [each.sqlite_errorcode for each in distrusted] == [sqlite3.SQLITE_CORRUPT]


async def test_a_refusal_leaves_no_circle_that_only_the_collector_would_find(tmp_path) -> None:
    async with reading(tmp_path) as (room, _):
        gc.collect()
        before = [each for each in gc.get_objects() if isinstance(each, Refusal)]
        gc.disable()
        try:
            for _ in range(5):
                with contextlib.suppress(Refusal):
                    await room.ask(refuse)
                await asyncio.gather(*[room.ask(refuse) for _ in range(3)], return_exceptions=True)
            await room.ask(one)  # the thread lets go of an answer when it has the next one

            left = [each for each in gc.get_objects() if isinstance(each, Refusal) and each not in before]
        finally:
            gc.enable()

        assert left == []
