"""An event loop on virtual time: it jumps to the next timer when nothing is ready, and its processes can be killed.

Callbacks enter with the process that they belong to; they run in one order, which nothing but the seed decides. The
rules of this file: no callback of a process that has ended ever runs again, as with kill -9; one that is stopped runs
nothing until it goes on, as with SIGSTOP; and what a callback raises is a finding.
"""

import asyncio
import contextvars
import functools
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

TASKS_KEPT = 64
"""So many tasks of a process are remembered before those that are done are forgotten."""
CLOSINGS_MAX = 50
CALLBACKS_MAX = 2_000_000
"""In one run: more is a circle in which no time goes by."""


class Killed(BaseException):
    """The process ends here and now."""


class Process:
    """What dies together: its callbacks, its connections, its open files."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.doomed = False
        """It was killed within a task, which keeps what is raised in it to itself."""
        self.held: list[Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.at_death: list[Callable[[], None]] = []
        """Called in their order when it ends, however it ends: what the kernel does for it."""
        self.things: dict[str, Any] = {}
        """What belongs to its machine, for whoever stands in for a part of it."""

    def __repr__(self) -> str:
        return self.name


PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


class Handle:
    """A callback that is to be called, in the process of its context."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "_when", "process")

    def __init__(self, callback, args, context, when: float | None = None) -> None:
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._when = when
        self._cancelled = False
        self.process: Process = self._context[PROCESS]

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float | None:
        return self._when

    def run(self) -> None:
        self._context.run(self._callback, *self._args)


class Listening:
    """What ``create_server`` gives."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def close(self) -> None:
        self._close()


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop of everybody: ``network`` makes connections, ``found`` is told of what should not have happened."""

    def __init__(self, found: Callable[[str, BaseException | None], None]) -> None:
        self.now = 1_000.0
        self.callbacks = 0
        self.network: Any = None
        self._found = found
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._number = 0
        self._dead: list[asyncio.Task[Any]] = []
        self._killed: Callable[[Process], None] = lambda _: None

    # --- time ---

    def time(self) -> float:
        return self.now

    def run_until(self, when: float) -> None:
        """Run everything that is due until then."""
        asyncio.events._set_running_loop(self)
        try:
            while True:
                if self._ready:
                    self._run(self._ready.popleft())
                elif self._timers and self._timers[0][0] <= when:
                    self.now = max(self.now, self._timers[0][0])
                    while self._timers and self._timers[0][0] <= self.now:
                        self._ready.append(heapq.heappop(self._timers)[2])
                else:
                    self.now = max(self.now, when)
                    return
        finally:
            asyncio.events._set_running_loop(None)

    def leap(self, seconds: float) -> None:
        """Let time go by while nobody runs: all machines sleep."""
        self.now += seconds

    def _run(self, handle: Handle) -> None:
        process = handle.process
        if handle._cancelled or not process.alive:
            return
        if process.stopped:
            process.held.append(handle)
            return
        self.callbacks += 1
        if self.callbacks > CALLBACKS_MAX:
            raise AssertionError("the loop goes round and no time goes by")
        try:
            handle.run()
        except Killed:
            process.doomed = True
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody looks at it
            self._found(f"a callback of {process} raised", error)
        if process.doomed and process.alive:
            self._killed(process)

    # --- processes ---

    def on_death(self, killed: Callable[[Process], None]) -> None:
        """Let somebody be told of a process that was killed from within."""
        self._killed = killed

    def within(self, process: Process, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function now as a part of a process."""
        context = contextvars.Context()
        context.run(PROCESS.set, process)
        outer = asyncio.events._get_running_loop()
        asyncio.events._set_running_loop(self)
        try:
            return context.run(function, *args)
        except Killed:
            return None
        finally:
            if process.doomed and process.alive and outer is None:
                self._killed(process)
            asyncio.events._set_running_loop(outer)

    def start(self, process: Process, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin a task of a process."""
        return self.within(process, self.create_task, work)

    def end(self, process: Process) -> None:
        """Let nothing of a process run any more."""
        process.alive = False
        process.held.clear()
        for task in process.tasks:
            task._log_destroy_pending = False
            self._dead.append(task)
        process.tasks.clear()
        for each in process.at_death:
            each()
        process.at_death.clear()

    def stop_process(self, process: Process) -> None:
        process.stopped = True

    def go_on(self, process: Process) -> None:
        process.stopped = False
        self._ready.extend(process.held)
        process.held.clear()

    def bury(self) -> None:
        """Close what the dead have left, so that no coroutine of theirs goes on when it is collected.

        Their last words are said to nobody: every file of theirs is gone by now.
        """
        asyncio.events._set_running_loop(self)
        context = contextvars.Context()
        context.run(PROCESS.set, Process("the dead"))
        try:
            for task in self._dead:
                if not task.done():
                    context.run(_close, task.get_coro())
                elif not task.cancelled():
                    task.exception()
        finally:
            asyncio.events._set_running_loop(None)
            self._dead.clear()
            self._ready.clear()
            self._timers.clear()

    # --- what asyncio and its users ask of a loop ---

    def call_soon(self, callback, *args, context=None) -> Handle:
        handle = Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(self, when, callback, *args, context=None) -> Handle:
        handle = Handle(callback, args, context, when)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def call_later(self, delay, callback, *args, context=None) -> Handle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None) -> "asyncio.Task[Any]":
        process = PROCESS.get()
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        if len(process.tasks) > TASKS_KEPT:
            process.tasks[:] = [each for each in process.tasks if not each.done()]
        if process.alive:
            process.tasks.append(task)
        else:
            task._log_destroy_pending = False
            self._dead.append(task)
        return task

    async def create_connection(self, protocol_factory, host=None, port=None, **_):
        return await self.network.connect(protocol_factory, host, port)

    async def create_server(self, protocol_factory, host=None, port=None, *, sock=None, **_):
        return self.network.listen(sock)

    async def connect_accepted_socket(self, protocol_factory, sock, **_):
        sock.pipe.accepted(protocol_factory)
        return sock.pipe, sock.pipe.protocol

    async def create_unix_server(self, protocol_factory, path=None, *, sock=None, **_):
        PROCESS.get().at_death.append(sock.close)
        return Listening(sock.close)

    def add_reader(self, fd, callback, *args) -> None:
        self.network.watch(fd, functools.partial(callback, *args))

    def remove_reader(self, fd) -> bool:
        self.network.unwatch(fd)
        return True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._found(context.get("message", "?"), context.get("exception"))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    # Not by close(): what waits in a finally within would be left suspended, and go on when it is collected.
    for _ in range(CLOSINGS_MAX):
        try:
            coroutine.throw(Killed())
        except BaseException:  # noqa: BLE001 - whatever it dies of
            return
