"""The store room: the commit loop.

What the intake has collected enters the writer's thread as one transaction; while that runs everything collects for
the next. The rules of this file: a commit begins when the loop has nothing else to do, and for a quiet device at once;
a failure for now is told as such and the acknowledgements wait; after anything that could have lost or damaged what was
written, no transaction is tried again.
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
GATHER_S: Final = 0.005
"""How long a commit that no quiet device waits for gathers what else comes, while the loop is busy."""
IDLE_TURN_S: Final = 0.00005
"""A turn of the loop that took less had nothing to do: to take one message takes about as long."""
SMALL_MAX: Final = 160
"""Works, and rows that they put in, of a commit that the loop waits for: what a short one takes, with acknowledgements
and logins that go along, some two milliseconds. What is larger takes longer than anybody should wait for."""
WAIT_S: Final = 0.003
"""How long the loop waits for such a commit, once: a slow disk is waited for like a large commit, beside the loop."""
WORK_S: Final = 0.00005
"""No work and no row takes as much. A commit that took longer than both shows a slow disk, on which none is short."""
_PAUSE_S: Final = 0.05
"""Between a failed transaction and the next, so that waiting acknowledgements do not spin."""

_log = get_logger("store")


@dataclass(slots=True)
class _Begun:
    """A commit that the thread has: its works, and what tells of its end."""

    works: Works
    committed: asyncio.Future[Done]


class Engine:
    """Commits what the intake collects, until it is stopped or the store can no longer be trusted."""

    __slots__ = (
        "_begun",
        "_clock",
        "_counters",
        "_disk",
        "_ears",
        "_failing",
        "_idle",
        "_incident",
        "_log_pages",
        "_path",
        "_stopping",
        "_task",
        "_thread",
        "_waiting",
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
        self._waiting = False
        """Whether the loop waits for it."""
        self._idle = False
        """Whether ``_run`` waits for works."""
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
                await self._works()
                if self.fatal.done():
                    break
            wanted = self._begun is None and (self.intake.pressing or self._stopping)  # or it was hurried
            if wanted and not self._begin() and self._stopping:
                return
            if self._begun is not None:
                await self._follow(self._begun)
            await asyncio.sleep(0)  # those whom it has let in go on before the next one, which may be told at once
            if log_is_long(self._path, self._log_pages):
                await self._move(move_log)
        if self._begun is not None:
            await self._follow(self._begun)
        while works := self.intake.next(self._clock.monotonic()):
            self._abandon(works)

    async def _works(self) -> None:
        """Return when a commit is to begin, or was hurried, and those whom that one has let in have gone on."""
        self._idle = True
        await self.intake.arrival()
        await self._gathered()
        hurried = not self._idle
        self._idle = False
        if hurried:
            if self._begun is not None:
                await self._follow(self._begun)
            await asyncio.sleep(0)

    async def _gathered(self) -> None:
        """Return when the next commit is to begin: soon, since each costs as much by itself as thirty messages."""
        began = turn = self._clock.monotonic()
        while self.intake.pressing and not (self.intake.urgent or self._begun is not None or not self.taking):
            await asyncio.sleep(0)
            now = self._clock.monotonic()
            if now - turn < IDLE_TURN_S or now - began > GATHER_S:
                return
            turn = now

    def hurry(self) -> None:
        """Begin the commit that a quiet device waits for, if it can, before the loop does what else it has found.

        Once between two rounds of ``_run``: those whom it has let in go on before the next one.
        """
        if self._idle and self.intake.hurries and self._begun is None and self.taking:
            self._idle = False
            self._begin()

    def submit(self, work: Submission) -> None:
        """Take a submission in."""
        self.intake.submit(work, self._clock.monotonic())

    def _begin(self) -> bool:
        """Hand to the thread what was taken in, if anything was; where that is little, wait for it.

        The thread shares the interpreter and maybe the core with the loop, and so do threads of the kernel that a sync
        goes through: each runs for microseconds and waits for the scheduler's next tick on a core that is kept busy.
        Who is read meanwhile would wait for the end of the commit all the same.
        """
        works = self.intake.next(began := self._clock.monotonic())
        if not works:
            return False
        act = partial(self._writer.run, works=works, now_ms=self._clock.now_ms(), disk_tight=self._disk.tight)
        rows = sum([each.placements for each in works.submissions])
        committed = self._thread.post(act, partial(self._committed, works, rows, began))
        self._begun = _Begun(works, committed)
        if len(works) <= SMALL_MAX and rows <= SMALL_MAX:
            self._waiting = True
            try:
                self._thread.wait_out(WAIT_S)
            except Exception as error:  # noqa: BLE001 - our own bug in telling; whoever has begun the commit goes on
                self._incident(error, where="commit told")
            finally:
                self._waiting = False
        return True

    def _begin_next(self) -> None:
        if self._begun is None and self.intake.pressing and self.taking:
            self._begin()

    def _committed(self, works: Works, rows: int, began: float, done: Done) -> None:
        """Tell of a commit in the turn in which the thread has told of it, and begin an urgent one in the next turn.

        Not in the same one, since it may be told at once: the callers of the verbs that were answered here go on first,
        and a device that was let in hears what the next commit has for it. Where the loop has waited ``_run`` goes on.
        """
        self._begun = None
        if self._failing is not None:
            _log.info("commits go through again")
            self._failing = None
        self._counters.commits += 1
        self._counters.commit_batch.observe(len(works))
        took_s = self._clock.monotonic() - began
        self._counters.commit_seconds.observe(took_s)
        self.intake.slow = took_s > WAIT_S + WORK_S * (len(works) + rows)
        try:
            tell(done, self._ears, self._counters, self._incident)
        except Exception as error:  # noqa: BLE001 - our own bug
            # What was committed stays committed; the next page finds what nobody was woken for.
            self._incident(error, where="telling")
        _answer(works, done)
        if not self._waiting and self.intake.pressing and self.intake.urgent:
            asyncio.get_running_loop().call_soon(self._begin_next)

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
