"""The wire's room: what the loop does for many at once, one piece in each of its turns.

Pieces of work enter and are called, in their order. The rule of this file: between two of them the loop looks at its
sockets, so that whoever says something is read after one piece and not after all that are due.
"""

from collections import deque
from collections.abc import Callable


class Agenda:
    """Pieces that are due: those who wait to be read, who wait to be told, who wait to leave, whose time is up."""

    __slots__ = ("_pieces", "_soon")

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` calls a function in the loop's next turn: ``loop.call_soon``."""
        self._soon = soon
        self._pieces: deque[Callable[[], None]] = deque()

    def soon(self, piece: Callable[[], None]) -> None:
        """Call ``piece`` in one of the next turns, after those that are due already."""
        self._pieces.append(piece)
        if len(self._pieces) == 1:
            self._soon(self._turn)

    def _turn(self) -> None:
        try:
            self._pieces[0]()
        finally:
            self._pieces.popleft()
            if self._pieces:
                self._soon(self._turn)
