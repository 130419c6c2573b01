"""A child process that kills itself, as kill -9 does, just before one of the steps that it takes on disk."""

import itertools
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

STEPS_MAX = 400


def _counted(function: Callable[..., object], count: Iterator[int], at: int) -> Callable[..., object]:
    def step(*arguments: object, **named: object) -> object:
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return step


def killed_before(step: int, run: Callable[[], object]) -> bool:
    """Run in a child that is killed before its ``step``-th step; False where it had come to its end before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            count = itertools.count()
            os.fsync = _counted(os.fsync, count, step)
            shutil.rmtree = _counted(shutil.rmtree, count, step)
            for name in ("replace", "rename", "unlink", "mkdir"):
                setattr(Path, name, _counted(getattr(Path, name), count, step))
            run()
            status = 0
        except BaseException:  # noqa: BLE001 - the child has nobody else to tell
            traceback.print_exc()
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(ended) == 0
    return False


def every_step(run: Callable[[], object], before: Callable[[], object]) -> Iterator[int]:
    """Yield after each kill, one step later each time, until one run comes to its end; ``before`` makes the place."""
    for step in range(STEPS_MAX):
        before()
        if not killed_before(step, run):
            return
        yield step
    raise AssertionError(f"it has more than {STEPS_MAX} steps")
