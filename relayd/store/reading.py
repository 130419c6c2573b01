"""The store room: a thread that reads, and the line of those who ask it.

Functions that read enter; what they return leaves, or one refusal, or a fault. The rules of this file: questions go to
the thread one by one, short ones a few at a time - a thread that never pauses takes interpreter and core from the loop
and from every commit, so before the next ones the loop has had its turn; and a page of messages does not stand in that
line.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from relayd.domain.refusals import Fault
from relayd.store.database import Thread
from relayd.store.daykeys import KeyGone
from relayd.store.failures import Failure, classify
from relayproto.codes import Code
from relayproto.errors import CryptoFailure

T = TypeVar("T")

AT_ONCE: Final = 8
"""Short questions that go to the thread together, 50 us each: the way there and back takes twice as long. Whoever comes
with a page of messages waits for so many at most."""
_RETRY_MS: Final = 1_000
_Asked = tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]
_READ: Final = (sqlite3.Error, CryptoFailure, KeyGone)
"""What is raised where something can't be read."""


class Reading:
    """One thread that reads what is committed."""

    __slots__ = ("_at_once", "_distrust", "_going", "_line", "_thread")

    def __init__(self, thread: Thread, distrust: Callable[[BaseException], None], at_once: int = 1) -> None:
        """``distrust`` hears of what shows that the store can't be trusted any more; ``at_once`` go together."""
        self._thread = thread
        self._distrust = distrust
        self._at_once = at_once
        self._line: deque[_Asked] = deque()
        self._going = False
        """Whether some have gone to the thread, or are about to."""

    async def ask(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a question when it is its turn. Raises the Refusal that ``read`` raises, and Fault."""
        future: asyncio.Future[T | BaseException] = asyncio.get_running_loop().create_future()
        self._line.append((read, future))
        if not self._going:
            self._go()
        answer: T | BaseException | None = None
        try:
            answer = await future
            if isinstance(answer, BaseException):
                raise self._told(answer)
            return answer
        finally:
            # What is raised has this frame in its traceback: a circle, which only the collector would find.
            del answer, future

    def _go(self) -> None:
        """Send the thread the first ones of the line that somebody still waits for."""
        some: list[_Asked] = []
        while self._line and len(some) < self._at_once:
            asked = self._line.popleft()
            if not asked[1].done():
                some.append(asked)
        self._going = bool(some)
        if not some:
            return
        futures = [future for _, future in some]
        try:
            gone = self._thread.post(partial(_answers, [read for read, _ in some]))
        except Exception as error:  # noqa: BLE001 - the thread has ended: nobody is to wait for it
            self._tell(futures, [error] * len(some))
        else:
            gone.add_done_callback(partial(self._came, futures))

    def _came(self, asked: Sequence[asyncio.Future[Any]], gone: asyncio.Future[list[Any]]) -> None:
        error = gone.exception()
        self._tell(asked, gone.result() if error is None else [error] * len(asked))

    def _tell(self, asked: Sequence[asyncio.Future[Any]], answers: Sequence[Any]) -> None:
        for future, answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        asyncio.get_running_loop().call_soon(self._go)

    async def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``read`` returns, past the line. Raises Fault."""
        try:
            return await self._thread.run(read)
        except _READ as error:
            raise self._told(error) from error

    def _told(self, error: BaseException) -> BaseException:
        """Return what is raised for what the thread has raised."""
        if not isinstance(error, _READ):
            return error
        fatal = classify(error) is Failure.FATAL
        if fatal:
            self._distrust(error)
        fault = Fault(Code.UNAVAILABLE, 0 if fatal else _RETRY_MS)
        fault.__cause__ = error
        return fault


def _answers(questions: Sequence[Callable[[sqlite3.Connection], Any]], db: sqlite3.Connection) -> list[Any]:
    return [_answer_or_error(read, db) for read in questions]


def _answer_or_error(read: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T | Exception:
    """Return what is read, or what was raised: raised by the thread it would be in a circle with its future."""
    try:
        return read(db)
    except Exception as error:  # noqa: BLE001 - raised again where it was asked for
        return error
