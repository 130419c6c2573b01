"""The wire's room: who waits for the intake to have room again.

Connections that could not hand over a submission enter; they are called in their order when there is room. The rule of
this file: one task waits for the store, however many connections wait (protocol.md §5).
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol


class Waiting(Protocol):
    """A connection with work for which there was no room."""

    def resume(self) -> None:
        """Try again, when it is your turn."""


class Intake(Protocol):
    """The part of the store that says when there is room."""

    async def space(self) -> None:
        """Return when the intake has room again."""


class Gate:
    """Connections in the order in which they met a full intake."""

    __slots__ = ("_intake", "_start", "_waiting")

    def __init__(self, intake: Intake, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._intake = intake
        self._start = start
        self._waiting: dict[Waiting, None] = {}

    def wait(self, connection: Waiting) -> None:
        """Call ``connection.resume`` when there is room."""
        if not self._waiting:
            self._start(self._open())
        self._waiting[connection] = None

    async def _open(self) -> None:
        await self._intake.space()
        waiting, self._waiting = self._waiting, {}
        for connection in waiting:
            connection.resume()
