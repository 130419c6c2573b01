"""NATS JetStream: one file stream as a work queue, one durable push consumer a recipient."""

import json
from typing import Any, ClassVar

from peer import Peer, Refused, Wire, dialled

_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"name":"bench"}\r\nPING\r\n'
_IN_FLIGHT = 1024
_ACK_WAIT_NS = 120_000_000_000
"""Longer than a run: what comes twice would be counted as wrong."""


class JetStream(Peer):
    """As it comes: what is acknowledged was written, and is synced every two minutes."""

    name: ClassVar[str] = "NATS JetStream, default sync"
    package: ClassVar[str] = "nats-server"
    durability: ClassVar[str] = "written; synced every two minutes"
    wire: ClassVar[str] = "nats"
    sync: ClassVar[str] = ""

    def command(self) -> list[str]:
        """See Peer."""
        path = self.state / "nats.conf"
        path.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.state}/store"{self.sync} }}\n'
            "max_connections: 20000\n"
        )
        return [str(self.root / "usr/sbin/nats-server"), "-c", str(path)]

    def _wire(self) -> Wire:
        wire = dialled(self.port)
        wire.socket.sendall(_CONNECT)
        self._pong(wire)
        return wire

    def _line(self, wire: Wire) -> bytes:
        """Return the next line that is no PING, which may come at any time and is answered."""
        while (said := wire.until(b"\r\n")) == b"PING\r\n":
            wire.socket.sendall(b"PONG\r\n")
        return said

    def _pong(self, wire: Wire) -> None:
        while (said := self._line(wire)) != b"PONG\r\n":
            if not said.startswith(b"INFO"):
                raise Refused(said.decode(errors="replace"))

    def _ask(self, wire: Wire, subject: str, asked: dict[str, Any]) -> None:
        """Ask the server's interface over a connection that has nothing else to hear."""
        octets = json.dumps(asked).encode()
        wire.socket.sendall(
            b"SUB answer 9\r\nPUB %s answer %d\r\n%s\r\nUNSUB 9 1\r\n" % (subject.encode(), len(octets), octets)
        )
        head = self._line(wire)
        answer = json.loads(wire.read(int(head.split()[-1]) + 2))
        if "error" in answer:
            raise Refused(str(answer["error"]))

    def prepare(self, people: int) -> None:  # noqa: ARG002 - one stream holds all
        """Make the stream."""
        wire = self._wire()
        self._ask(wire, "$JS.API.STREAM.CREATE.M", {
            "name": "M", "subjects": ["m.*"], "retention": "workqueue", "storage": "file", "num_replicas": 1,
        })  # fmt: skip
        wire.socket.close()

    def sender(self, name: str) -> Wire:
        """See Peer."""
        wire = self._wire()
        wire.key = name.encode()
        wire.socket.sendall(b"SUB a.%s.* 1\r\nPING\r\n" % wire.key)
        self._pong(wire)
        return wire

    def receiver(self, name: str, *, waits: bool = False) -> Wire:
        """See Peer."""
        wire = self._wire()
        wire.key = name.encode()
        if not waits:
            self._consumer(wire, name)
        subscribed = b"SUB d.%s 1\r\n" % wire.key
        if waits:
            wire.hello = subscribed
        else:
            wire.socket.sendall(subscribed + b"PING\r\n")
            self._pong(wire)
        return wire

    def _consumer(self, wire: Wire, name: str) -> None:
        self._ask(wire, f"$JS.API.CONSUMER.DURABLE.CREATE.M.{name}", {
            "stream_name": "M",
            "config": {
                "durable_name": name, "deliver_subject": f"d.{name}", "filter_subject": f"m.{name}",
                "ack_policy": "explicit", "max_ack_pending": _IN_FLIGHT, "ack_wait": _ACK_WAIT_NS,
                "deliver_policy": "all",
            },
        })  # fmt: skip

    def absent(self, name: str) -> None:
        """See Peer."""
        wire = self._wire()
        self._consumer(wire, name)
        wire.socket.close()


class JetStreamAlways(JetStream):
    """Synced before each answer."""

    name: ClassVar[str] = "NATS JetStream, sync always"
    durability: ClassVar[str] = "synced to disk, one sync a message"
    sync: ClassVar[str] = ", sync_interval: always"
    share: ClassVar[float] = 0.1
