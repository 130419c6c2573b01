"""The store room: the commit loop.

What the intake has collected enters the writer's thread as one transaction; while that runs everything collects for
the next. The rules of this file: what somebody waits for waits for no timer; a failure for now is told as such and the
acknowledgements wait; after anything that could have lost or damaged what was written, no transaction is tried again.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from relayd.clock import Clock
from relayd.domain.refusals import Fatal, Fault
from relayd.incidents import Reporter
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.store.commit import Done
from relayd.store.database import Thread, checkpoint, log_is_long, move_log
from relayd.store.disk import Disk
from relayd.store.failures import Failure, classify, fatal
from relayd.store.intake import Intake
from relayd.store.telling import Ears, tell
from relayd.store.works import Submission, Verb, Works
from relayd.store.writer import Writer
from relayproto.codes import Code
from relayproto.replies import NotTaken

_FOR_NOW: Final = {
    Failure.DISK_FULL: (Code.DISK, 30_000),
    Failure.PASSING: (Code.UNAVAILABLE, 1_000),
    Failure.BUG: (Code.UNAVAILABLE, 1_000),
}
"""What is told of works whose transaction failed, and after how many ms to try again."""
SMALL_WORKS_MAX: Final = 64
"""Works, and rows that they put in, of a commit that the loop waits for: it takes a millisecond or two. What is larger
takes longer than anybody should wait for, and more devices have something to be read meanwhile."""
WAIT_S: Final = 0.003
"""How long the loop waits for such a commit, once: a slow disk is waited for like a large commit, beside the loop."""
_PAUSE_S: Final = 0.05
"""Between a failed transaction and the next, so that waiting acknowledgements do not spin."""

_log = get_logger("store")


@dataclass(slots=True)
class _Begun:
    """A commit that the thread has: its works, what tells of its end, and whether the loop may still wait for it."""

    works: Works
    committed: asyncio.Future[Done]
    waitable: bool


class Engine:
    """Commits what the intake collects, until it is stopped or the store can no longer be trusted."""

    __slots__ = (
        "_begun",
        "_clock",
        "_counters",
        "_disk",
        "_ears",
        "_failing",
        "_hurried",
        "_incident",
        "_log_pages",
        "_path",
        "_stopping",
        "_task",
        "_thread",
        "_writer",
        "fatal",
        "intake",
    )

    def __init__(
        self,
        intake: Intake,
        thread: Thread,
        writer: Writer,
        *,
        disk: Disk,
        path: Path,
        log_pages: int,
        clock: Clock,
        counters: Counters,
        ears: Ears,
        incident: Reporter,
    ) -> None:
        self.intake = intake
        self.fatal: asyncio.Future[Fatal] = asyncio.get_running_loop().create_future()
        self._disk = disk
        self._path = path
        self._log_pages = log_pages
        self._failing: Failure | None = None
        self._thread = thread
        self._writer = writer
        self._clock = clock
        self._counters = counters
        self._ears = ears
        self._incident = incident
        self._stopping = False
        self._begun: _Begun | None = None
        """The last commit that was handed to the thread, until it has ended; those before it went through."""
        self._hurried = False
        """Whether the loop will wait for it soon."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store commits")

    @property
    def taking(self) -> bool:
        """Whether anything more is taken in: neither stopping nor beyond trust."""
        return not (self._stopping or self.fatal.done())

    async def stop(self) -> None:
        """Finish what was taken in and end the loop."""
        self._stopping = True
        self.intake.close()
        await self._task

    async def _run(self) -> None:
        while not self.fatal.done():
            if self._begun is None and not self._stopping:
                await self.intake.arrival()
            if self._begun is None and not self._begin() and self._stopping:
                return
            if self._begun is not None:
                await self._follow(self._begun)
            if log_is_long(self._path, self._log_pages):
                await self._move(move_log)
        if self._begun is not None:
            await self._follow(self._begun)
        self._abandon(self.intake.next())

    def submit(self, work: Submission) -> None:
        """Take a submission in. Whoever wrote it is not to wait long for a commit that was begun for others."""
        self.intake.submit(work)
        if self._begun is not None and self._begun.waitable:
            self._hurry_soon()

    def _hurry_soon(self) -> None:
        if not self._hurried:
            self._hurried = True
            asyncio.get_running_loop().call_soon(self._hurry)

    def _hurry(self) -> None:
        self._hurried = False
        if self._begun is not None:
            self._wait_out(self._begun)
        elif self.intake.pressing and self.taking:
            self._begin()

    def _begin(self) -> bool:
        """Hand to the thread what was taken in, if anything was; where it brings few messages, wait for it.

        The thread shares the interpreter and maybe the core with the loop, and so do threads of the kernel that a sync
        goes through: each runs for microseconds and waits for the scheduler's next tick on a core that is kept busy.
        Who is read meanwhile would wait for the end of the commit all the same. Those who log in wait for the loop and
        not for each other: a commit of theirs is waited for only once somebody has written.
        """
        works = self.intake.next()
        if not works:
            return False
        act = partial(self._writer.run, works=works, now_ms=self._clock.now_ms(), disk_tight=self._disk.tight)
        committed = self._thread.post(act, partial(self._committed, works, self._clock.monotonic()))
        small = len(works) <= SMALL_WORKS_MAX and sum(each.placements for each in works.submissions) <= SMALL_WORKS_MAX
        self._begun = begun = _Begun(works, committed, small)
        if works.submissions:
            self._wait_out(begun)
        return True

    def _wait_out(self, begun: _Begun) -> None:
        if not begun.waitable:
            return
        begun.waitable = False
        try:
            self._thread.wait_out(WAIT_S)
        except Exception as error:  # noqa: BLE001 - our own bug in telling; whoever has begun the commit goes on
            self._incident(error, where="commit told")

    def _committed(self, works: Works, began: float, done: Done) -> None:
        """Tell of a commit in the turn in which the thread has told of it, and begin the next one in that turn too.

        Where that one brings messages and this one has answered verbs, it is begun a turn later, since it may be told
        at once: their callers go on before that, and a device that was let in hears what the next commit has for it.
        """
        self._begun = None
        if self._failing is not None:
            _log.info("commits go through again")
            self._failing = None
        self._counters.commits += 1
        self._counters.commit_batch.observe(len(works))
        self._counters.commit_seconds.observe(self._clock.monotonic() - began)
        try:
            tell(done, self._ears, self._counters, self._incident)
        except Exception as error:  # noqa: BLE001 - our own bug
            # What was committed stays committed; the next page finds what nobody was woken for.
            self._incident(error, where="telling")
        _answer(works, done)
        if works.verbs and self.intake.submitted:
            self._hurry_soon()
        elif self.intake.pressing and not self.fatal.done():
            self._begin()

    async def _follow(self, begun: _Begun) -> None:
        """Wait for a commit, and do what is to be done where it failed."""
        try:
            await begun.committed
        except Exception as error:  # noqa: BLE001 - classified, and our own bugs are among them
            self._begun = None
            await self._failed(begun.works, error)

    async def _failed(self, works: Works, error: Exception) -> None:
        failure = classify(error)
        if failure is Failure.FATAL:
            self.distrust(error)
            self._abandon(works)
            return
        code, retry_after_ms = _FOR_NOW[failure]
        self._counters.commits_failed[failure.name.lower()] += 1
        if failure is Failure.BUG:
            self._incident(error, where="commit")
        else:
            if failure is not self._failing:
                # Once: what is put back is tried twenty times a second.
                _log.warning("commits fail for now", failure=failure.name, error=str(error))
                self._failing = failure
            if not self._stopping:
                self.intake.put_back(works.acknowledgements)
        for submission in works.submissions:
            submission.settle(NotTaken(submission.command.submission, code, retry_after_ms))
        for verb in works.verbs:
            # What a verb itself raises is its own answer; here it only shared a transaction with what failed.
            _fail(verb, Fault(code, retry_after_ms))
        if failure is Failure.DISK_FULL:
            self._disk.ran_full()
            await self.checkpoint()
        await asyncio.sleep(_PAUSE_S)

    async def checkpoint(self) -> None:
        """Move the log into the file, so that the disk gets its room back; where that can't be done, later."""
        await self._move(checkpoint)

    async def _move(self, move: Callable[[sqlite3.Connection], None]) -> None:
        if self.fatal.done():
            return
        try:
            await self._thread.run(move)
        except sqlite3.Error as error:
            if classify(error) is Failure.FATAL:
                self.distrust(error)

    def distrust(self, error: BaseException) -> None:
        """Take nothing more: after this error the store can't be trusted."""
        if not self.fatal.done():
            found = fatal(error, self._path)
            _log.critical("the store can't be trusted any more", error=str(found))
            self.fatal.set_result(found)
            self.intake.close()

    def _abandon(self, works: Works) -> None:
        """Answer nobody's submissions - nobody knows what became of them - and end what waits."""
        for submission in works.submissions:
            submission.settle(None)
        for verb in works.verbs:
            _fail(verb, Fault(Code.UNAVAILABLE, 0))


def _answer(works: Works, done: Done) -> None:
    for verb, answer in zip(works.verbs, done.answers, strict=True):
        if isinstance(answer, Exception):
            _fail(verb, answer)
        elif not verb.future.done():
            verb.future.set_result(answer)


def _fail(verb: Verb, error: Exception) -> None:
    if not verb.future.done():
        verb.future.set_exception(error)
