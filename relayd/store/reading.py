"""The store room: a thread that reads, and the line of those who ask it.

Functions that read enter; what they return leaves, or one refusal, or a fault. The rules of this file: questions go to
the thread one by one - a thread that never pauses takes interpreter and core from the loop and from every commit, so
before the next question the loop has had its turn; and a page of messages does not stand in that line.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from relayd.domain.refusals import Fault, Refusal
from relayd.store.database import Thread
from relayd.store.daykeys import KeyGone
from relayd.store.failures import Failure, classify
from relayproto.codes import Code
from relayproto.errors import CryptoFailure

T = TypeVar("T")

_RETRY_MS: Final = 1_000


class Reading:
    """One thread that reads what is committed."""

    __slots__ = ("_distrust", "_line", "_thread")

    def __init__(self, thread: Thread, distrust: Callable[[BaseException], None]) -> None:
        """``distrust`` hears of what shows that the store can't be trusted any more."""
        self._thread = thread
        self._distrust = distrust
        self._line = asyncio.Lock()

    async def ask(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a question when it is its turn. Raises the Refusal that ``read`` raises, and Fault."""
        async with self._line:
            answer = await self.read(partial(_answer_or_refusal, read))
        try:
            if isinstance(answer, Refusal):
                raise answer
            return answer
        finally:
            # What is raised has this frame in its traceback: a circle, which only the collector would find.
            del answer

    async def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``read`` returns, past the line. Raises Fault."""
        try:
            return await self._thread.run(read)
        except (sqlite3.Error, CryptoFailure, KeyGone) as error:
            if classify(error) is not Failure.FATAL:
                raise Fault(Code.UNAVAILABLE, _RETRY_MS) from error
            self._distrust(error)
            raise Fault(Code.UNAVAILABLE, 0) from error


def _answer_or_refusal(read: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T | Refusal:
    """Return what is read, or the refusal: raised by a thread it would be in a circle with the future of its answer."""
    try:
        return read(db)
    except Refusal as error:
        return error
