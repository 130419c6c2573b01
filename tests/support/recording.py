"""A proxy between devices and the relay that writes down every byte of every connection, and changes none."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

TIMEOUT_S = 60.0


@dataclass
class Recorded:
    """One connection: what the device said and what the relay said."""

    said: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)


class RecordingProxy:
    """Listens on ``port`` and connects to the relay from the address ``source``."""

    def __init__(self, port: int, relay_port: int, source: str) -> None:
        self._relay = ("127.0.0.1", relay_port)
        self._source = source
        self._listening = socket.create_server(("127.0.0.1", port))
        self._threads: list[threading.Thread] = []
        self.connections: list[Recorded] = []

    def serve(self) -> None:
        """Take connections until the listening socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                device, _ = self._listening.accept()
                relay = socket.create_connection(self._relay, timeout=TIMEOUT_S, source_address=(self._source, 0))
                device.settimeout(TIMEOUT_S)
                recorded = Recorded()
                self.connections.append(recorded)
                self._threads.append(started(bridge, device, relay, recorded))

    def close(self) -> None:
        """Take no more connections and wait until those that there are have ended."""
        # Closing alone does not wake a thread that waits in accept().
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(TIMEOUT_S)


def started(target, *arguments) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def bridge(device: socket.socket, relay: socket.socket, recorded: Recorded) -> None:
    """Carry both directions of a connection to their ends."""
    with device, relay:
        back = started(carry, relay, device, recorded.heard)
        carry(device, relay, recorded.said)
        back.join(TIMEOUT_S)


def carry(source: socket.socket, target: socket.socket, recorded: bytearray) -> None:
    """Carry one direction to its end."""
    with contextlib.suppress(OSError):
        while octets := source.recv(65_536):
            recorded += octets
            target.sendall(octets)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def recording(port: int, relay_port: int, source: str) -> Iterator[RecordingProxy]:
    """Run a proxy for the block; after it, everything is written down."""
    proxy = RecordingProxy(port, relay_port, source)
    serving = started(proxy.serve)
    try:
        yield proxy
    finally:
        proxy.close()
        serving.join(TIMEOUT_S)
