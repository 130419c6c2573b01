"""One device that asks and waits for the answer, one question at a time, with the clock at the socket.

What goes out is sealed before the clock starts and what comes is opened after it has stopped, so that a time is the
relay's and the loopback's, and the same of ours each time.
"""

import os
import select
import socket
import time
from collections.abc import Callable

from people import DEVICE, Person
from relay import Place

from relayproto.codes import Purpose
from relayproto.commands import Credit, Hello
from relayproto.connection import ClientConnection
from relayproto.events import Closed, MessageReceived
from relayproto.message import Message
from relayproto.notices import Drained

ANSWER_S_MAX = 30.0
_READ_BYTES = 1 << 17


class Asking:
    """An open connection of a device, past DRAINED."""

    def __init__(self, place: Place, person: Person) -> None:
        """Connect as somebody's device."""
        hello = Hello(person.account, DEVICE, 1, person.epoch, (0, 0, 0), 0, 0, 0, Credit(64, 1 << 20), "bench")
        self._connection = ClientConnection(
            purpose=Purpose.DEVICE, relay_key=place.key, key_id=place.key_id, hello=hello,
            static_key=person.dh_private, entropy=os.urandom, now=time.monotonic(),
        )  # fmt: skip
        self._requests = 0
        self._socket = socket.create_connection((place.host, place.port), timeout=ANSWER_S_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._until(lambda event: isinstance(event.message, Drained))

    def ask(self, said: Message) -> tuple[Message, float]:
        """Return the answer to a question, and how many seconds it took."""
        self._requests += 1
        number = self._requests
        self._connection.send(said, number)
        octets = self._connection.data_to_send(time.monotonic())
        begun = time.perf_counter()
        self._socket.sendall(octets)
        select.select([self._socket], [], [], ANSWER_S_MAX)
        took = time.perf_counter() - begun
        return self._until(lambda event: event.request == number), took

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _until(self, wanted: Callable[[MessageReceived], bool]) -> Message:
        while True:
            if octets := self._connection.data_to_send(time.monotonic()):
                self._socket.sendall(octets)
            received = self._socket.recv(_READ_BYTES)
            if not received:
                raise RuntimeError("the relay hung up")
            self._connection.receive_data(received, time.monotonic())
            for event in self._connection.events():
                if isinstance(event, Closed):
                    raise RuntimeError(f"the connection ended: {event}")  # noqa: TRY004 - no type is wrong
                if isinstance(event, MessageReceived) and wanted(event):
                    return event.message
