"""Connections out of a real backlog, in the turns of a real loop."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relayd.net import acceptor
from relayd.net.acceptor import ACCEPTS_A_TURN, Acceptor
from relayd.net.listener import bind
from support.descriptors import no_descriptor_left

TURNS_MAX = 200


class Port:
    """A listening socket, who knocks on it, and what was accepted of it."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.turned_away = 0
        self.acceptor = Acceptor(self.come, self.turn_away)
        self.accepted: list[tuple[socket.socket, str]] = []
        self.knocking: list[socket.socket] = []

    def come(self, link: socket.socket, host: str) -> None:
        self.accepted.append((link, host))

    def turn_away(self) -> None:
        self.turned_away += 1

    def knock(self, count: int = 1) -> socket.socket:
        for _ in range(count):
            self.knocking.append(socket.create_connection(self.listening.getsockname()))
        return self.knocking[-1]

    async def until(self, count: int) -> list[int]:
        """Wait until so many were accepted; return how many each turn had."""
        turns = []
        for _ in range(TURNS_MAX):
            before = len(self.accepted)
            await asyncio.sleep(0)
            turns.append(len(self.accepted) - before)
            if len(self.accepted) >= count:
                return turns
        raise AssertionError(f"{len(self.accepted)} were accepted")


@contextlib.contextmanager
def port(kind: type[socket.socket] = socket.socket) -> Iterator[Port]:
    [listening] = bind("127.0.0.1", 0)
    with kind(fileno=listening.detach()) as ready:
        ready.setblocking(False)
        made = Port(ready)
        try:
            yield made
        finally:
            made.acceptor.stop()
            for link in (*made.knocking, *(link for link, _ in made.accepted)):
                link.close()


class Failing(socket.socket):
    """A listening socket whose ``accept`` fails while there is something to fail with."""

    errors: list[int]
    tried = 0

    def accept(self):
        self.tried += 1
        if self.errors:
            number = self.errors.pop()
            raise OSError(number, os.strerror(number))
        return super().accept()


async def test_who_knocks_is_handed_over_with_its_host() -> None:
    with port() as here:
        here.acceptor.start([here.listening])
        caller = here.knock()

        await here.until(1)

        [(link, host)] = here.accepted
        assert host == "127.0.0.1"
        caller.sendall(b"hello")
        assert link.recv(5) == b"hello"


async def test_a_turn_accepts_a_few_and_the_others_stay_in_the_backlog() -> None:
    with port() as here:
        here.knock(5 * ACCEPTS_A_TURN)
        here.acceptor.start([here.listening])

        turns = await here.until(5 * ACCEPTS_A_TURN)

        assert max(turns) == ACCEPTS_A_TURN
        assert len(turns) < 20


async def test_who_comes_while_nobody_is_accepted_waits() -> None:
    with port() as here:
        assert not here.acceptor
        here.acceptor.start([here.listening])
        assert here.acceptor
        here.acceptor.stop()
        assert not here.acceptor
        caller = here.knock()
        await asyncio.sleep(0.05)
        assert here.accepted == []

        here.acceptor.start([here.listening])

        await here.until(1)
        caller.setblocking(False)
        with pytest.raises(BlockingIOError):
            caller.recv(1)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_descriptor_is_kept_of_an_acceptor_that_was_stopped() -> None:
    with port() as here:
        before = open_files()
        here.acceptor.start([here.listening])

        here.acceptor.stop()

        assert open_files() == before


async def test_without_a_descriptor_who_comes_is_closed() -> None:
    with port() as here:
        callers = [here.knock() for _ in range(3)]
        here.acceptor.start([here.listening])
        with no_descriptor_left():
            for _ in range(20):
                await asyncio.sleep(0)

        for caller in callers:
            caller.settimeout(1)
            with pytest.raises(ConnectionResetError):
                caller.recv(1)
        assert here.accepted == []
        assert here.turned_away == 3
        here.knock()
        await here.until(1)


async def test_what_was_wrong_with_one_connection_is_nobody_elses_concern() -> None:
    with port(Failing) as here:
        here.listening.errors = [errno.EPROTO, errno.ECONNABORTED]
        here.knock(2)
        here.acceptor.start([here.listening])

        with capture_logs() as logged:
            await here.until(2)

        assert logged == []


async def test_without_memory_nobody_is_accepted_for_a_while(monkeypatch) -> None:
    monkeypatch.setattr(acceptor, "RETRY_S", 0.1)
    with port(Failing) as here:
        here.listening.errors = [errno.ENOBUFS]
        here.knock()
        here.acceptor.start([here.listening])

        with capture_logs() as logged:
            for _ in range(20):
                await asyncio.sleep(0)
            tried = here.listening.tried
            await asyncio.sleep(0.3)

        assert (tried, len(here.accepted)) == (1, 1)
        assert [(each["event"], each["log_level"]) for each in logged] == [
            ("nobody can be accepted for now", "warning")
        ]


async def test_where_even_the_spare_descriptor_is_taken_nothing_spins(monkeypatch) -> None:
    monkeypatch.setattr(acceptor, "RETRY_S", 30.0)
    with port(Failing) as here:
        here.listening.errors = [errno.EMFILE] * 9
        here.knock()
        here.acceptor.start([here.listening])
        monkeypatch.setattr(Acceptor, "_keep_spare", lambda _: None)

        for _ in range(20):
            await asyncio.sleep(0)

        assert here.listening.tried == 2  # the first, and the one with the spare descriptor


async def test_who_was_stopped_in_the_meantime_does_not_begin_again(monkeypatch) -> None:
    monkeypatch.setattr(acceptor, "RETRY_S", 0.05)
    with port(Failing) as here:
        here.listening.errors = [errno.ENOMEM]
        here.knock()
        here.acceptor.start([here.listening])
        await asyncio.sleep(0.01)
        here.acceptor.stop()

        await asyncio.sleep(0.15)

        assert here.accepted == []
        assert here.listening.tried == 1
