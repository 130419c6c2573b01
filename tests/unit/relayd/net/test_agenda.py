import asyncio
import socket

import pytest
import uvloop

from relayd.net.agenda import Agenda


class Loop:
    """A loop of which a test makes every turn."""

    def __init__(self) -> None:
        self.due: list = []

    def call_soon(self, callback) -> None:
        self.due.append(callback)

    def turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


def test_a_turn_does_one_piece_in_the_order_in_which_they_came() -> None:
    loop, done = Loop(), []
    agenda = Agenda(loop.call_soon)
    for name in "abc":
        agenda.soon(lambda name=name: done.append(name))

    seen = []
    while loop.due:
        loop.turn()
        seen.append("".join(done))

    assert seen == ["a", "ab", "abc"]


def test_a_piece_that_comes_back_stands_behind_the_others() -> None:
    loop, done = Loop(), []
    agenda = Agenda(loop.call_soon)

    def again() -> None:
        done.append("again")
        if len(done) < 5:
            agenda.soon(again)

    agenda.soon(again)
    agenda.soon(lambda: done.append("other"))
    while loop.due:
        assert len(loop.due) == 1
        loop.turn()

    assert done == ["again", "other", "again", "again", "again"]


def test_a_piece_that_fails_keeps_no_other_from_its_turn() -> None:
    loop, done = Loop(), []
    agenda = Agenda(loop.call_soon)
    agenda.soon(lambda: 1 / 0)
    agenda.soon(lambda: done.append("other"))

    with pytest.raises(ZeroDivisionError):
        loop.turn()
    loop.turn()

    assert done == ["other"]
    assert loop.due == []


class Noting(asyncio.Protocol):
    def __init__(self, order: list) -> None:
        self.order = order

    def data_received(self, data: bytes) -> None:
        self.order.append(data)


def test_between_two_pieces_a_connection_is_read() -> None:
    async def read() -> list:
        loop, ended, order = asyncio.get_running_loop(), asyncio.Event(), []
        ours, theirs = socket.socketpair()
        with ours:
            transport, _ = await loop.connect_accepted_socket(lambda: Noting(order), theirs)
            agenda = Agenda(loop.call_soon)
            agenda.soon(lambda: (order.append("first"), ours.send(b"x")))
            agenda.soon(lambda: order.append("second"))
            agenda.soon(ended.set)
            await asyncio.wait_for(ended.wait(), 5)
            transport.close()
        return order

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(read()) == ["first", b"x", "second"]
