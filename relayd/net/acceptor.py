"""The wire's room: connections out of the kernel's backlog, a few in each turn of the loop.

Listening sockets enter; accepted ones leave, one by one. The rules of this file: thousands that knock at once keep
nobody who is inside waiting, the rest of them stays in the backlog; and where there is no descriptor for a connection
it is closed, where there is no memory nobody is accepted for a while, so that nothing spins.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable
from typing import Final

from relayd.logs import get_logger
from relayd.net import ends

ACCEPTS_A_TURN: Final = 8
"""Connections of each socket: one that is let in takes some 60 us in this turn and the next, and as much at its end."""
RETRY_S: Final = 1.0
"""How long nobody is accepted where the machine has no room for a connection."""
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})
_GONE: Final = frozenset(
    {
        errno.ECONNABORTED, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENONET,
        errno.EPROTO,
    }
)  # fmt: skip
"""What accept(2) tells of this one connection, which is then gone."""

_log = get_logger("net")


class Acceptor:
    """Accepts on listening sockets, which stay its caller's.

    ``come`` is given each connection and its host; ``turned_away`` hears of each that was closed for want of a
    descriptor.
    """

    __slots__ = ("_come", "_listening", "_spare", "_turned_away")

    def __init__(self, come: Callable[[socket.socket, str], None], turned_away: Callable[[], None]) -> None:
        self._come = come
        self._turned_away = turned_away
        self._listening: list[socket.socket] = []
        self._spare: int | None = None
        """A descriptor that is kept to be given up: who can't be served is accepted with it, and told so by a close."""

    def __bool__(self) -> bool:
        return bool(self._listening)

    def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on these as well, which do not block."""
        loop = asyncio.get_running_loop()
        self._keep_spare()
        for listening in sockets:
            self._listening.append(listening)
            loop.add_reader(listening, self._accept, listening)

    def stop(self) -> None:
        """Accept nobody any more; who comes waits in the backlog."""
        loop = asyncio.get_running_loop()
        while self._listening:
            loop.remove_reader(self._listening.pop())
        self._give_up_spare()

    def _accept(self, listening: socket.socket) -> None:
        self._keep_spare()
        for _ in range(ACCEPTS_A_TURN):
            try:
                link, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _GONE:
                    self._no_room(listening, error)
                    return
            else:
                self._come(link, address[0])

    def _no_room(self, listening: socket.socket, error: OSError) -> None:
        """Close who has come, where that can be done, so that he does not wait; else accept nobody for a while."""
        if error.errno in _NO_DESCRIPTOR and self._turn_away(listening):
            return
        _log.warning("nobody can be accepted for now", error=str(error))
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(RETRY_S, self._again, listening)

    def _turn_away(self, listening: socket.socket) -> bool:
        """Close who has come, with the descriptor that was kept for it; return whether that could be done."""
        if not self._give_up_spare():
            return False
        try:
            link = listening.accept()[0]
            ends.reset(link)
            link.close()
        except OSError as error:
            return error.errno not in _NO_DESCRIPTOR  # it has gone; or somebody else was quicker to take what was free
        finally:
            self._keep_spare()
        self._turned_away()
        return True

    def _again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _keep_spare(self) -> None:
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)

    def _give_up_spare(self) -> bool:
        """Return whether there was one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)
        return spare is not None
