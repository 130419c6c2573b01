"""The real relay, that kills itself at one step of its own code: ``python -m support.deadly_relay PLAN serve ...``.

PLAN is a JSON file that names the step (``support.kill_points``) and the file whose being there arms it. Functions
that the step names are wrapped where the code looks them up; a name that is not there ends the start.
"""

import functools
import importlib
import inspect
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import relayd.app
from relayd.delivery.expiry import expire_forever
from relayd.main import main as relayd_main
from relayd.store import database

SQL = "sql:"
"""Begins a step that is a statement of the store, named by how it begins."""
BEFORE, AFTER = "before", "after"


class Trap:
    """Kills this process before or after the so-manieth passing of a step, counted once it is armed.

    What lies before the step on the way must have been passed since, in order: so a commit is the one that is meant.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self._armed = Path(plan["armed"])
        self._way: list[str] = [*plan["way"]]
        self._step: str = plan["step"]
        self._side: str = plan["side"]
        self._left: int = plan["passing"]

    @property
    def names(self) -> set[str]:
        return {*self._way, self._step}

    def enter(self, name: str) -> bool:
        """Note a passing; whether it is the one that ends with the process. Kills where that is before the step."""
        if not self._armed.exists():
            return False
        if self._way:
            if name == self._way[0]:
                del self._way[0]
            return False
        if name != self._step:
            return False
        self._left -= 1
        if self._left == 0 and self._side == BEFORE:
            die()
        return self._left == 0

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waited(*args: Any, **kwargs: Any) -> Any:
                last = self.enter(name)
                result = await function(*args, **kwargs)
                if last:
                    die()
                return result

            return waited

        @functools.wraps(function)
        def passed(*args: Any, **kwargs: Any) -> Any:
            last = self.enter(name)
            result = function(*args, **kwargs)
            if last:
                die()
            return result

        return passed


def die() -> None:
    """End as a machine ends that loses its power, but for the disk's cache."""
    os.kill(os.getpid(), signal.SIGKILL)


def holder(name: str) -> tuple[Any, str]:
    """Return the module or class that a dotted name's last part is looked up in; AttributeError where it is not."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:-1]:
            found = getattr(found, part)
        getattr(found, parts[-1])
        return found, parts[-1]
    raise AttributeError(name)


def set_up(trap: Trap) -> None:
    """Put the trap around every function and statement that it names."""
    statements = [name for name in trap.names if name.startswith(SQL)]
    for name in trap.names.difference(statements):
        place, attribute = holder(name)
        setattr(place, attribute, trap.wrapped(name, getattr(place, attribute)))
    if statements:
        _watch(trap, statements)


def _watch(trap: Trap, statements: list[str]) -> None:
    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *bindings: Any) -> sqlite3.Cursor:
            run = super().execute
            for name in statements:
                if statement.startswith(name.removeprefix(SQL)):
                    run = trap.wrapped(name, run)
            return run(statement, *bindings)

    connect = functools.partial(sqlite3.connect, factory=Watched)
    database.sqlite3 = SimpleNamespace(connect=connect, Connection=sqlite3.Connection, Error=sqlite3.Error)


def main() -> int:
    """Run relayd with the trap of the plan."""
    plan = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    relayd.app.expire_forever = functools.partial(expire_forever, idle_s=plan["sweep_every_s"])
    set_up(Trap(plan))
    return relayd_main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
